package iptables

import (
	"net/netip"

	"github.com/voipbl/voipbl/internal/portrange"
)

// Family is IPv4 or IPv6. Each has its own tools, tables and rules.
type Family int

const (
	IPv4 Family = iota
	IPv6
)

// Families are both families.
var Families = [...]Family{IPv4, IPv6}

func (f Family) String() string { return [...]string{"IPv4", "IPv6"}[f] }

// Command returns the name that this family's tools begin with.
func (f Family) Command() string { return [...]string{"iptables", "ip6tables"}[f] }

// Of returns the prefixes of this family, in order.
func (f Family) Of(prefixes []netip.Prefix) []netip.Prefix {
	var own []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is4() == (f == IPv4) {
			own = append(own, p)
		}
	}
	return own
}

// PortRange is the ports from First to Last, both included.
type PortRange = portrange.Range
