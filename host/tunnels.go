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

// Tunnel is a device, or IPsec, whose packets come to this host within other packets.
type Tunnel struct {
	Interface string       `json:"interface,omitempty"` // empty for IPsec without a device
	Kind      string       `json:"kind"`                // as the kernel calls it: wireguard, tun, gre …; or ipsec
	Addrs     []netip.Addr `json:"addrs"`               // of this host, inside

	// From are the networks behind it. Only IPsec without a device tells them.
	From []netip.Prefix `json:"from,omitempty"`

	// Outer is what carries it, as far as the kernel knows: a UDP port, or a protocol
	// without ports. Program carries it otherwise: it holds the device.
	Outer   []Port `json:"outer,omitempty"`
	Program string `json:"program,omitempty"`

	index int
}

// carriers are the protocols without ports that carry a kind of device, in the words
// of a service's proto.
var carriers = map[string]string{
	"gre": "gre", "gretap": "gre", "erspan": "gre", "ip6gre": "gre", "ip6gretap": "gre", "ip6erspan": "gre",
	"ipip": "ipip", "sit": "6in4", "ip6tnl": "6in4",
	"vti": "esp", "vti6": "esp", "xfrm": "esp",
}

// programKinds are the devices that a program fills. A ppp device is also what a
// dial-up line is: it is a tunnel if something that makes one listens; see Ways.Outer.
var programKinds = []string{"tun", "ppp"}

// kindOfType is the kind of a device that does not tell it, by its type.
var kindOfType = map[string]string{"ppp": "ppp", "gre": "gre", "ip6gre": "ip6gre", "ipip": "ipip", "sit": "sit", "tunnel6": "ip6tnl"}

// findTunnels lists the devices that are up, and IPsec.
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

// newTunnel makes a tunnel of a device that is one. A program's device without an
// address belongs to a virtual machine, or carries no session.
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

// findIPsec are the policies by which packets have to come in by IPsec.
func findIPsec(l *probe.Look) []Tunnel {
	policies, err := netdump.Steady(func() ([]netlink.XfrmPolicy, error) { return netlink.XfrmPolicyList(netlink.FAMILY_ALL) })
	if err != nil {
		return nil // a kernel without IPsec, or no right to ask: its daemon is seen all the same
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
	return p, ok && p.IsValid() && bits > 0 // all: it cannot be told who comes by it
}

// routeTo is the index of the device by which this host answers an address.
func routeTo(addr netip.Addr) (int, error) {
	routes, err := netlink.RouteGet(addr.Unmap().WithZone("").AsSlice())
	if err != nil || len(routes) == 0 {
		return 0, fmt.Errorf("the route to %s: %w", addr, err)
	}
	return routes[0].LinkIndex, nil
}
