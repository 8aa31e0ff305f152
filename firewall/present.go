package firewall

import (
	"errors"
	"io/fs"
	"os"

	"github.com/voipbl/voipbl/internal/procself"
	"github.com/voipbl/voipbl/iptables"
)

// ipv6Proof is where a kernel with IPv6 lists its addresses (proc_net(5)). With
// "ipv6.disable=1", which some guides suggest, it is missing, and the tools of legacy ip6tables
// fail.
var ipv6Proof = func() string { return "/proc/" + procself.Name() + "/net/if_inet6" }

// Present reports whether the kernel has the family at all. If not, it needs no rules.
func Present(f iptables.Family) bool {
	if f == iptables.IPv4 {
		return true
	}
	_, err := os.Stat(ipv6Proof())
	return !errors.Is(err, fs.ErrNotExist)
}
