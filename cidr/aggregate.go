package cidr

import "slices"

// aggregate turns sorted prefixes of one family into the fewest disjoint ones that
// cover the same addresses, in place, and returns the front part of ps that holds them.
//
// The front of ps serves as a stack. The next prefix meets the top of it in one of
// three ways:
//
//	top   |-----------|      |-----|             |-----|
//	next     |--|                  |-----|                 |--|
//	      contained: drop    siblings: join      apart: push
//
// Joining makes a wider top, which may be the sibling of the one below it.
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

// Aggregate turns prefixes of one family, in any order and overlapping, into the fewest
// that cover the same addresses, sorted. It works in place and returns the front part of
// ps.
func Aggregate(ps []Prefix) []Prefix {
	Sort(ps)
	return aggregate(ps)
}

// Builder collects prefixes of both families, in any order and overlapping,
// and makes a Set of each. The zero value is ready.
type Builder struct{ ps [2][]Prefix }

// Grow makes room for n more prefixes of family f.
func (b *Builder) Grow(f Family, n int) { b.ps[f] = slices.Grow(b.ps[f], n) }

// Add adds p. It aggregates first if the slice is large and full.
func (b *Builder) Add(p Prefix) {
	if ps := b.ps[p.fam]; len(ps) == cap(ps) && len(ps) >= compactMin {
		b.compact(p.fam)
	}
	b.ps[p.fam] = append(b.ps[p.fam], p)
}

// compactMin is the number of prefixes (24 MiB) from which a Builder aggregates before
// it allocates more memory. Honest lists are shorter.
const compactMin = 1 << 20

// compact aggregates the collected prefixes before the slice grows, so that a feed that
// repeats itself costs no more memory. It leaves room for at least half as many again,
// so that the work stays linear.
func (b *Builder) compact(f Family) {
	ps := Aggregate(b.ps[f])
	b.ps[f] = slices.Grow(ps, len(ps)/2)
}

// addPrefixes adds many prefixes of one family. Like Add it aggregates first rather than grow
// a large slice.
func (b *Builder) addPrefixes(f Family, more []Prefix) {
	if n := len(b.ps[f]); n >= compactMin && n+len(more) > cap(b.ps[f]) {
		b.compact(f)
	}
	b.ps[f] = append(b.ps[f], more...)
}

// Take adds all prefixes of sets, which must not be used any more: their memory becomes the
// builder's, if it is larger than what the builder has, or spare's. spare is an empty
// builder.
func (b *Builder) Take(sets Sets) (spare Builder) {
	for f := range sets {
		more := sets[f].ps
		if cap(more) > cap(b.ps[f]) {
			b.ps[f], more = more, b.ps[f]
		}
		b.addPrefixes(Family(f), more)
		spare.ps[f] = more[:0]
	}
	return spare
}

// Sets returns the aggregated sets and empties the builder.
func (b *Builder) Sets() Sets {
	var sets Sets
	for f, ps := range b.ps {
		sets[f] = Set{Aggregate(ps)}
		b.ps[f] = nil
	}
	return sets
}

// Union joins sets. If only one of them holds anything, it returns that one without a
// copy.
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
	for f := range b.ps {
		n := 0
		for _, sets := range all {
			n += len(sets[f].ps)
		}
		b.ps[f] = make([]Prefix, 0, min(n, compactMin))
	}
	for _, sets := range all {
		for f := range sets {
			b.addPrefixes(Family(f), sets[f].ps)
		}
	}
	return b.Sets()
}
