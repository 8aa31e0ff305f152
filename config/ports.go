package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
)

// maxPorts is how many ports one multiport match holds; a range counts as two: XT_MULTI_PORTS
// in linux/netfilter/xt_multiport.h.
const maxPorts = 15

// A PortRange is the ports from First to Last, both included.
type PortRange = portrange.Range

// Ports are port ranges in order. No two of them touch.
type Ports []PortRange

// NewPorts sorts ranges and joins those that touch or overlap.
func NewPorts(ranges ...PortRange) Ports { return portrange.Joined(ranges) }

// String returns the ports as written in the file: "5060:5061", or "5060,5160".
func (p Ports) String() string { return formatPorts(p) }

// Has reports whether port is one of the ports.
func (p Ports) Has(port uint16) bool { return p.overlap(PortRange{First: port, Last: port}) }

// overlap reports whether the range o contains any of the ports.
func (p Ports) overlap(o PortRange) bool {
	return slices.ContainsFunc(p, o.Overlaps)
}

// Fit reports whether the ports fit one rule.
func (p Ports) Fit() bool { return slots(p) <= maxPorts }

const (
	sipExample   = `expected ports and ranges within 1..65535, such as "5060:5061" or "5060,5160"`
	rangeExample = `expected a port or a range within 1..65535, such as "5060" or "5060:5061"`
	portsExample = `expected ports and ranges within 1..65535, such as "80,443" or "137:139,445"`
)

// parsePortRange parses "5060" or "5060:5061".
func parsePortRange(s string) (PortRange, *fault) {
	p, ok := portRange(s)
	if !ok {
		return p, faultf(rangeExample, "bad port or range (%s)", quote(s))
	}
	return p, nil
}

// parsePorts parses ports and ranges with commas between, and keeps their order.
func parsePorts(s string) ([]PortRange, *fault) {
	ranges, f := parseRanges(s, portsExample)
	if f == nil && slots(ranges) > maxPorts {
		f = faultf("expected at most 15, where a range counts as two; write a second service for the others",
			"too many ports (%s)", quote(s))
	}
	return ranges, f
}

// parseSIPPorts parses ports like parsePorts and joins ranges that touch: "5060,5061"
// becomes "5060:5061", which gives the same rules.
func parseSIPPorts(s string) (Ports, *fault) {
	ranges, f := parseRanges(s, sipExample)
	if f != nil {
		return nil, f
	}
	ports := NewPorts(ranges...)
	if slots(ports) > maxPorts {
		return nil, faultf("expected at most 15, where a range counts as two; let one range hold several of them, such as \"5060:5090\"",
			"too many ports (%s)", quote(s))
	}
	return ports, nil
}

func parseRanges(s, expected string) ([]PortRange, *fault) {
	var ranges []PortRange
	for part := range strings.SplitSeq(s, ",") {
		p, ok := portRange(strings.TrimSpace(part))
		if !ok {
			return nil, faultf(expected, "bad ports (%s)", quote(s))
		}
		for _, q := range ranges {
			if p.Overlaps(q) {
				return nil, faultf("expected each port once, such as \"80,443\"",
					"%s and %s overlap (%s)", q, p, quote(s))
			}
		}
		ranges = append(ranges, p)
	}
	return ranges, nil
}

// slots returns how many of the maxPorts of a multiport match the ranges take.
func slots(ranges []PortRange) int {
	n := len(ranges)
	for _, p := range ranges {
		if p.First != p.Last {
			n++
		}
	}
	return n
}

func portRange(s string) (PortRange, bool) {
	first, last, isRange := strings.Cut(s, ":")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	ok := errA == nil && errB == nil && 1 <= a && a <= b
	return PortRange{First: uint16(a), Last: uint16(b)}, ok
}

// formatPorts is the inverse of parsePorts.
func formatPorts(ranges []PortRange) string {
	return strings.Join(each(ranges, PortRange.String), ",")
}
