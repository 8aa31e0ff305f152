package agent

import (
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// HostNetworks are the private networks that this host is in (RFC 1918, RFC 4193):
// what its local networks most likely are. A public network is shared with
// strangers, and is none.
func HostNetworks() []netip.Prefix {
	addrs, err := steady(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil
	}
	var networks []netip.Prefix
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		p := netip.PrefixFrom(ip.Unmap(), bits).Masked()
		if ok && p.Addr().IsPrivate() && a.Scope == unix.RT_SCOPE_UNIVERSE && !p.IsSingleIP() && !slices.Contains(networks, p) {
			networks = append(networks, p)
		}
	}
	return networks
}
