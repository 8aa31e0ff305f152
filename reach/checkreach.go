package reach

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/portrange"
)

// Packets of an address that a rule drops may reach something all the same: the ports of
// phones, where it is on a list and the rule is for others, and ports that are sent on to
// containers or other hosts before INPUT is come to.

// Reaches is what an address reaches that places block, in words, or empty. listed is that it
// is in a set of voipbl's.
func (p *PlacesFinder) Reaches(f firewall.Family, places []Place, listed bool) string {
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

// portsOf are those to which packets to a published port come to a place, or may.
func (p Place) portsOf(to firewall.Published) firewall.PortRange {
	switch {
	case !p.behind:
		return to.Ports
	case to.AnyPort:
		return portrange.All
	case to.ToPort != 0:
		return firewall.PortRange{First: to.ToPort, Last: to.ToPort}
	}
	return to.Ports
}

// openPhones are the ports of phones that no place is about.
func (p *PlacesFinder) openPhones(places []Place) (open []string) {
	for _, proto := range portrange.Protocols {
		for _, r := range p.cfg.Firewall.SIP.Ports {
			ports := firewall.PortRange(r)
			if !slices.ContainsFunc(places, func(at Place) bool { return at.ends(proto, ports, !at.Containers) }) {
				open = append(open, proto+" "+ports.String())
			}
		}
	}
	return open
}

// ends reports whether all packets to some ports end at a place, if it is one where they
// come by.
func (p Place) ends(proto string, ports firewall.PortRange, comeBy bool) bool {
	return comeBy && p.Certain && !p.Part && len(p.LetIn) == 0 && p.isAbout(proto, ports)
}

// isAbout reports whether a place is about all packets to some ports of this host; without a
// protocol, of any.
func (p Place) isAbout(proto string, ports firewall.PortRange) bool {
	return len(p.Ports) == 0 || slices.ContainsFunc(p.Ports, func(of string) bool {
		of, _, to := strings.Cut(of, " to ") // this host
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

// readRange reads what [portrange.Range.String] writes.
func readRange(text string) (r firewall.PortRange) {
	first, last, isRange := strings.Cut(text, ":")
	if !isRange {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err != nil || err2 != nil {
		return firewall.PortRange{First: 1} // none
	}
	return firewall.PortRange{First: uint16(a), Last: uint16(b)}
}
