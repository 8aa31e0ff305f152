// Package portrange computes with ranges of ports: joins and intersections, and which
// ports a set of rules treats alike. It knows no rules and no configuration. config and
// the packages that read or write rules use it; it imports nothing of voipbl.
package portrange

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Range is the ports from First to Last, both included.
type Range struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// All is every port.
var All = Range{0, 65535}

// String returns the range as in the configuration and in iptables: "5060:5061", or "22"
// for one port.
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d:%d", r.First, r.Last)
}

// Parse reads what [Range.String] writes.
func Parse(text string) (r Range, ok bool) {
	first, last, isRange := strings.Cut(text, ":")
	if !isRange {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	return Range{uint16(a), uint16(b)}, err == nil && err2 == nil && a <= b
}

// Has reports whether a port is in the range.
func (r Range) Has(port uint16) bool { return r.First <= port && port <= r.Last }

// Covers reports whether all ports of o are in r.
func (r Range) Covers(o Range) bool { return r.First <= o.First && o.Last <= r.Last }

// Overlaps reports whether r and o have a port in common.
func (r Range) Overlaps(o Range) bool { return r.First <= o.Last && o.First <= r.Last }

// Within returns the parts of ranges that are in another one.
func Within(all []Range, of Range) (within []Range) {
	for _, r := range all {
		if r.Overlaps(of) {
			within = append(within, Range{max(r.First, of.First), min(r.Last, of.Last)})
		}
	}
	return within
}

// Protocols are the protocols with ports that voipbl distinguishes.
var Protocols = []string{"tcp", "udp"}

// Of has the port ranges of each protocol.
type Of map[string][]Range

// Add adds ranges to a protocol.
func (o Of) Add(proto string, ranges ...Range) { o[proto] = Joined(append(o[proto], ranges...)) }

// Every reports whether o has all ports of all protocols.
func (o Of) Every() bool {
	for _, proto := range Protocols {
		if !slices.Equal(o[proto], []Range{All}) {
			return false
		}
	}
	return true
}
