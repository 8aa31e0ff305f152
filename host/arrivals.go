package host

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/voipbl/voipbl/internal/netdump"
	"github.com/voipbl/voipbl/internal/probe"
	"golang.org/x/sys/unix"
)

// Arrivals tell by which interfaces packets come in that are from somewhere: by those that
// this host answers them by.
type Arrivals struct {
	Own    []netip.Addr // the addresses of this host that others may send to
	Routes []Route
}

// Route is by which interfaces a network is reached.
type Route struct {
	To netip.Prefix
	By []string
}

// WorldBits is the longest prefix of a route that leads to the Internet: 0 for a default
// route, 1 for the halves that VPNs set, 3 for 2000::/3.
const WorldBits = 3

// FindArrivals reads the interfaces and the routes, within a look; nil if they cannot be read.
func FindArrivals(l *probe.Look) *Arrivals {
	a, err := LookArrivals()
	l.Unknown("the routes of this host", err, "ip route")
	return a
}

// LookArrivals reads the interfaces and the routes of this host.
func LookArrivals() (*Arrivals, error) {
	links, err := netdump.Steady(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	byIndex := make(map[int]string)
	for _, l := range links {
		if a := l.Attrs(); a.Flags&net.FlagLoopback == 0 {
			byIndex[a.Index] = a.Name
		}
	}
	addrs, err := netdump.Steady(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	a := new(Arrivals)
	for _, addr := range addrs {
		by := byIndex[addr.LinkIndex]
		if ip, ok := netip.AddrFromSlice(addr.IP); ok && by != "" && !containerBridge.MatchString(by) && !ip.IsLinkLocalUnicast() {
			a.Own = append(a.Own, ip.Unmap())
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netdump.Steady(func() ([]netlink.Route, error) {
			return netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			if r, ok := newRoute(r, family, byIndex); ok {
				a.Routes = append(a.Routes, r)
			}
		}
	}
	return a, nil
}

// newRoute is a route by which somebody is reached who is not this host itself, nor on a
// bridge of containers.
func newRoute(r netlink.Route, family int, byIndex map[int]string) (Route, bool) {
	to := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if family == netlink.FAMILY_V6 {
		to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if r.Dst != nil {
		addr, ok := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		if to = netip.PrefixFrom(addr.Unmap(), bits); !ok || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
			return Route{}, false
		}
	}
	if r.Type != unix.RTN_UNICAST {
		return Route{}, false
	}
	indexes := []int{r.LinkIndex}
	for _, hop := range r.MultiPath {
		indexes = append(indexes, hop.LinkIndex)
	}
	of := Route{To: to}
	for _, index := range indexes {
		if by := byIndex[index]; by != "" && !containerBridge.MatchString(by) && !slices.Contains(of.By, by) {
			of.By = append(of.By, by)
		}
	}
	return of, len(of.By) > 0
}

// Of are the interfaces by which packets of a network or an address come in; without one,
// those of strangers. There is none where that cannot be told: a private network that no
// route is for may come by any of them, or is not there yet.
func (a *Arrivals) Of(source netip.Prefix, is6 bool) []string {
	var world, all, inside, around []string
	longest := WorldBits
	for _, r := range a.Routes {
		switch {
		case r.To.Addr().Is6() != is6:
		case r.To.Bits() <= WorldBits:
			world = with(world, r.By)
		default:
			all = with(all, r.By)
			switch {
			case !source.IsValid() || !r.To.Overlaps(source):
			case r.To.Bits() >= source.Bits():
				inside = with(inside, r.By)
			case r.To.Bits() > longest:
				longest, around = r.To.Bits(), slices.Clone(r.By)
			case r.To.Bits() == longest:
				around = with(around, r.By)
			}
		}
	}
	switch {
	case inside != nil:
		return inside
	case around != nil:
		return around
	case source.IsValid() && source.Addr().IsPrivate():
		return nil
	case world == nil && !source.IsValid(): // its neighbours are all that reach it
		return all
	}
	return world
}

func with(all, more []string) []string {
	for _, i := range more {
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	return all
}
