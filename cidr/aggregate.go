package cidr

import "slices"

// aggregate turns sorted prefixes of one family into the fewest disjoint ones
// that cover the same addresses, in place, and returns that part of ps.
//
// It keeps a stack, which is the front of ps itself. Of two prefixes in order
// there are three cases:
//
//	top   |-----------|      |-----|             |-----|
//	next     |--|                  |-----|                 |--|
//	      contained: drop    siblings: join      apart: push
//
// Joining makes a wider top, which may be the sibling of what is below it.
func aggregate(ps []Prefix) []Prefix {
	n := 0
	for _, p := range ps {
		if n > 0 && ps[n-1].Contains(p) {
			continue
		}
		for n > 0 && siblings(ps[n-1], p) {
			n--
			p = Prefix{ps[n].addr, p.bits - 1, p.fam}
		}
		ps[n] = p
		n++
	}
	return ps[:n]
}

// Builder collects prefixes of both families, in any order and overlapping,
// and makes a Set of each. The zero value is ready.
type Builder struct{ ps [2][]Prefix }

// Grow makes room for n more prefixes of family f, when the caller can tell.
func (b *Builder) Grow(f Family, n int) { b.ps[f] = slices.Grow(b.ps[f], n) }

// Add adds p.
func (b *Builder) Add(p Prefix) {
	if ps := b.ps[p.fam]; len(ps) == cap(ps) && len(ps) >= compactMin {
		b.compact(p.fam)
	}
	b.ps[p.fam] = append(b.ps[p.fam], p)
}

// compactMin is the number of prefixes (24 MiB of them) from which duplicates
// are looked for before more memory is asked for. Honest lists are below.
const compactMin = 1 << 20

// compact aggregates what is there before the slice grows, so that memory
// follows what a feed covers and not how often it says so. It leaves room for
// at least half as many again, so that the work stays linear.
func (b *Builder) compact(f Family) {
	Sort(b.ps[f])
	ps := aggregate(b.ps[f])
	b.ps[f] = slices.Grow(ps, len(ps)/2)
}

// AddSets adds all prefixes of both sets.
func (b *Builder) AddSets(sets Sets) {
	for f := range sets {
		b.ps[f] = append(b.ps[f], sets[f].ps...)
	}
}

// Sets returns the aggregated sets and empties the builder.
func (b *Builder) Sets() Sets {
	var sets Sets
	for f, ps := range b.ps {
		Sort(ps)
		sets[f] = Set{aggregate(ps)}
		b.ps[f] = nil
	}
	return sets
}

// Union joins sets. The result of one is itself, without a copy.
func Union(all ...Sets) Sets {
	var b Builder
	var last Sets
	some := 0
	for _, sets := range all {
		if sets.Len() > 0 {
			last, some = sets, some+1
		}
	}
	if some <= 1 {
		return last
	}
	for _, sets := range all {
		b.AddSets(sets)
	}
	return b.Sets()
}
