package firewall

import (
	"net/netip"

	"github.com/voipbl/voipbl/internal/banrule"
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
