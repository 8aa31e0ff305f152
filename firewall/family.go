package firewall

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"

	"github.com/voipbl/voipbl/internal/procself"
)

// Family is IPv4 or IPv6: the rules of each are a world of their own, with its
// own tools and tables.
type Family int

const (
	IPv4 Family = iota
	IPv6
)

// Families are both.
var Families = [...]Family{IPv4, IPv6}

func (f Family) String() string { return [...]string{"IPv4", "IPv6"}[f] }

// command is the name with which this family's tools begin.
func (f Family) command() string { return [...]string{"iptables", "ip6tables"}[f] }

// ipv6Proof is where a kernel with IPv6 lists its addresses (proc_net(5)). With
// "ipv6.disable=1", as some guides have it, it is not there, and the tools of
// legacy ip6tables fail.
var ipv6Proof = func() string { return "/proc/" + procself.Name() + "/net/if_inet6" }

// Present reports whether the kernel has the family at all. One that it does not
// have needs no rules.
func (f Family) Present() bool {
	if f == IPv4 {
		return true
	}
	_, err := os.Stat(ipv6Proof())
	return !errors.Is(err, fs.ErrNotExist)
}

// of returns the prefixes of this family, in order.
func (f Family) of(prefixes []netip.Prefix) []netip.Prefix {
	var own []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is4() == (f == IPv4) {
			own = append(own, p)
		}
	}
	return own
}
