package iptables

import (
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

// NamedBanSets are the sets of our actions for fail2ban that the rules of a listing name, in
// order. Of a listing that has mistakes it is those of the lines that can be read.
func NamedBanSets(listing []byte) []string {
	names := []string{}
	for line := range strings.Lines(string(listing)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") { // counters
			_, line, _ = strings.Cut(line, " ")
		}
		all := Words(line)
		if len(all) < 2 || all[0] != "-A" {
			continue
		}
		names = append(names, banrule.SetsOf(all)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
