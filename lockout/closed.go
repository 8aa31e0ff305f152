// Package lockout tells what base rules would shut out: which listeners of a host they
// close, which of those a VPN comes in by, and what in the configuration opens them.
//
// It is pure: what listens comes from package host, what is open from package firewall.
// "voipbl firewall apply", "firewall diff", "setup" and "doctor" all ask here.
package lockout

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
)

// Closed is a listener that not everyone reaches once the base rules are in force.
type Closed struct {
	host.Listener

	// OpenTo is who may still begin a connection to it; nobody if it is empty.
	OpenTo []netip.Prefix `json:"open_to"`

	// Named is that a service has it, which is not for everyone.
	Named bool `json:"named"`

	// Remedy is what in the configuration opens it for everyone.
	Remedy string `json:"remedy"`
}

// clients are ports of programs that only ask: the answers come in all the same.
var clients = []host.Port{{Proto: "udp", Port: 68}, {Proto: "udp", Port: 546}} // DHCP

// Find tells which listeners base rules close, if others' rules in INPUT do not open
// them.
func Find(base firewall.Base, saved [2]*firewall.Saved, listeners []host.Listener) []Closed {
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

// accessTo is who reaches a listener: in each family that it has, for one that has
// both is only open for everyone if both are.
func accessTo(base firewall.Base, saved [2]*firewall.Saved, l host.Listener) firewall.Access {
	all := firewall.Access{Everyone: true}
	for _, f := range families(l.Addr) {
		access := base.Access(f, l.Proto, l.Port)
		if saved[f] != nil {
			access = access.Union(saved[f].Access(l.Proto, l.Port))
		}
		if !access.Everyone {
			all = firewall.Access{From: append(all.From, access.From...)}
		}
	}
	return all
}

// families are those that come in to a listener's address: to all of IPv6 also IPv4.
func families(a netip.Addr) []firewall.Family {
	switch {
	case a.Is4():
		return []firewall.Family{firewall.IPv4}
	case a.IsUnspecified():
		return firewall.Families[:]
	}
	return []firewall.Family{firewall.IPv6}
}

// Place names a listener: "udp 51820", or "esp".
func (c Closed) Place() string {
	if c.Port == 0 {
		return c.Proto
	}
	return fmt.Sprintf("%s %d", c.Proto, c.Port)
}

// By names what listens.
func (c Closed) By() string {
	return cmp.Or(c.Program, map[bool]string{true: "the kernel"}[c.Port == 0 || c.VPN != ""], "unknown")
}

// remedy is what opens a listener for everyone; others are all that are closed.
func remedy(base firewall.Base, c Closed, others []Closed) string {
	if slices.ContainsFunc(base.SIP, func(p firewall.PortRange) bool { return p.Has(c.Port) }) {
		return `set "firewall: {sip: {public: true}}"`
	}
	if s, known := serviceOf(base, c); known {
		return fmt.Sprintf("set \"from: any\" of the service %s (%s) in firewall.services", s.Name, s.Proto)
	}
	return "add " + newService(base, c, others) + " to firewall.services"
}

// serviceOf is the service of the base rules that a listener belongs to.
func serviceOf(base firewall.Base, c Closed) (firewall.Service, bool) {
	in := func(p firewall.PortRange) bool { return p.Has(c.Port) }
	for _, s := range base.Services {
		if s.Proto == c.Proto && (slices.ContainsFunc(s.Ports, in) || c.Port == 0) {
			return s, true
		}
	}
	return firewall.Service{}, false
}

// newService is the line of firewall.services that opens a listener, together with all
// others of its program: a name may stand there once for a protocol.
func newService(base firewall.Base, c Closed, others []Closed) string {
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
	if slices.ContainsFunc(base.Services, func(s firewall.Service) bool { return s.Name == name && s.Proto == c.Proto }) {
		name += "-" + ports[0]
	}
	return fmt.Sprintf("{name: %s, proto: %s, ports: %q, from: any}", name, c.Proto, strings.Join(ports, ","))
}

func (c Closed) serviceName() string { return serviceName(cmp.Or(c.VPN, c.Program, "port")) }

// serviceName makes a name that the configuration takes.
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

// ShutsOut reports whether a VPN comes in by the listener that cannot do without it:
// whoever is at work behind it is shut out at its next reconnect.
func (c Closed) ShutsOut() bool { return c.VPN != "" && !host.Dials(c.VPN) }

// VPN are those of the closed listeners that shut somebody out. Each port is named once,
// however many addresses it has.
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
