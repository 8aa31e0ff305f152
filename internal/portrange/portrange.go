// Package portrange has ranges of ports, and which of them rules treat alike. It is pure.
package portrange

import (
	"fmt"
	"slices"
	"strconv"
)

// Range is the ports from First to Last, both included.
type Range struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// All is every port.
var All = Range{0, 65535}

// String is the range as the configuration and iptables write it: "5060:5061", or "22" for
// one port.
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d:%d", r.First, r.Last)
}

// Has reports whether a port is in the range.
func (r Range) Has(port uint16) bool { return r.First <= port && port <= r.Last }

// Covers reports whether all ports of another range are in this one.
func (r Range) Covers(o Range) bool { return r.First <= o.First && o.Last <= r.Last }

// Overlaps reports whether some are.
func (r Range) Overlaps(o Range) bool { return r.First <= o.Last && o.First <= r.Last }

// Within is what of ranges is in another one.
func Within(all []Range, of Range) (within []Range) {
	for _, r := range all {
		if r.Overlaps(of) {
			within = append(within, Range{max(r.First, of.First), min(r.Last, of.Last)})
		}
	}
	return within
}

// Protocols are those that have ports which are told apart.
var Protocols = []string{"tcp", "udp"}

// Of are ports of each of the protocols.
type Of map[string][]Range

// Add adds ranges to those that a protocol has.
func (o Of) Add(proto string, ranges ...Range) { o[proto] = Joined(append(o[proto], ranges...)) }

// Every reports whether they are all ports of all protocols.
func (o Of) Every() bool {
	for _, proto := range Protocols {
		if !slices.Equal(o[proto], []Range{All}) {
			return false
		}
	}
	return true
}
