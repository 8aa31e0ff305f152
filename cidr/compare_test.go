package cidr

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCompare compares random lists with what naive sets of single addresses say, for both
// families: lists that are alike, that lie in each other, that have nothing.
func TestCompare(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		lists := make([]Sets, 1+rng.IntN(6))
		for i := range lists {
			if i > 0 && rng.IntN(4) == 0 {
				lists[i] = lists[rng.IntN(i)]
				continue
			}
			var ps []Prefix
			for _, fam := range Families {
				octets := make([]byte, 2*rng.IntN(12))
				for j := range octets {
					octets[j] = byte(rng.IntN(256))
				}
				ps = append(ps, lastOctet(fam, octets)...)
			}
			lists[i] = SetOf(ps...)
		}
		got, want := fmt.Sprint(*Compare(lists)), fmt.Sprint(slowCompare(lists))
		if got != want {
			t.Fatalf("round %d, %v: %s, not %s", round, lists, got, want)
		}
	}
}

// slowCompare is Compare, address by address.
func slowCompare(lists []Sets) Comparison {
	c := Comparison{Own: make([]Own, len(lists)), Shared: make([][]int, len(lists))}
	for a := range lists {
		c.Shared[a] = make([]int, len(lists))
		for _, fam := range Families {
			others := [256]bool{}
			for b := range lists {
				for i, has := range bitmap(lists[b][fam].ps) {
					others[i] = others[i] || has && a != b
				}
			}
			for p := range lists[a][fam].All() {
				alone := 0
				for _, has := range minus(bitmap([]Prefix{p}), others) {
					if has {
						alone++
					}
				}
				if alone > 0 {
					c.Own[a].Prefixes++
				}
				if fam == IPv4 {
					c.Own[a].Addresses += uint64(alone)
				}
				for b := range lists {
					if a != b && slices.ContainsFunc(lists[b][fam].ps, p.Overlaps) {
						c.Shared[a][b]++
					}
				}
			}
		}
	}
	return c
}

// TestCompareWidest: the sizes of whole families, and of their halves, do not overflow.
func TestCompareWidest(t *testing.T) {
	set := func(texts ...string) Sets {
		var ps []Prefix
		for _, text := range texts {
			ps = append(ps, MustParsePrefix(text))
		}
		return SetOf(ps...)
	}
	all, half, host := set("0.0.0.0/0", "::/0"), set("0.0.0.0/1", "::/1"), set("9.9.9.9", "2001:db8::1")
	for _, test := range []struct {
		lists []Sets
		want  string
	}{
		{nil, "{[] []}"},
		{[]Sets{all}, "{[{2 4294967296}] [[0]]}"},
		{[]Sets{all, half}, "{[{2 2147483648} {0 0}] [[0 2] [2 0]]}"},
		{[]Sets{all, host}, "{[{2 4294967295} {0 0}] [[0 2] [2 0]]}"},
		{[]Sets{all, all}, "{[{0 0} {0 0}] [[0 2] [2 0]]}"},
		{[]Sets{half, set("128.0.0.0/1", "8000::/1"), host}, "{[{2 2147483647} {2 2147483648} {0 0}] [[0 0 2] [0 0 0] [2 0 0]]}"},
		{[]Sets{all, half, set("128.0.0.0/1", "8000::/1")}, "{[{0 0} {0 0} {0 0}] [[0 2 2] [2 0 0] [2 0 0]]}"},
	} {
		if got := fmt.Sprint(*Compare(test.lists)); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// TestCompareMost: as many lists as may be, each with something of its own and of the next.
func TestCompareMost(t *testing.T) {
	lists := make([]Sets, MostCompared)
	address := func(i, j int) Prefix { return MustParsePrefix(fmt.Sprintf("9.%d.%d.1", i, j)) }
	for i := range lists {
		lists[i] = SetOf(address(0, i), address(1, i), address(1, (i+1)%MostCompared), address(2, 0))
	}
	c := Compare(lists)
	for i := range lists {
		next, other := (i+1)%MostCompared, (i+7)%MostCompared
		if c.Own[i] != (Own{1, 1}) || c.Shared[i][i] != 0 || c.Shared[i][next] != 2 || c.Shared[next][i] != 2 || c.Shared[i][other] != 1 {
			t.Fatalf("list %d: %v, %v", i, c.Own[i], c.Shared[i])
		}
	}
}

// BenchmarkCompare compares 256 lists of 4,000 addresses, half of which another list has.
func BenchmarkCompare(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	lists := make([]Sets, MostCompared)
	for i := range lists {
		var build Builder
		for range 4000 {
			build.Add(newPrefix(IPv4, u128{hi: uint64(20<<24+rng.Uint32N(1<<20)) << 32}, 32))
		}
		lists[i] = build.Sets()
	}
	for b.Loop() {
		Compare(lists)
	}
}
