package config

import (
	"fmt"
	"strconv"
	"strings"
)

// maxPorts is how much one multiport match holds, where a range counts as two: XT_MULTI_PORTS in
// linux/netfilter/xt_multiport.h.
const maxPorts = 15

// A PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// String returns the range as the file and iptables write it: "5060:5061", or "22" for one port.
func (p PortRange) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d:%d", p.First, p.Last)
}

const (
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

// parsePorts parses ports and ranges with commas between.
func parsePorts(s string) ([]PortRange, *fault) {
	var ranges []PortRange
	ports := 0
	for part := range strings.SplitSeq(s, ",") {
		p, ok := portRange(strings.TrimSpace(part))
		if !ok {
			return nil, faultf(portsExample, "bad ports (%s)", quote(s))
		}
		for _, q := range ranges {
			if p.First <= q.Last && q.First <= p.Last {
				return nil, faultf("expected each port once, such as \"80,443\"",
					"%s and %s overlap (%s)", q, p, quote(s))
			}
		}
		if ports++; p.First != p.Last {
			ports++
		}
		if ports > maxPorts {
			return nil, faultf("expected at most 15, where a range counts as two; write a second service for the others",
				"too many ports (%s)", quote(s))
		}
		ranges = append(ranges, p)
	}
	return ranges, nil
}

func portRange(s string) (PortRange, bool) {
	first, last, isRange := strings.Cut(s, ":")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	ok := errA == nil && errB == nil && 1 <= a && a <= b
	return PortRange{uint16(a), uint16(b)}, ok
}

// formatPorts is the inverse of parsePorts.
func formatPorts(ranges []PortRange) string {
	return strings.Join(each(ranges, PortRange.String), ",")
}
