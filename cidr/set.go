package cidr

import (
	"iter"
	"math"
	"slices"
)

// Set is the smallest list of prefixes that covers some addresses of one family:
// sorted, disjoint, no two of them siblings. It never changes.
type Set struct{ ps []Prefix }

// Sets is a Set for each family, indexed by it.
type Sets [2]Set

// SetOf makes sets from prefixes in any order.
func SetOf(ps ...Prefix) Sets {
	var b Builder
	for _, p := range ps {
		b.Add(p)
	}
	return b.Sets()
}

// Len returns the number of prefixes.
func (s Set) Len() int { return len(s.ps) }

// Len returns the number of prefixes of both families.
func (s Sets) Len() int { return s[IPv4].Len() + s[IPv6].Len() }

// At returns prefix i in order.
func (s Set) At(i int) Prefix { return s.ps[i] }

// All yields the prefixes in order.
func (s Set) All() iter.Seq[Prefix] { return slices.Values(s.ps) }

// Index returns the index of the prefix that contains all of p.
func (s Set) Index(p Prefix) (i int, ok bool) {
	i, end := 0, len(s.ps) // the first prefix after p is in [i, end]
	for i < end {
		if mid := int(uint(i+end) / 2); p.less(s.ps[mid]) {
			end = mid
		} else {
			i = mid + 1
		}
	}
	i--
	return i, i >= 0 && s.ps[i].Contains(p)
}

// Contains reports whether the set covers all of p.
func (s Set) Contains(p Prefix) bool {
	_, ok := s.Index(p)
	return ok
}

// Contains reports whether the set of p's family covers all of p.
func (s Sets) Contains(p Prefix) bool { return s[p.fam].Contains(p) }

// Overlaps reports whether the set covers any address of p.
func (s Set) Overlaps(p Prefix) bool {
	i, ok := s.Index(p)
	return ok || i+1 < len(s.ps) && p.Contains(s.ps[i+1])
}

// Overlaps reports whether the set of p's family covers any address of p.
func (s Sets) Overlaps(p Prefix) bool { return s[p.fam].Overlaps(p) }

// Narrow returns the set without its prefixes shorter than bits. If it has none, it
// returns the set itself, without a copy.
func (s Set) Narrow(bits uint8) Set {
	wide := func(p Prefix) bool { return p.bits < bits }
	if !slices.ContainsFunc(s.ps, wide) {
		return s
	}
	return Set{slices.DeleteFunc(slices.Clone(s.ps), wide)}
}

// Equal reports whether both sets cover the same addresses.
func (s Set) Equal(t Set) bool { return slices.Equal(s.ps, t.ps) }

// Share returns the part of the family's address space that s covers, 0 to 1.
func (s Set) Share() float64 {
	share := 0.0
	for _, p := range s.ps {
		share += math.Ldexp(1, -int(p.bits))
	}
	return share
}

// Lengths counts the prefixes of each length. For each length that occurs the kernel
// needs one more probe per packet.
func (s Set) Lengths() (count [129]int) {
	for _, p := range s.ps {
		count[p.bits]++
	}
	return count
}

// WhichLengths returns the lengths that are counted at least once, in order. It is never nil,
// so that JSON has a list.
func WhichLengths(count [129]int) []int {
	lengths := []int{}
	for bits, n := range count {
		if n > 0 {
			lengths = append(lengths, bits)
		}
	}
	return lengths
}
