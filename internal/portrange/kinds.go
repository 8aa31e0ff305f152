package portrange

import (
	"fmt"
	"maps"
	"slices"
)

// mostKinds is the most kinds that Kinds distinguishes.
const mostKinds = 512

// Kinds divides all ports into kinds, so that checking one port of each kind is enough: two
// ports are of one kind if every rule has both or neither in its ranges. Kinds and their
// ranges are in the order of the ports. whole is false if there are too many kinds.
func Kinds(rules [][]Range) (kinds [][]Range, whole bool) {
	kinds, whole = AllKinds(rules)
	return kinds[:min(len(kinds), mostKinds)], whole && len(kinds) <= mostKinds
}

// maxWork limits how many rules with the same ports are looked at, over all ports.
const maxWork = 1 << 20

// AllKinds is Kinds with no limit on their number, for cheap checks. whole is false only
// if a great many rules have the same ports.
func AllKinds(rules [][]Range) (kinds [][]Range, whole bool) {
	work := 0
	type edge struct{ port, rule, more int } // the start of a rule's range, or the port after it
	edges := []edge{{65536, 0, 0}}
	known := make(map[string]bool)
	for rule, ranges := range rules {
		if name := fmt.Sprint(ranges); known[name] {
			continue
		} else {
			known[name] = true
		}
		for _, r := range ranges {
			edges = append(edges, edge{int(r.First), rule, 1}, edge{int(r.Last) + 1, rule, -1})
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return a.port - b.port })
	asking := make(map[int]int) // by rule: number of its ranges with the port
	at := make(map[string]int)  // index of the kind, by its rules
	first := 0
	for _, e := range edges {
		if e.port > first {
			if work += 1 + len(asking); work > maxWork {
				return kinds, false
			}
			by := fmt.Sprint(slices.Sorted(maps.Keys(asking)))
			i, seen := at[by]
			if !seen {
				i, at[by] = len(kinds), len(kinds)
				kinds = append(kinds, nil)
			}
			if n := len(kinds[i]); n > 0 && int(kinds[i][n-1].Last) == first-1 {
				kinds[i][n-1].Last = uint16(e.port - 1)
			} else {
				kinds[i] = append(kinds[i], Range{uint16(first), uint16(e.port - 1)})
			}
			first = e.port
		}
		if asking[e.rule] += e.more; asking[e.rule] == 0 {
			delete(asking, e.rule)
		}
	}
	return kinds, true
}

// Index finds the kinds of ports.
type Index struct {
	ranges []Range // in order
	kinds  []int   // index of the kind of each range
}

// NewIndex returns the index of kinds, no two of which share a port.
func NewIndex(kinds [][]Range) *Index {
	kind := make(map[Range]int)
	x := &Index{}
	for i, ranges := range kinds {
		for _, r := range ranges {
			kind[r] = i
			x.ranges = append(x.ranges, r)
		}
	}
	slices.SortFunc(x.ranges, func(a, b Range) int { return int(a.First) - int(b.First) })
	for _, r := range x.ranges {
		x.kinds = append(x.kinds, kind[r])
	}
	return x
}

// Within returns the part of each kind in a range, in the order of the kinds.
func (x *Index) Within(of Range) [][]Range {
	begin, _ := slices.BinarySearchFunc(x.ranges, of.First, func(r Range, port uint16) int { return int(r.Last) - int(port) })
	within := make(map[int][]Range)
	for i := begin; i < len(x.ranges) && x.ranges[i].First <= of.Last; i++ {
		within[x.kinds[i]] = append(within[x.kinds[i]], Within(x.ranges[i:i+1], of)...)
	}
	var all [][]Range
	for _, kind := range slices.Sorted(maps.Keys(within)) {
		all = append(all, within[kind])
	}
	return all
}

// Joined returns ranges in order, joining those that touch or overlap.
func Joined(ranges []Range) (all []Range) {
	for _, r := range slices.SortedFunc(slices.Values(ranges), func(a, b Range) int { return int(a.First) - int(b.First) }) {
		if n := len(all); n > 0 && int(r.First) <= int(all[n-1].Last)+1 {
			all[n-1].Last = max(all[n-1].Last, r.Last)
		} else {
			all = append(all, r)
		}
	}
	return all
}

// Others returns the ports that are in none of the ranges; nil if there are none.
func Others(than []Range) (all []Range) {
	first := 0
	for _, r := range Joined(than) {
		if first < int(r.First) {
			all = append(all, Range{uint16(first), r.First - 1})
		}
		first = int(r.Last) + 1
	}
	if first <= int(All.Last) {
		all = append(all, Range{uint16(first), All.Last})
	}
	return all
}
