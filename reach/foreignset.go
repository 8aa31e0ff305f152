package reach

import (
	"context"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/setnames"
)

// A set with a name of voipbl's but of another type was made by somebody else. It does not block
// as it should, and the kernel does not swap sets of different types: it must be destroyed, and
// for that nothing may refer to it. voipbl's own rules may still do so, from before.

// InWay reports whether a live set is somebody else's and only voipbl's rules refer to it.
func InWay(ctx context.Context, kernel *ipsetsync.Kernel, live *ipsetsync.Live, f cidr.Family) bool {
	if live == nil || ipsetsync.IsOurs(live.Header, f) || live.References == 0 {
		return false
	}
	rules := firewall.ReadUsers(ctx)
	return rules.Unknown[f] == nil && len(setnames.OtherUsers(kernel, rules, live.Name)) == 0 && len(rules.OfSet(live.Name)) > 0
}
