package fleetsim

import (
	"fmt"

	"github.com/voipbl/voipbl/internal/testfleet"
)

// sites is how many hosts each site of a fleet has.
const perSite = 4

// Members are n new hosts of a hub, which connect with it, or in turns with servers at other URLs.
func Members(h *testfleet.Hub, n int, urls ...string) []Member {
	if urls == nil {
		urls = []string{h.URL()}
	}
	all := make([]Member, n)
	for i := range all {
		all[i] = Member{urls[i%len(urls)], h.Creds(fmt.Sprintf("site%d_pbx%d", i/perSite, i%perSite))}
	}
	return all
}
