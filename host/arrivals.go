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

// Arrivals knows on which interfaces packets of a source come in: those through which this host
// sends to that source.
type Arrivals struct {
	Own    []netip.Addr // the addresses of this host that others can send to
	Routes []Route
}

// Route says through which interfaces a network is reached.
type Route struct {
	To netip.Prefix
	By []string
}

// worldBits is the longest prefix of a route to the Internet: 0 for a default route, 1 for the two
// halves that VPNs set, 3 for 2000::/3.
const worldBits = 3

// FindArrivals reads the interfaces and the routes, as part of a look. It returns nil if they
// cannot be read.
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
		if ip, ok := netip.AddrFromSlice(addr.IP); ok && by != "" && !containerBridge().MatchString(by) && !ip.IsLinkLocalUnicast() {
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

// newRoute converts a route. It returns false for a route that leads only to this host itself or to
// a bridge of containers.
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
		if by := byIndex[index]; by != "" && !containerBridge().MatchString(by) && !slices.Contains(of.By, by) {
			of.By = append(of.By, by)
		}
	}
	return of, len(of.By) > 0
}

// Of returns the interfaces on which packets from a network or an address come in; with the zero
// prefix, those of strangers. It returns none if that is not known: packets from a private network
// without a route may come in on any interface, or the network is not up yet.
func (a *Arrivals) Of(source netip.Prefix, is6 bool) []string {
	var world, all, inside, around []string
	longest := worldBits
	for _, r := range a.Routes {
		switch {
		case r.To.Addr().Is6() != is6:
		case r.To.Bits() <= worldBits:
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
	case world == nil && !source.IsValid(): // no route to the Internet: only neighbours reach this host
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
