package host

import (
	"context"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/probe"
)

// vpnPrograms are programs of virtual private networks, by the name of the process
// (15 bytes), and what they make.
var vpnPrograms = map[string]string{
	"openvpn": "openvpn",
	"charon":  "ipsec", "charon-systemd": "ipsec", "pluto": "ipsec", "iked": "ipsec", "racoon": "ipsec",
	"wireguard-go": "wireguard", "boringtun": "wireguard", "boringtun-cli": "wireguard",
	"xl2tpd": "l2tp", "openl2tpd": "l2tp", "pptpd": "pptp", "accel-pppd": "ppp",
	"ocserv": "ocserv", "ocserv-main": "ocserv", "vpnserver": "softether",
	"tincd": "tinc", "nebula": "nebula", "fastd": "fastd", "vtund": "vtun", "edge": "n2n", "supernode": "n2n",
	"tailscaled": "tailscale", "zerotier-one": "zerotier", "netbird": "netbird",
}

// vpnPorts are their ports, for listeners whose program may not be looked at.
var vpnPorts = map[Port]string{
	{"udp", 51820}: "wireguard",
	{"udp", 1194}:  "openvpn", {"tcp", 1194}: "openvpn",
	{"udp", 500}: "ipsec", {"udp", 4500}: "ipsec",
	{"udp", 1701}: "l2tp", {"tcp", 1723}: "pptp",
	{"udp", 41641}: "tailscale", {"udp", 9993}: "zerotier",
}

// dials are the networks whose programs begin every connection themselves, or find
// another way if they are not reached.
var dials = []string{"tailscale", "zerotier", "netbird"}

// Dials reports whether a VPN works without anybody from outside reaching this host.
func Dials(vpn string) bool { return slices.Contains(dials, vpn) }

// vpnOf tells which VPN a listener is for, or nothing.
func vpnOf(l Listener, tunnels []Tunnel) string {
	port := Port{l.Proto, l.Port}
	for _, t := range tunnels {
		if slices.Contains(t.Outer, port) && (l.Program == "" || l.Port == 0) {
			return t.Kind
		}
		if l.Program != "" && t.Program == l.Program && vpnPrograms[l.Program] == "" {
			return l.Program // it fills a device: a VPN that we do not know
		}
	}
	if l.Program == "" {
		return vpnPorts[port]
	}
	return vpnPrograms[l.Program]
}

// withProtocols adds what comes in by a protocol without ports: that of each tunnel
// that the kernel unpacks, and ESP beside IKE.
func withProtocols(all []Listener, tunnels []Tunnel) []Listener {
	add := func(l Listener) {
		same := func(o Listener) bool { return o.Proto == l.Proto && o.VPN == l.VPN }
		if !slices.ContainsFunc(all, same) {
			all = append(all, l)
		}
	}
	for _, t := range tunnels {
		for _, o := range t.Outer {
			if o.Port == 0 {
				add(Listener{Proto: o.Proto, Addr: netip.IPv4Unspecified(), VPN: t.Kind})
			}
		}
	}
	if slices.ContainsFunc(all, func(l Listener) bool { return l.VPN == "ipsec" && l.Proto == "udp" }) {
		add(Listener{Proto: "esp", Addr: netip.IPv4Unspecified(), VPN: "ipsec"})
	}
	return all
}

// Ways are the ways into a host: who listens, and the tunnels that packets come out of.
type Ways struct {
	Listeners []Listener
	Tunnels   []Tunnel
}

// LookWays finds the ways into this host by a look of its own, which is quick.
func LookWays() Ways {
	return FindWays(probe.New(context.Background(), "/"))
}

// FindWays finds the ways into this host, within a look.
func FindWays(l *probe.Look) Ways {
	tunnels := findTunnels(l)
	all, holders := findListeners(l, tunnels)
	for i, t := range tunnels {
		tunnels[i].Program = holders[t.Interface]
	}
	for i := range all {
		all[i].VPN = vpnOf(all[i], tunnels)
	}
	return Ways{withProtocols(all, tunnels), tunnels}
}

// Through is the tunnel that a connection from a client comes in by, to an address of
// this host if that is known.
func (w Ways) Through(client, server netip.Addr) (Tunnel, bool) {
	index := 0
	if len(w.Tunnels) > 0 {
		index, _ = routeTo(client) // without a route nothing of it comes out of a tunnel
	}
	return w.through(client, server, index)
}

// through is given the device that leads to the client.
func (w Ways) through(client, server netip.Addr, index int) (Tunnel, bool) {
	for _, t := range w.Tunnels {
		inside := slices.ContainsFunc(t.From, func(p netip.Prefix) bool { return p.Contains(client) })
		if !inside && !slices.Contains(t.Addrs, server) && (index == 0 || t.index != index) {
			continue
		}
		if t.Kind == "ppp" && len(w.Outer(t)) == 0 {
			continue // a dial-up line
		}
		return t, true
	}
	return Tunnel{}, false
}

// Outer are the listeners that a tunnel comes in by. There is none if this host begins
// its connections itself.
func (w Ways) Outer(t Tunnel) []Listener {
	return slices.DeleteFunc(slices.Clone(w.Listeners), func(l Listener) bool {
		switch {
		case l.VPN == "":
			return true
		case slices.Contains(t.Outer, Port{l.Proto, l.Port}):
			return false
		case t.Kind == "ppp":
			return !slices.Contains([]string{"l2tp", "pptp", "ppp"}, l.VPN)
		case carriers[t.Kind] == "esp", t.Kind == "ipsec":
			return l.VPN != "ipsec"
		case t.Program != "":
			return l.Program != t.Program
		}
		return t.Kind != "tun" || !fillsTun(l.VPN) // of a program that may not be looked at: all that may carry it
	})
}

// Mystery reports whether a program fills a tunnel and it cannot be told which, nor where
// it listens: whoever may not look into other processes, as our own service, cannot tell
// whether this host begins its connections.
func (w Ways) Mystery(t Tunnel) bool {
	return t.Kind == "tun" && t.Program == "" && len(w.Outer(t)) == 0
}

// fillsTun reports whether a VPN is made by a program that fills a tun device.
func fillsTun(vpn string) bool {
	return carriers[vpn] == "" && !slices.Contains([]string{"ipsec", "l2tp", "pptp", "ppp", "vxlan"}, vpn)
}
