package firewall

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/banrule"
)

// What our actions for fail2ban call their sets: f2bv-JAIL of voipbl-set asks for the members
// of own-JAIL, f2bs-JAIL of voipbl-ssh for those of the set of the same name, and others may
// fill fail2ban-ASTERISK and the chain fail2ban-ssh too.
const (
	ActionSets = banrule.Sets
	SSHSets    = banrule.SSH
	CommonBans = banrule.Common
)

// A ChainBan is a rule of a chain of fail2ban's that closes the door to a source.
type ChainBan struct {
	Chain  string
	Source netip.Prefix
}

// ChainBans finds them in all chains of the filter table that have fail2ban's names, whether
// or not a fail2ban runs that knows of them.
func (s *Saved) ChainBans() []ChainBan {
	var found []ChainBan
	names := s.chains("filter", func(name string, _ *savedChain) bool { return banrule.IsFail2ban(name) })
	for _, chain := range names {
		for _, text := range s.texts("filter", chain) {
			if m := readMatch(text); m.src.IsValid() && s.closes("filter", m.target) {
				found = append(found, ChainBan{chain, m.src})
			}
		}
	}
	return found
}

// NamedBanSets are the sets of our actions for fail2ban that the rules of a listing name, in
// order. Of a listing that has mistakes it is those of the lines that can be read.
func NamedBanSets(listing []byte) []string {
	names := []string{}
	for line := range strings.Lines(string(listing)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") { // counters
			_, line, _ = strings.Cut(line, " ")
		}
		all := splitRule(line)
		if len(all) < 2 || all[0] != "-A" {
			continue
		}
		names = append(names, banrule.SetsOf(all)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
