package host

import (
	"context"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/probe"
)

// vpnPrograms maps VPN programs, by their process names (15 bytes), to the VPN that they make.
var vpnPrograms = map[string]string{
	"openvpn": "openvpn",
	"charon":  "ipsec", "charon-systemd": "ipsec", "pluto": "ipsec", "iked": "ipsec", "racoon": "ipsec",
	"wireguard-go": "wireguard", "boringtun": "wireguard", "boringtun-cli": "wireguard",
	"xl2tpd": "l2tp", "openl2tpd": "l2tp", "pptpd": "pptp", "accel-pppd": "ppp",
	"ocserv": "ocserv", "ocserv-main": "ocserv", "vpnserver": "softether",
	"tincd": "tinc", "nebula": "nebula", "fastd": "fastd", "vtund": "vtun", "edge": "n2n", "supernode": "n2n",
	"tailscaled": "tailscale", "zerotier-one": "zerotier", "netbird": "netbird",
}

// vpnPorts are the ports of VPNs, for listeners whose program is hidden from this process.
var vpnPorts = map[Port]string{
	{"udp", 51820}: "wireguard",
	{"udp", 1194}:  "openvpn", {"tcp", 1194}: "openvpn",
	{"udp", 500}: "ipsec", {"udp", 4500}: "ipsec",
	{"udp", 1701}: "l2tp", {"tcp", 1723}: "pptp",
	{"udp", 41641}: "tailscale", {"udp", 9993}: "zerotier",
}

// dials are VPNs whose programs open every connection themselves, or find another way if others
// cannot reach them.
var dials = []string{"tailscale", "zerotier", "netbird"}

// Dials reports whether a VPN works without incoming connections.
func Dials(vpn string) bool { return slices.Contains(dials, vpn) }

// vpnOf returns the VPN that a listener is for, or "".
func vpnOf(l Listener, tunnels []Tunnel) string {
	port := Port{l.Proto, l.Port}
	for _, t := range tunnels {
		if slices.Contains(t.Outer, port) && (l.Program == "" || l.Port == 0) {
			return t.Kind
		}
		if l.Program != "" && t.Program == l.Program && vpnPrograms[l.Program] == "" {
			return l.Program // it drives a device, so it is a VPN of an unknown kind
		}
	}
	if l.Program == "" {
		return vpnPorts[port]
	}
	return vpnPrograms[l.Program]
}

// withProtocols adds listeners for protocols without ports: one for each tunnel that the kernel
// decapsulates, and ESP where IKE listens.
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

// Ways are the ways into a host: listeners, and tunnels.
type Ways struct {
	Listeners []Listener
	Tunnels   []Tunnel
}

// LookWays finds the ways into this host by a quick look of its own.
func LookWays() Ways {
	return FindWays(probe.New(context.Background(), "/"))
}

// FindWays finds the ways into this host as part of a look.
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

// Through returns the tunnel through which a client's connection comes in. server is the address of
// this host that it goes to, if that is known.
func (w Ways) Through(client, server netip.Addr) (Tunnel, bool) {
	index := 0
	if len(w.Tunnels) > 0 {
		index, _ = routeTo(client) // without a route, none of its packets come out of a tunnel device
	}
	return w.through(client, server, index)
}

// through is Through with the index of the device that leads to the client.
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

// Outer returns the listeners that a tunnel's packets come in by. There are none if this host opens
// the connections itself.
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
		return t.Kind != "tun" || !fillsTun(l.VPN) // the program is hidden from this process: all listeners that may carry the tunnel
	})
}

// Mystery reports whether a program drives a tunnel, but it is unknown which program and where it
// listens. A process that may not look into others, such as voipbl's own service, then cannot tell
// whether this host opens the connections itself.
func (w Ways) Mystery(t Tunnel) bool {
	return t.Kind == "tun" && t.Program == "" && len(w.Outer(t)) == 0
}

// fillsTun reports whether the program of a VPN drives a tun device.
func fillsTun(vpn string) bool {
	return carriers[vpn] == "" && !slices.Contains([]string{"ipsec", "l2tp", "pptp", "ppp", "vxlan"}, vpn)
}
