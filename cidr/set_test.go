package cidr

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// mustBeMinimal fails unless s is sorted, disjoint and without siblings.
func mustBeMinimal(t interface{ Fatalf(string, ...any) }, s Set) {
	for i := 1; i < s.Len(); i++ {
		p, q := s.At(i-1), s.At(i)
		switch {
		case p.Compare(q) >= 0:
			t.Fatalf("not sorted: %s before %s", p, q)
		case p.Overlaps(q):
			t.Fatalf("not disjoint: %s and %s", p, q)
		case siblings(p, q):
			t.Fatalf("not joined: %s and %s", p, q)
		}
	}
}

func prefixes(t *testing.T, texts ...string) []Prefix {
	t.Helper()
	var ps []Prefix
	for _, s := range texts {
		ps = append(ps, MustParsePrefix(s))
	}
	return ps
}

func texts(s Set) []string {
	out := []string{}
	for p := range s.All() {
		out = append(out, p.String())
	}
	return out
}

func TestAggregate(t *testing.T) {
	for _, test := range []struct {
		name     string
		in, want []string
	}{
		{"nothing", nil, []string{}},
		{"one", []string{"192.0.2.1"}, []string{"192.0.2.1"}},
		{"duplicate", []string{"192.0.2.1", "192.0.2.1"}, []string{"192.0.2.1"}},
		{"contained", []string{"192.0.2.1", "192.0.2.0/24"}, []string{"192.0.2.0/24"}},
		{"siblings", []string{"192.0.2.1", "192.0.2.0"}, []string{"192.0.2.0/31"}},
		{"neighbours that are no siblings", []string{"192.0.2.1", "192.0.2.2"}, []string{"192.0.2.1", "192.0.2.2"}},
		{"siblings of siblings", []string{"192.0.2.0", "192.0.2.1", "192.0.2.2/31", "192.0.2.4/30"}, []string{"192.0.2.0/29"}},
		{"everything", []string{"0.0.0.0/1", "128.0.0.0/1"}, []string{"0.0.0.0/0"}},
		{"last address", []string{"255.255.255.255", "255.255.255.254"}, []string{"255.255.255.254/31"}},
		{"IPv6 across the middle", []string{"2001:db8:0:1::/64", "2001:db8::/64"}, []string{"2001:db8::/63"}},
		{"IPv6 lower half", []string{"2001:db8::1", "2001:db8::"}, []string{"2001:db8::/127"}},
		{"IPv6 joined across bit 64", []string{"2001:db8::/65", "2001:db8::8000:0:0:0/65"}, []string{"2001:db8::/64"}},
		{"IPv6 everything", []string{"::/1", "8000::/1"}, []string{"::/0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sets := SetOf(prefixes(t, test.in...)...)
			got := append(texts(sets[IPv4]), texts(sets[IPv6])...)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSubtract(t *testing.T) {
	for _, test := range []struct {
		name              string
		from, holes, want []string
	}{
		{"no hole", []string{"10.0.0.0/8"}, nil, []string{"10.0.0.0/8"}},
		{"hole elsewhere", []string{"10.0.0.0/8"}, []string{"9.255.255.255", "11.0.0.0"}, []string{"10.0.0.0/8"}},
		{"all of it", []string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}, []string{}},
		{"more than it", []string{"10.1.0.0/16"}, []string{"10.0.0.0/8"}, []string{}},
		{"first address", []string{"10.0.0.0/30"}, []string{"10.0.0.0"}, []string{"10.0.0.1", "10.0.0.2/31"}},
		{"last address", []string{"10.0.0.0/30"}, []string{"10.0.0.3"}, []string{"10.0.0.0/31", "10.0.0.2"}},
		{"two holes in one", []string{"10.0.0.0/29"}, []string{"10.0.0.1", "10.0.0.6"}, []string{"10.0.0.0", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.7"}},
		{"one hole over many", []string{"10.0.0.1", "10.0.0.3", "10.0.1.0"}, []string{"10.0.0.0/24"}, []string{"10.0.1.0"}},
		{"from everything", []string{"0.0.0.0/0"}, []string{"128.0.0.0/1"}, []string{"0.0.0.0/1"}},
		{"IPv6", []string{"2001:db8::/126"}, []string{"2001:db8::2"}, []string{"2001:db8::/127", "2001:db8::3"}},
		{"IPv6 across the middle", []string{"2001:db8::/63"}, []string{"2001:db8:0:1::/64"}, []string{"2001:db8::/64"}},
		{"other family", []string{"10.0.0.0/8"}, []string{"::/0"}, []string{"10.0.0.0/8"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			left := SetOf(prefixes(t, test.from...)...).Subtract(SetOf(prefixes(t, test.holes...)...))
			got := append(texts(left[IPv4]), texts(left[IPv6])...)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// drawPrefix draws from small parts of the address space, so that prefixes overlap:
// around both ends and, for IPv6, around the middle of the address.
func drawPrefix(t *rapid.T, f Family) Prefix {
	width := f.Bits()
	low := rapid.Uint8Range(0, 8).Draw(t, "host bits")
	v := rapid.Uint64Range(0, 255).Draw(t, "value")
	var a u128
	if f == IPv4 {
		a.hi = v << 32
	} else {
		a.lo = v
	}
	if rapid.Bool().Draw(t, "high") {
		a = a.or(mask(width - 8))
	}
	if f == IPv6 && rapid.Bool().Draw(t, "middle") {
		return newPrefix(IPv6, u128{hi: v >> 4, lo: v << 60}, 60+low)
	}
	return newPrefix(f, a, width-low)
}

func drawPrefixes(t *rapid.T, f Family, name string) []Prefix {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Prefix { return drawPrefix(t, f) }), 0, 60).Draw(t, name)
}

// TestAgainstOracle compares all operations on sets with the same on big integers.
func TestAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Families[rapid.IntRange(0, 1).Draw(t, "family")]
		in, holes := drawPrefixes(t, f, "in"), drawPrefixes(t, f, "holes")
		set, hole := SetOf(in...)[f], SetOf(holes...)[f]
		mustBeMinimal(t, set)
		if !equalRanges(rangesOf(set.ps), rangesOf(in)) {
			t.Fatalf("%v aggregated to %v", in, set)
		}
		left := set.Subtract(hole)
		mustBeMinimal(t, left)
		want := subtractRanges(rangesOf(in), rangesOf(holes))
		if !equalRanges(rangesOf(left.ps), want) {
			t.Fatalf("%v without %v is %v", in, holes, left)
		}
		q := drawPrefix(t, f)
		meets := len(subtractRanges(rangesOf([]Prefix{q}), rangesOf(in)))
		whole := rangesOf([]Prefix{q})
		outside := subtractRanges(whole, rangesOf(in))
		if set.Contains(q) != (meets == 0) {
			t.Fatalf("%v contains %v: %v", set, q, set.Contains(q))
		}
		if set.Overlaps(q) == equalRanges(outside, whole) {
			t.Fatalf("%v overlaps %v: %v", set, q, set.Overlaps(q))
		}
	})
}

// TestSortLarge sorts enough prefixes for several rounds of the radix sort, with many
// equal addresses.
func TestSortLarge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range Families {
		ps := make([]Prefix, 50_000)
		for i := range ps {
			a := u128{r.Uint64() >> r.IntN(64), r.Uint64() >> r.IntN(64)}
			ps[i] = newPrefix(f, a.and(mask(f.Bits())), uint8(r.IntN(int(f.Bits())+1)))
		}
		want := slices.Clone(ps)
		slices.SortFunc(want, Prefix.Compare)
		Sort(ps)
		if !slices.Equal(ps, want) {
			t.Errorf("%s: not in order", f)
		}
	}
}

// TestBuilderCompacts fills a builder beyond compactMin with few different prefixes.
func TestBuilderCompacts(t *testing.T) {
	var b Builder
	for i := range 3 * compactMin {
		b.Add(Prefix{addr: u128{hi: uint64(i%1000*2) << 32}, bits: 32})
	}
	if c := cap(b.ps[IPv4]); c > 2*compactMin {
		t.Errorf("room for %d prefixes for 1000 different ones", c)
	}
	if n := b.Sets()[IPv4].Len(); n != 1000 {
		t.Errorf("%d prefixes, not 1000", n)
	}
}

func TestUnion(t *testing.T) {
	a := SetOf(prefixes(t, "10.0.0.0", "2001:db8::1")...)
	b := SetOf(prefixes(t, "10.0.0.1")...)
	if got := Union(a, Sets{}, b); !got[IPv4].Equal(SetOf(prefixes(t, "10.0.0.0/31")...)[IPv4]) || !got[IPv6].Equal(a[IPv6]) {
		t.Errorf("got %v", got)
	}
	if got := Union(); got.Len() != 0 {
		t.Errorf("nothing joined is %v", got)
	}
	if got := a[IPv4]; got.Len() != 1 {
		t.Errorf("Union changed its argument: %v", got)
	}
}

func TestShareAndLengths(t *testing.T) {
	s := SetOf(prefixes(t, "1.0.0.0/8", "3.0.0.0/9", "5.5.5.5")...)[IPv4]
	if got, want := s.Share(), 1.0/256+1.0/512+1.0/(1<<32); got != want {
		t.Errorf("share %v, want %v", got, want)
	}
	if c := s.Lengths(); c[8] != 1 || c[9] != 1 || c[32] != 1 || c[24] != 0 {
		t.Errorf("lengths %v", c)
	}
}

func TestNarrow(t *testing.T) {
	s := SetOf(MustParsePrefix("10.0.0.0/8"), MustParsePrefix("11.0.0.0/24"), MustParsePrefix("12.0.0.1"))[IPv4]
	for bits, want := range map[uint8]int{0: 3, 8: 3, 9: 2, 24: 2, 25: 1, 32: 1} {
		if got := s.Narrow(bits); got.Len() != want || s.Len() != 3 {
			t.Errorf("%d: %d prefixes, not %d", bits, got.Len(), want)
		}
	}
}

// TestTake: a builder that takes over the memory of sets has what their union has, and what is
// spare can be filled again.
func TestTake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b, spare Builder
		var all []Sets
		for range rapid.IntRange(0, 6).Draw(t, "sets") {
			ps := append(drawPrefixes(t, IPv4, "IPv4"), drawPrefixes(t, IPv6, "IPv6")...)
			for _, p := range ps {
				spare.Add(p)
			}
			all = append(all, SetOf(ps...))
			spare = b.Take(spare.Sets())
		}
		got, want := b.Sets(), Union(all...)
		for _, f := range Families {
			if !got[f].Equal(want[f]) {
				t.Fatalf("%s: %v, want %v", f, texts(got[f]), texts(want[f]))
			}
		}
	})
}
