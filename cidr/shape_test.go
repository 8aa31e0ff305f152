package cidr

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// slowShape finds the fewest lengths, and then the fewest pieces, by which a set can be
// written, by trying every choice of lengths from shortest to longest. It returns false if
// there are too many choices.
func slowShape(set Set, extra int) (lengths, pieces int, ok bool) {
	occur := WhichLengths(set.Lengths())
	if len(occur) == 0 {
		return 0, 0, true
	}
	try := occur
	if first, last := occur[0], occur[len(occur)-1]; last-first < 12 {
		try = nil // those that do not occur, too
		for bits := first; bits <= last; bits++ {
			try = append(try, bits)
		}
	}
	if len(try) > 12 {
		return 0, 0, false
	}
	most := big.NewInt(int64(set.Len() + extra))
	best := new(big.Int)
	for choice := range 1 << len(try) {
		sum, used := new(big.Int), map[int]bool{}
		for bits, n := range set.Lengths() {
			if n == 0 {
				continue
			}
			i := slices.IndexFunc(try, func(b int) bool { return b >= bits && choice>>slices.Index(try, b)&1 == 1 })
			if i < 0 {
				sum = nil
				break
			}
			used[try[i]] = true
			sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(n)), uint(try[i]-bits)))
		}
		if sum == nil || sum.Cmp(most) > 0 {
			continue
		}
		if lengths == 0 || len(used) < lengths || len(used) == lengths && sum.Cmp(best) < 0 {
			lengths, best = len(used), sum
		}
	}
	return lengths, int(best.Int64()), true
}

// mustBeShapeOf fails unless s is the best way to write set with at most extra pieces more.
func mustBeShapeOf(t interface{ Fatalf(string, ...any) }, s Shape, set Set, extra int) {
	pieces := slices.Collect(s.All())
	var b Builder
	var lengths [129]int
	for i, p := range pieces {
		if i > 0 && (pieces[i-1].Compare(p) >= 0 || pieces[i-1].Overlaps(p)) {
			t.Fatalf("%s comes before %s", pieces[i-1], p)
		}
		b.Add(p)
		lengths[p.Bits()]++
	}
	if got := b.Sets(); got.Len() != set.Len() || set.Len() > 0 && !got[set.At(0).Family()].Equal(set) {
		t.Fatalf("%v is written as %v", set, pieces)
	}
	switch own := len(WhichLengths(set.Lengths())); {
	case !s.Set().Equal(set):
		t.Fatalf("of %v, not %v", s.Set(), set)
	case s.Len() != len(pieces) || s.Lengths() != lengths:
		t.Fatalf("says %d pieces of lengths %v, has %v", s.Len(), s.Lengths(), pieces)
	case s.Len() > set.Len()+extra:
		t.Fatalf("%d pieces of %d entries, with %d extra", s.Len(), set.Len(), extra)
	case len(WhichLengths(lengths)) > own:
		t.Fatalf("%d lengths of %d", len(WhichLengths(lengths)), own)
	case extra == 0 && !slices.Equal(pieces, set.ps):
		t.Fatalf("%v is written as %v although nothing may be added", set, pieces)
	}
	if want, most, ok := slowShape(set, extra); ok && (len(WhichLengths(lengths)) != want || s.Len() != most) {
		t.Fatalf("%v with %d extra takes %d lengths and %d pieces; %d lengths and %d pieces are enough", set, extra, len(WhichLengths(lengths)), s.Len(), want, most)
	}
}

func TestShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Families[rapid.IntRange(0, 1).Draw(t, "family")]
		set := SetOf(drawPrefixes(t, f, "in")...)[f]
		extra := rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(0, 5000)).Draw(t, "extra")
		s := ShapeOf(set, extra)
		mustBeShapeOf(t, s, set, extra)
		q := drawPrefix(t, f)
		piece, ok := s.Piece(q)
		i := slices.IndexFunc(slices.Collect(s.All()), q.Overlaps)
		if ok != set.Contains(q) || ok && piece != slices.Collect(s.All())[i] {
			t.Fatalf("the piece for %s is %s, %v", q, piece, ok)
		}
	})
}

// FuzzShape makes prefixes out of bytes and compares their shape with the best of all
// choices.
func FuzzShape(f *testing.F) {
	f.Add([]byte{0, 0, 64, 4, 128, 7}, uint16(20))
	f.Add([]byte{1, 0, 16, 3, 128, 1, 200, 2}, uint16(0))
	f.Fuzz(func(t *testing.T, in []byte, extra uint16) {
		in = in[:min(len(in), 64)]
		for _, fam := range Families {
			set := SetOf(lastOctet(fam, in)...)[fam]
			mustBeShapeOf(t, ShapeOf(set, int(extra)), set, int(extra))
		}
	})
}

// TestShapeExamples has choices that can be made by hand, also at the ends of what the numbers
// can hold.
func TestShapeExamples(t *testing.T) {
	for _, test := range []struct {
		name   string
		in     []string
		extra  int
		pieces int
		want   []int
	}{
		{"nothing", nil, 8192, 0, []int{}},
		{"one entry", []string{"10.0.0.0/8"}, 8192, 1, []int{8}},
		{"one length just fits", []string{"192.0.2.0/24", "198.51.100.1"}, 255, 257, []int{32}},
		{"one length just does not", []string{"192.0.2.0/24", "198.51.100.1"}, 254, 2, []int{24, 32}},
		{"the shorter of two is split", []string{"192.0.2.0/24", "198.51.100.0/27", "203.0.113.1"}, 40, 10, []int{27, 32}},
		{"the cheaper of two is split", []string{"192.0.2.0/24", "198.51.100.0/25", "198.51.101.0/25", "198.51.102.0/25", "203.0.113.1"}, 200, 6, []int{25, 32}},
		{"the whole of IPv6 beside one address", []string{"8000::/1", "::1"}, 1 << 40, 2, []int{1, 128}},
		{"64 bits apart", []string{"2001:db8::/64", "2001:db9::1"}, 1 << 40, 2, []int{64, 128}},
		{"30 bits apart", []string{"2001:db8::/98", "2001:db9::1"}, 1 << 40, 1<<30 + 1, []int{128}},
		{"less than nothing", []string{"192.0.2.0/24", "198.51.100.1"}, -5, 2, []int{24, 32}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sets := SetOf(prefixes(t, test.in...)...)
			f := IPv4
			if sets[IPv6].Len() > 0 {
				f = IPv6
			}
			s := ShapeOf(sets[f], test.extra)
			if got := WhichLengths(s.Lengths()); s.Len() != test.pieces || !slices.Equal(got, test.want) {
				t.Errorf("%d pieces of lengths %v, want %d of %v", s.Len(), got, test.pieces, test.want)
			}
		})
	}
}

// TestShapeTakesNoMemory: the pieces are never all in memory.
func TestShapeTakesNoMemory(t *testing.T) {
	s := ShapeOf(SetOf(prefixes(t, "10.0.0.0/8", "192.0.2.1")...)[IPv4], 1<<24)
	if s.Len() != 1<<24+1 {
		t.Fatalf("%d pieces", s.Len())
	}
	n := 0
	allocs := testing.AllocsPerRun(1, func() {
		for range s.All() {
			n++
		}
	})
	if n != 2*s.Len() || allocs > 2 {
		t.Errorf("%d pieces in two walks, %v allocations", n, allocs)
	}
	most := testing.AllocsPerRun(10, func() { ShapeOf(s.Set(), 1<<24) })
	if most > 8 {
		t.Errorf("%v allocations to choose between two lengths", most)
	}
}

// made returns a set with so many entries of each length.
func made(t *testing.T, entries map[uint8]int) Set {
	t.Helper()
	var b Builder
	at := u128{}
	for bits := range uint8(33) { // the widest first, so that each begins where it may
		for range entries[bits] {
			p := newPrefix(IPv4, at, bits)
			b.Add(p)
			_, beside := newPrefix(IPv4, at, bits-1).halves()
			at, _ = beside.last().plus(bit(32)) // its sibling stays free
		}
	}
	set := b.Sets()[IPv4]
	for bits, n := range set.Lengths() {
		if n != entries[uint8(bits)] {
			t.Fatalf("%d entries of length %d, not %d", n, bits, entries[uint8(bits)])
		}
	}
	return set
}

// TestShapeOfPublishedLists: lists with as many entries of each length as VoIPBL's of 2019-04-23
// and firehol_level1 of 2020-03-18, without special-purpose space, and the default number of
// extra entries.
func TestShapeOfPublishedLists(t *testing.T) {
	voipbl := made(t, map[uint8]int{24: 1, 26: 1, 27: 4, 28: 8, 29: 52, 30: 332, 31: 3486, 32: 67675})
	firehol := made(t, map[uint8]int{11: 1, 12: 4, 13: 2, 14: 8, 15: 15, 16: 182, 17: 18, 18: 56, 19: 80, 20: 78, 21: 62, 22: 295, 23: 54, 24: 222, 29: 3, 30: 6, 31: 14, 32: 444})
	for _, test := range []struct {
		name         string
		set          Set
		extra, added int
		want         []int
	}{
		{"VoIPBL", voipbl, 71_559 / 4, 5408, []int{32}}, // 7.6 %
		{"firehol_level1", firehol, 8192, 5342, []int{19, 24, 32}},
		{"firehol_level1 with a quarter", firehol, 1544 / 4, 303, []int{14, 16, 18, 20, 22, 24, 32}},
	} {
		s := ShapeOf(test.set, test.extra)
		if got := WhichLengths(s.Lengths()); s.Len()-test.set.Len() != test.added || !slices.Equal(got, test.want) {
			t.Errorf("%s: %d extra entries by lengths %v, want %d by %v", test.name, s.Len()-test.set.Len(), got, test.added, test.want)
		}
	}
}
