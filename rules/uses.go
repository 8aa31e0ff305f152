package rules

import (
	"cmp"
	"slices"

	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/lockout"
)

// maxUses limits the memory that uses take, whoever has how many flows.
const maxUses = 16384

// usesOf returns who uses listeners now. It is for what people are shown, so what is not known of that
// is left out. This host itself is nobody: a flow with the same port at both ends, as of SIP, is seen from
// both.
func usesOf(listeners []host.Listener) (uses []lockout.Use) {
	ports := make(map[host.Port]bool)
	for _, l := range listeners {
		ports[host.Port{Proto: l.Proto, Port: l.Port}] = true
	}
	own, _ := host.OwnAddresses()
	seen := make(map[lockout.Use]bool)
	flows.Ask()(func(f flows.Flow) {
		u := lockout.Use{Proto: f.Proto(), Port: f.Port, From: f.Peer}
		if ports[host.Port{Proto: u.Proto, Port: u.Port}] && !f.Peer.IsLoopback() && !slices.Contains(own, f.Peer) && len(seen) < maxUses {
			seen[u] = true
		}
	})
	for u := range seen {
		uses = append(uses, u)
	}
	slices.SortFunc(uses, func(a, b lockout.Use) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	return uses
}
