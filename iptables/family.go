package iptables

import (
	"net/netip"

	"github.com/voipbl/voipbl/internal/portrange"
)

// Family is IPv4 or IPv6: the rules of each are a world of their own, with its
// own tools and tables.
type Family int

const (
	IPv4 Family = iota
	IPv6
)

// Families are both.
var Families = [...]Family{IPv4, IPv6}

func (f Family) String() string { return [...]string{"IPv4", "IPv6"}[f] }

// Command is the name with which this family's tools begin.
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
