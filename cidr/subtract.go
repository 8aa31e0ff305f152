package cidr

import "slices"

// Subtract returns the addresses that s covers and holes does not: s itself, without a
// copy, if no hole touches it. The result needs no further aggregation: the pieces left
// of a prefix have different lengths, and none of them can join a neighbour outside of
// it.
func (s Set) Subtract(holes Set) Set {
	if !slices.ContainsFunc(holes.ps, s.Overlaps) {
		return s
	}
	out := make([]Prefix, 0, len(s.ps)+len(holes.ps))
	rest := holes.ps
	for _, p := range s.ps {
		// Holes that end before p begins are before every later prefix, too.
		for len(rest) > 0 && rest[0].last().less(p.addr) {
			rest = rest[1:]
		}
		if len(rest) == 0 || p.last().less(rest[0].addr) { // nearly all prefixes end here
			out = append(out, p)
		} else {
			out = carve(out, p, rest)
		}
	}
	return Set{out}
}

// Subtract subtracts holes from s, family by family.
func (s Sets) Subtract(holes Sets) Sets {
	for f := range s {
		s[f] = s[f].Subtract(holes[f])
	}
	return s
}

// carve appends to out what holes leave of p. holes are sorted.
//
//	p      |-----------------------|        hole  |-----------|
//	hole        |--|                        p        |---|
//	left   |---|    |--|-----------|        left  nothing
func carve(out []Prefix, p Prefix, holes []Prefix) []Prefix {
	for len(holes) > 0 && holes[0].last().less(p.addr) {
		holes = holes[1:]
	}
	switch {
	case len(holes) == 0 || !holes[0].Overlaps(p):
		return append(out, p)
	case holes[0].Contains(p):
		return out
	}
	lower, upper := p.halves()
	return carve(carve(out, lower, holes), upper, holes)
}
