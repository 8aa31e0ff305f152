package iptwalk

import (
	"iter"
	"slices"
)

// Docker makes a rule for each published port. Packets to one port meet one of ten thousand such
// rules, and the others need not be looked at.

// metChain is the part of a chain that packets meet.
type metChain struct {
	rules []met

	// For a long chain: the rules for few ports, by port, and all others, both as indexes of
	// rules.
	byPort map[uint16][]int
	rest   []int
}

const (
	longChain = 64 // rules in a chain, from which on they are indexed by port
	fewByPort = 16 // ports of a rule, up to which it is indexed by them
)

// of returns the rules that may match packets to some ports, in order.
func (c *metChain) of(ports []PortRange) iter.Seq[*met] {
	return func(yield func(*met) bool) {
		few := singly(ports)
		if len(c.rules) < longChain || few == nil {
			for i := range c.rules {
				if !yield(&c.rules[i]) {
					return
				}
			}
			return
		}
		if c.byPort == nil {
			c.index()
		}
		var named []int
		for _, port := range few {
			named = append(named, c.byPort[port]...)
		}
		slices.Sort(named)
		named = slices.Compact(named)
		rest := c.rest
		for len(named)+len(rest) > 0 {
			var next int
			if len(rest) == 0 || len(named) > 0 && named[0] < rest[0] {
				next, named = named[0], named[1:]
			} else {
				next, rest = rest[0], rest[1:]
			}
			if !yield(&c.rules[next]) {
				return
			}
		}
	}
}

func (c *metChain) index() {
	c.byPort = make(map[uint16][]int)
	for i, r := range c.rules {
		few := singly(r.dports)
		if few == nil {
			c.rest = append(c.rest, i)
		}
		for _, port := range few {
			c.byPort[port] = append(c.byPort[port], i)
		}
	}
}

// singly returns the single ports of ranges, or nil if they are many.
func singly(ranges []PortRange) (ports []uint16) {
	for _, r := range ranges {
		if len(ports)+int(r.Last)-int(r.First) >= fewByPort {
			return nil
		}
		for port := int(r.First); port <= int(r.Last); port++ {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}
