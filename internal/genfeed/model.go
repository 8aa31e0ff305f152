package genfeed

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Attackers come in clusters: the same provider, the same subnet, the next address. Each new address
// is made from one that the list already has: its first bits are kept and the rest is random. So a
// network with many addresses gets more (a Yule-Simon process), and the clusters have the heavy tail
// of real ones at any size of list. The shares follow from what was measured in the public host
// addresses of the lists of 2019-04-23 and 2016-06-13:
//
//	                                        2019           2016
//	addresses                             76,967         17,022
//	/16s with an address               10,356 (13 %)   2,067 (12 %)
//	/24s with an address               36,597 (48 %)   5,898 (35 %)
//	/24s with only one                      80 %           66 %
//	addresses whose other half of the /31
//	  is in the list too                    12.1 %          9.3 %
//	addresses that end in .0                 8.8 %          0.2 %
//	merged prefixes : addresses              0.930          0.952
//
// TestClusters compares the result with these numbers.

// A step is one way to make a new address: keep some of the first bits of an earlier
// one.
type step struct {
	keep  uint8
	share float64
}

// neighbour keeps the whole address, and takes the next free one.
const neighbour = 128

// The rest of the shares keeps no bits: a new network anywhere in public space.
var (
	steps4 = []step{
		{neighbour, 0.057},
		{v4Bits + 24, 0.42},
		{v4Bits + 16, 0.39},
	}
	steps6 = []step{
		{neighbour, 0.05},
		{64, 0.20},
		{48, 0.20},
		{32, 0.25},
	}
)

// zeroShare of the IPv4 addresses in a /24 that the list did not have end in .0: the list of 2019
// has 6,781 of them, 3,950 in 103.0.0.0/8 alone, as if networks had been listed by their bare address.
const zeroShare = 0.17

// A neighbour starts a run. longer is the chance of each further address in it, longerBlock that in a
// block which was used, or listed, from end to end; blockShare of the runs are such blocks. They make
// the /28, /27 and /26 of an aggregated list.
const (
	longer      = 0.36
	longerBlock = 0.97
	blockShare  = 0.004
)

// founders is how many first addresses each get a network of their own. With fewer, the
// network of the first one dominates the list.
const founders = 100

// maxTries limits the search for a prefix that the list does not have yet.
const maxTries = 10_000

type builder struct {
	spec    Spec
	rng     *rand.Rand
	entries []entry
	seen    distinct
	run     float64 // chance that the next address is last's neighbour
	last    entry   // the last address of the run
}

func newBuilder(s Spec) *builder {
	return &builder{
		spec:    s,
		rng:     rand.New(rand.NewPCG(s.Seed, 0x766f_6970_626c)),
		entries: make([]entry, 0, s.Lines),
		seen:    newDistinct(s.Lines),
	}
}

// build draws all entries, duplicates last.
func (b *builder) build() error {
	todo := newQuota(int(bogon) + 1)
	todo.add(int(bogon), b.spec.count(b.spec.Bogons))
	for _, k := range Kinds() {
		if k.takesLine() && k != Duplicate {
			todo.add(int(k), b.spec.dirty(k))
		}
	}
	duplicates := b.spec.dirty(Duplicate)
	todo.add(int(plain), b.spec.Lines-duplicates-todo.total)

	lengths := newQuota(1 + len(b.spec.Lengths))
	for i, l := range b.spec.Lengths {
		lengths.add(1+i, b.spec.count(l.Share))
	}
	lengths.add(0, b.spec.Lines-lengths.total)

	for todo.total > 0 {
		kind := Kind(todo.draw(b.rng))
		if err := b.draw(kind, lengths); err != nil {
			return err
		}
	}
	for range duplicates {
		if err := b.duplicate(); err != nil {
			return err
		}
	}
	return nil
}

// draw adds one entry of a kind.
func (b *builder) draw(kind Kind, lengths *quota) error {
	v4, bits := b.spec.Family == 4, uint8(128)
	switch kind {
	case Bare, Range, Garbage, bogon:
	case HostBits:
		if bits = uint8(48 + b.rng.IntN(73)); v4 {
			bits = uint8(v4Bits + 24 + b.rng.IntN(7))
		}
	case Mapped:
		v4 = true
	case Other:
		v4 = !v4
	default:
		if i := lengths.draw(b.rng); i > 0 {
			bits -= uint8(hostBits(b.spec.Family) - b.spec.Lengths[i-1].Bits)
		}
	}
	for range maxTries {
		var e entry
		switch {
		case kind == bogon && v4:
			e = b.fill(bogons4[b.rng.IntN(len(bogons4))])
		case kind == bogon:
			e = b.fill(bogons6[b.rng.IntN(len(bogons6))])
		case kind == Wide:
			e = b.wide(v4)
			bits = e.bits
		default:
			e = b.address(v4)
		}
		e.bits, e.kind = bits, kind
		if kind == Range {
			e.lo &^= 1 // leaves room for a last address in the same /24
		}
		e = e.masked()
		if (kind == bogon || kind == Wide || !e.special()) && b.seen.add(b.entries, e) {
			b.entries = append(b.entries, e)
			return nil
		}
	}
	return fmt.Errorf("no further distinct entry of kind %v after %d: ask for a smaller share", kind, len(b.entries))
}

// wide makes a prefix that is too wide, of random length, because there are only few of
// the shortest.
func (b *builder) wide(v4 bool) entry {
	if v4 {
		return entry{lo: v4Lo | b.rng.Uint64()>>32, bits: uint8(v4Bits + b.rng.IntN(widest4-v4Bits))}
	}
	return entry{hi: 1<<61 | b.rng.Uint64()>>3, bits: uint8(3 + b.rng.IntN(widest6-3))}
}

// address makes a new address from the earlier ones.
func (b *builder) address(v4 bool) entry {
	from, steps := entry{lo: v4Lo, bits: v4Bits}, steps4
	if !v4 {
		from, steps = public6[b.rng.IntN(len(public6))], steps6
	}
	if b.run > 0 && b.last.is4() == v4 && b.rng.Float64() < b.run {
		return b.next(b.last)
	}
	b.run = 0
	if old, ok := b.earlier(v4); ok {
		u := b.rng.Float64()
		for _, s := range steps {
			if u -= s.share; u < 0 {
				from = old
				from.bits = s.keep
				break
			}
		}
	}
	if from.bits == neighbour {
		if b.run = longer; b.rng.Float64() < blockShare {
			b.run = longerBlock
		}
		return b.next(from)
	}
	e := b.fill(from)
	switch {
	case v4 && from.bits < v4Bits+24 && b.rng.Float64() < zeroShare:
		e.lo &^= 0xff
	case !v4 && b.rng.Uint64()&1 == 0:
		e.lo &= 0xfff // a server's hand-written host part; the other half are random ones
	}
	return e
}

// earlier picks one of the earlier entries. It returns false if that is not an
// attacker's.
func (b *builder) earlier(v4 bool) (entry, bool) {
	if len(b.entries) < founders {
		return entry{}, false
	}
	e := b.entries[b.rng.IntN(len(b.entries))]
	k := e.kind
	return e, e.is4() == v4 && k != bogon && k != Wide && k != Garbage
}

// next walks up from e to the first address that the list does not have, or to the end of the /24.
func (b *builder) next(e entry) entry {
	for e.lo++; e.lo&0xff != 0xff && b.seen.has(b.entries, e); e.lo++ {
	}
	b.last = e
	return e
}

// fill makes the bits below the length random.
func (b *builder) fill(e entry) entry {
	hi, lo := masks(e.bits)
	if e.bits < 64 {
		e.hi = e.hi&hi | b.rng.Uint64()&^hi
	}
	e.lo = e.lo&lo | b.rng.Uint64()&^lo
	return e
}

// duplicate repeats an entry.
func (b *builder) duplicate() error {
	for range maxTries {
		if len(b.entries) == 0 {
			break
		}
		e := b.entries[b.rng.IntN(len(b.entries))]
		if k := e.kind; k != Garbage && k != Range {
			e.kind = Duplicate
			b.entries = append(b.entries, e)
			return nil
		}
	}
	return fmt.Errorf("nothing to duplicate among %d entries", len(b.entries))
}

func (b *builder) order() {
	if b.spec.Shuffle {
		b.rng.Shuffle(len(b.entries), func(i, j int) {
			b.entries[i], b.entries[j] = b.entries[j], b.entries[i]
		})
		return
	}
	// Entries that compare equal are equal, so the result does not depend on how Go sorts.
	slices.SortFunc(b.entries, func(x, y entry) int {
		if x.hi != y.hi {
			return cmp.Compare(x.hi, y.hi)
		}
		if x.lo != y.lo {
			return cmp.Compare(x.lo, y.lo)
		}
		return cmp.Or(cmp.Compare(x.bits, y.bits), cmp.Compare(x.kind, y.kind))
	})
}
