package host

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/voipbl/voipbl/internal/netdump"
	"github.com/voipbl/voipbl/internal/probe"
)

// Tunnel is a device, or IPsec, that brings packets to this host inside other packets.
type Tunnel struct {
	Interface string       `json:"interface,omitempty"` // empty for IPsec without a device
	Kind      string       `json:"kind"`                // the kernel's name: wireguard, tun, gre …; or ipsec
	Addrs     []netip.Addr `json:"addrs"`               // this host's addresses inside the tunnel

	// From are the networks behind the tunnel. They are known only for IPsec without a device.
	From []netip.Prefix `json:"from,omitempty"`

	// Outer is what carries the tunnel, if the kernel knows that: a UDP port, or a protocol without
	// ports. Otherwise Program, which holds the device, carries it.
	Outer   []Port `json:"outer,omitempty"`
	Program string `json:"program,omitempty"`

	index int
}

// carriers are the protocols without ports that carry a kind of device, in the words of "proto" in
// a service.
var carriers = map[string]string{
	"gre": "gre", "gretap": "gre", "erspan": "gre", "ip6gre": "gre", "ip6gretap": "gre", "ip6erspan": "gre",
	"ipip": "ipip", "sit": "6in4", "ip6tnl": "6in4",
	"vti": "esp", "vti6": "esp", "xfrm": "esp",
}

// programKinds are devices that a program drives. A ppp device may also be a dial-up line; it
// counts as a tunnel if a program listens that makes such tunnels: see Ways.Outer.
var programKinds = []string{"tun", "ppp"}

// kindOfType gives the kind of a device that does not report one, by its type.
var kindOfType = map[string]string{"ppp": "ppp", "gre": "gre", "ip6gre": "ip6gre", "ipip": "ipip", "sit": "sit", "tunnel6": "ip6tnl"}

// findTunnels lists the tunnel devices that are up, and IPsec.
func findTunnels(l *probe.Look) []Tunnel {
	links, err := netdump.Steady(netlink.LinkList)
	l.Unknown("the tunnels of this host", err, "ip -d link")
	addrs, err := netdump.Steady(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	l.Unknown("the addresses of tunnels", err, "ip address")
	all := []Tunnel{}
	for _, link := range links {
		t, ok := newTunnel(link, addrs)
		if !ok {
			continue
		}
		if t.Kind == "wireguard" {
			port, err := wireguardPort(t.Interface)
			l.Unknown("the port of "+t.Interface, err, "wg show "+t.Interface)
			if port > 0 {
				t.Outer = []Port{{"udp", port}}
			}
		}
		all = append(all, t)
	}
	return append(all, findIPsec(l)...)
}

// newTunnel describes a device that is a tunnel. A program's device without an address is skipped:
// it belongs to a virtual machine, or carries no session.
func newTunnel(link netlink.Link, addrs []netlink.Addr) (Tunnel, bool) {
	a := link.Attrs()
	kind := cmp.Or(link.Type(), kindOfType[a.EncapType])
	if kind == "device" || kind == "tuntap" {
		kind = map[string]string{"device": kindOfType[a.EncapType], "tuntap": "tun"}[kind]
	}
	t := Tunnel{Interface: a.Name, Kind: kind, Addrs: []netip.Addr{}, index: a.Index}
	for _, addr := range addrs {
		if ip, ok := netip.AddrFromSlice(addr.IP); ok && addr.LinkIndex == a.Index && !ip.IsLinkLocalUnicast() {
			t.Addrs = append(t.Addrs, ip.Unmap())
		}
	}
	switch vxlan, isVxlan := link.(*netlink.Vxlan); {
	case a.Flags&net.FlagUp == 0:
		return t, false
	case slices.Contains(programKinds, kind):
		return t, len(t.Addrs) > 0
	case carriers[kind] != "":
		t.Outer = []Port{{carriers[kind], 0}}
	case isVxlan && vxlan.Port > 0:
		t.Outer = []Port{{"udp", uint16(vxlan.Port)}}
	case kind != "wireguard":
		return t, false
	}
	return t, true
}

// findIPsec returns the IPsec policies for incoming packets.
func findIPsec(l *probe.Look) []Tunnel {
	policies, err := netdump.Steady(func() ([]netlink.XfrmPolicy, error) { return netlink.XfrmPolicyList(netlink.FAMILY_ALL) })
	if err != nil {
		return nil // a kernel without IPsec, or no permission; the IPsec daemon is found anyway
	}
	var all []Tunnel
	for _, p := range policies {
		if p.Dir != netlink.XFRM_DIR_IN || len(p.Tmpls) == 0 {
			continue
		}
		t := Tunnel{Kind: "ipsec", Addrs: []netip.Addr{}, Outer: []Port{{"esp", 0}}}
		if from, ok := prefixOfNet(p.Src); ok && p.Tmpls[0].Mode == netlink.XFRM_MODE_TUNNEL {
			t.From = []netip.Prefix{from}
		}
		all = append(all, t)
	}
	return all
}

func prefixOfNet(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	p := netip.PrefixFrom(addr.Unmap(), bits)
	return p, ok && p.IsValid() && bits > 0 // a policy for all addresses does not say who comes in by it
}

// routeTo returns the index of the device through which this host sends to an address.
func routeTo(addr netip.Addr) (int, error) {
	routes, err := netlink.RouteGet(addr.Unmap().WithZone("").AsSlice())
	if err != nil || len(routes) == 0 {
		return 0, fmt.Errorf("the route to %s: %w", addr, err)
	}
	return routes[0].LinkIndex, nil
}
