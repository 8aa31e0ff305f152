package reach

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// This file finds what a dropped address still reaches: the ports of phones, if it is on a list
// but the rule is for other ports, and ports that are sent on to containers or other hosts
// before INPUT.

// Reaches says what an address still reaches although places drop its packets; "" if nothing.
// listed says that it is in one of voipbl's sets.
func (p *PlacesFinder) Reaches(f iptables.Family, places []Place, listed bool) string {
	var past []string
	p.way.Left.Renew()
	for _, to := range p.way.sentOn(f) {
		ends := func(at Place) bool { return at.ends(to.Proto, at.portsOf(to), at.early || at.Containers) }
		claimed := func(at Place) bool { return at.ends(to.Proto, to.Ports, !at.Containers) }
		if name := PortName(to); slices.ContainsFunc(places, claimed) && !slices.ContainsFunc(places, ends) && !slices.Contains(past, name) {
			past = append(past, name)
		}
	}
	if len(past) > 0 {
		return fmt.Sprintf("it reaches %s past INPUT", firstFew(past, 4))
	}
	if open := p.openPhones(places); listed && len(open) > 0 {
		return "it reaches " + strings.Join(open, ", ")
	}
	return ""
}

// portsOf returns the ports that packets to a published port have, or may have, at a place.
func (p Place) portsOf(to iptwalk.Published) iptables.PortRange {
	switch {
	case !p.behind:
		return to.Ports
	case to.AnyPort:
		return portrange.All
	case to.ToPort != 0:
		return iptables.PortRange{First: to.ToPort, Last: to.ToPort}
	}
	return to.Ports
}

// openPhones returns the ports of phones at which no place drops all packets.
func (p *PlacesFinder) openPhones(places []Place) (open []string) {
	for _, proto := range portrange.Protocols {
		for _, r := range p.cfg.Firewall.SIP.Ports {
			ports := iptables.PortRange(r)
			if !slices.ContainsFunc(places, func(at Place) bool { return at.ends(proto, ports, !at.Containers) }) {
				open = append(open, proto+" "+ports.String())
			}
		}
	}
	return open
}

// ends reports whether all packets to ports end at a place. comeBy says that they pass it.
func (p Place) ends(proto string, ports iptables.PortRange, comeBy bool) bool {
	return comeBy && p.Certain && !p.Part && len(p.LetIn) == 0 && p.isAbout(proto, ports)
}

// isAbout reports whether a place is for all packets to ports of this host; proto may be empty
// for any protocol.
func (p Place) isAbout(proto string, ports iptables.PortRange) bool {
	return len(p.Ports) == 0 || slices.ContainsFunc(p.Ports, func(of string) bool {
		of, _, to := strings.Cut(of, " to ") // behind it is an address of this host
		if to && p.someHere {
			return false
		}
		name, only, some := strings.Cut(of, " ")
		if name != proto {
			return name == "packets"
		}
		return !some || readRange(only).Covers(ports)
	})
}

// readRange parses what [portrange.Range.String] returns.
func readRange(text string) iptables.PortRange {
	if r, ok := portrange.Parse(text); ok {
		return r
	}
	return iptables.PortRange{First: 1} // none
}
