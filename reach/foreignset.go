package reach

import (
	"context"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/setnames"
)

// A set of our name and another type was made by somebody else. It blocks nobody as it
// should, and the kernel exchanges no set for one of another type: it has to be destroyed,
// which needs that nothing refers to it. Our own rules may, from before somebody put it
// there.

// InWay reports whether a live set is somebody else's to which only rules of ours refer.
func InWay(ctx context.Context, kernel *ipsetsync.Kernel, live *ipsetsync.Live, f cidr.Family) bool {
	if live == nil || ipsetsync.IsOurs(live.Header, f) || live.References == 0 {
		return false
	}
	rules := firewall.ReadUsers(ctx)
	return rules.Unknown[f] == nil && len(setnames.OtherUsers(kernel, rules, live.Name)) == 0 && len(rules.OfSet(live.Name)) > 0
}
