// Package lockout finds what base rules would lock out: the listeners of this host that they
// close, the login sessions and VPNs that they would not let in, and the settings that let
// them in.
//
// It only computes: package host supplies the listeners, logins the sessions, iptwalk the
// open ports. Package rules decides whether base rules are installed nevertheless. "voipbl
// firewall apply", "firewall diff", "setup" and "doctor" use it.
package lockout

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/ruleset"
)

// Closed is a listener that not everyone can reach once the base rules are in force.
type Closed struct {
	host.Listener

	// OpenTo are the networks that may still open a connection to it.
	OpenTo []netip.Prefix `json:"open_to"`

	// Named is true if a configured service has the port, but not for everyone.
	Named bool `json:"named"`

	// Remedy is the change of the configuration that opens it for everyone.
	Remedy string `json:"remedy"`

	// Users are the first addresses that use it now and would not be let in again, and MoreUsers
	// how many others do; see [InUse].
	Users     []netip.Addr `json:"users,omitempty"`
	MoreUsers int          `json:"more_users,omitempty"`
}

// clients are ports of client programs. Answers to them come in without a rule.
var clients = []host.Port{{Proto: "udp", Port: 68}, {Proto: "udp", Port: 546}} // DHCP

// Find returns the listeners that base rules close and that other programs' rules in
// INPUT do not open.
func Find(base ruleset.Base, saved [2]*iptables.Saved, listeners []host.Listener) []Closed {
	found := []Closed{}
	for _, l := range listeners {
		if l.Addr.IsLoopback() || slices.Contains(clients, host.Port{Proto: l.Proto, Port: l.Port}) {
			continue
		}
		if access := accessTo(base, saved, l); !access.Everyone {
			found = append(found, Closed{Listener: l, OpenTo: append([]netip.Prefix{}, access.From...)})
		}
	}
	for i, c := range found {
		_, found[i].Named = serviceOf(base, c)
		found[i].Remedy = remedy(base, c, found)
	}
	return found
}

// accessTo returns who can reach a listener. One with both families is open to everyone
// only if both are.
func accessTo(base ruleset.Base, saved [2]*iptables.Saved, l host.Listener) iptwalk.Access {
	all := iptwalk.Access{Everyone: true}
	for _, f := range families(l.Addr) {
		access := iptwalk.BaseAccess(base, f, l.Proto, l.Port)
		if saved[f] != nil {
			access = access.Union(iptwalk.AccessOf(saved[f], l.Proto, l.Port))
		}
		if !access.Everyone {
			all = iptwalk.Access{From: append(all.From, access.From...)}
		}
	}
	return all
}

// families returns the families that reach a listener's address; "::" also takes IPv4.
func families(a netip.Addr) []iptables.Family {
	switch {
	case a.Is4():
		return []iptables.Family{iptables.IPv4}
	case a.IsUnspecified():
		return iptables.Families[:]
	}
	return []iptables.Family{iptables.IPv6}
}

// Place names a listener: "udp 51820", or "esp".
func (c Closed) Place() string {
	if c.Port == 0 {
		return c.Proto
	}
	return fmt.Sprintf("%s %d", c.Proto, c.Port)
}

// By names the program that listens.
func (c Closed) By() string {
	return cmp.Or(c.Program, map[bool]string{true: "the kernel"}[c.Port == 0 || c.VPN != ""], "unknown")
}

// remedy returns what opens a listener for everyone. others are all closed listeners.
func remedy(base ruleset.Base, c Closed, others []Closed) string {
	if slices.ContainsFunc(base.SIP, func(p iptables.PortRange) bool { return p.Has(c.Port) }) {
		return `set "firewall: {sip: {public: true}}"`
	}
	if s, known := serviceOf(base, c); known {
		return fmt.Sprintf("set \"from: any\" of the service %s (%s) in firewall.services", s.Name, s.Proto)
	}
	return "add " + newService(base, c, others) + " to firewall.services"
}

// serviceOf returns the service of the base rules that a listener belongs to.
func serviceOf(base ruleset.Base, c Closed) (ruleset.Service, bool) {
	in := func(p iptables.PortRange) bool { return p.Has(c.Port) }
	for _, s := range base.Services {
		if s.Proto == c.Proto && (slices.ContainsFunc(s.Ports, in) || c.Port == 0) {
			return s, true
		}
	}
	return ruleset.Service{}, false
}

// newService returns the line for firewall.services that opens a listener and all
// others of its program and protocol, because each name may be used only once for a
// protocol.
func newService(base ruleset.Base, c Closed, others []Closed) string {
	name := c.serviceName()
	if c.Port == 0 {
		return fmt.Sprintf("{name: %s, proto: %s, from: any}", name, c.Proto)
	}
	var ports []string
	for _, o := range others {
		_, known := serviceOf(base, o)
		port := fmt.Sprint(o.Port)
		if o.Proto == c.Proto && o.serviceName() == name && !known && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	if slices.ContainsFunc(base.Services, func(s ruleset.Service) bool { return s.Name == name && s.Proto == c.Proto }) {
		name += "-" + ports[0]
	}
	return fmt.Sprintf("{name: %s, proto: %s, ports: %q, from: any}", name, c.Proto, strings.Join(ports, ","))
}

func (c Closed) serviceName() string { return serviceName(cmp.Or(c.VPN, c.Program, "port")) }

// serviceName turns text into a name that the configuration accepts.
func serviceName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return -1
	}, text)
	return cmp.Or(strings.TrimLeft(name, "._-"), "port")
}

// ShutsOut reports whether a VPN depends on the listener: people who work through it
// are locked out at its next reconnect.
func (c Closed) ShutsOut() bool { return c.VPN != "" && !host.Dials(c.VPN) }

// VPN returns the closed listeners that a VPN depends on, each port only once.
func VPN(closed []Closed) []Closed {
	var found []Closed
	for _, c := range closed {
		same := func(o Closed) bool { return o.Proto == c.Proto && o.Port == c.Port }
		if c.ShutsOut() && !slices.ContainsFunc(found, same) {
			found = append(found, c)
		}
	}
	return found
}
