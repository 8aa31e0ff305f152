package agent

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// ownAddresses are the addresses of this host's interfaces.
func ownAddresses() ([]netip.Addr, error) {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("read this host's addresses: %w", err)
	}
	var own []netip.Addr
	for _, a := range addrs {
		own = appendIP(own, a.IP)
	}
	return own, nil
}

// gateways are the routers that this host's default routes go through.
func gateways() ([]netip.Addr, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("read this host's routes: %w", err)
	}
	var gws []netip.Addr
	for _, r := range routes {
		if r.Dst != nil && !r.Dst.IP.IsUnspecified() {
			continue
		}
		gws = appendIP(gws, r.Gw)
		for _, hop := range r.MultiPath {
			gws = appendIP(gws, hop.Gw)
		}
	}
	return gws, nil
}

func appendIP(addrs []netip.Addr, ip net.IP) []netip.Addr {
	if a, ok := netip.AddrFromSlice(ip); ok {
		return append(addrs, a.Unmap())
	}
	return addrs
}
