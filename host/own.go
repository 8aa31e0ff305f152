package host

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/voipbl/voipbl/internal/netdump"
	"golang.org/x/sys/unix"
)

// OwnAddresses returns the addresses of this host's interfaces.
func OwnAddresses() ([]netip.Addr, error) {
	addrs, err := netdump.Steady(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("read this host's addresses: %w", err)
	}
	var own []netip.Addr
	for _, a := range addrs {
		own = appendIP(own, a.IP)
	}
	return own, nil
}

// Gateways returns the routers of this host's default routes, from all routing tables.
func Gateways() ([]netip.Addr, error) {
	var gws []netip.Addr
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netdump.Steady(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fmt.Errorf("read this host's routes: %w", err)
		}
		for _, r := range routes {
			gws = append(gws, defaultGateways(r)...)
		}
	}
	return gws, nil
}

func defaultGateways(r netlink.Route) []netip.Addr {
	if r.Dst != nil {
		if bits, _ := r.Dst.Mask.Size(); bits > worldBits {
			return nil
		}
	}
	gws := appendIP(nil, r.Gw)
	if via, ok := r.Via.(*netlink.Via); ok {
		gws = appendIP(gws, via.Addr)
	}
	for _, hop := range r.MultiPath {
		gws = appendIP(gws, hop.Gw)
		if via, ok := hop.Via.(*netlink.Via); ok {
			gws = appendIP(gws, via.Addr)
		}
	}
	return gws
}

func appendIP(addrs []netip.Addr, ip net.IP) []netip.Addr {
	if a, ok := netip.AddrFromSlice(ip); ok && !a.IsUnspecified() {
		return append(addrs, a.Unmap())
	}
	return addrs
}
