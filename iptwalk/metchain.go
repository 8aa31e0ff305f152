package iptwalk

import (
	"iter"
	"slices"
)

// Docker makes a rule for each port that is published. Of ten thousand such rules one is met
// by packets to a port, and the others need not be looked at.

// metChain is what of a chain is met.
type metChain struct {
	rules []met

	// Of a long chain: the rules that ask for few ports, by these, and all others. Each has
	// its place in rules.
	byPort map[uint16][]int
	rest   []int
}

const (
	longChain = 64 // rules, from which on they are found by port
	fewByPort = 16 // that a rule asks for which is found by them
)

// of are the rules that may be about packets to some ports, in their order.
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

// singly are the ports of ranges, if they are few.
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
