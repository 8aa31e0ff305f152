package iptwalk

import (
	"net/netip"

	"github.com/voipbl/voipbl/internal/banrule"
	"github.com/voipbl/voipbl/iptables"
)

// A ChainBan is a rule of a chain of fail2ban's that closes the door to a source.
type ChainBan struct {
	Chain  string
	Source netip.Prefix
}

// ChainBans finds the rules that close the door to a source in all chains of the filter table that have fail2ban's names, whether
// or not a fail2ban runs that knows of them.
func ChainBans(s *iptables.Saved) []ChainBan {
	var found []ChainBan
	names := s.Chains("filter", func(name string, _ *iptables.SavedChain) bool { return banrule.IsFail2ban(name) })
	for _, chain := range names {
		for _, text := range s.Texts("filter", chain) {
			if m := readMatch(text); m.src.IsValid() && closes(s, "filter", m.target) {
				found = append(found, ChainBan{chain, m.src})
			}
		}
	}
	return found
}
