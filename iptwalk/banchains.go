package iptwalk

import (
	"net/netip"

	"github.com/voipbl/voipbl/internal/banrule"
	"github.com/voipbl/voipbl/iptables"
)

// ChainBan is a rule in a chain of fail2ban's that blocks a source.
type ChainBan struct {
	Chain  string
	Source netip.Prefix
}

// ChainBans finds the rules that block a source in all chains of the filter table with names of
// fail2ban's, whether or not a running fail2ban knows of them.
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
