package ipsetsync

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
)

// cut is one own entry of a list, in pieces that may have counted something.
type cut struct {
	own    Count
	pieces []Count
}

// cuts draws disjoint entries, no two of which could be joined, and cuts each into pieces.
func cuts(t *rapid.T, f cidr.Family) (all []cut) {
	var b cidr.Builder
	for range rapid.IntRange(0, 12).Draw(t, "entries") {
		// Few different addresses, so that some are neighbours or contain one another.
		addr := make([]byte, f.Bits()/8)
		addr[0], addr[len(addr)-1] = rapid.Byte().Draw(t, "first"), rapid.Byte().Draw(t, "last")
		p, _ := cidr.FromBytes(addr, rapid.SampledFrom([]uint8{0, 1, 7, 8, f.Bits() - 9, f.Bits() - 8, f.Bits() - 1, f.Bits()}).Draw(t, "bits"))
		b.Add(p)
	}
	for own := range b.Sets()[f].All() {
		c := cut{own: Count{Prefix: own}}
		var add func(p cidr.Prefix, deep int)
		add = func(p cidr.Prefix, deep int) {
			if deep > 0 && p.Bits() < f.Bits() && rapid.Bool().Draw(t, "cut") {
				for _, half := range halves(p) {
					add(half, deep-1)
				}
				return
			}
			piece := Count{p, rapid.Uint64Range(0, 3).Draw(t, "packets"), 0}
			piece.Bytes = piece.Packets * 60
			c.own.Packets, c.own.Bytes = c.own.Packets+piece.Packets, c.own.Bytes+piece.Bytes
			c.pieces = append(c.pieces, piece)
		}
		add(own, 4)
		all = append(all, c)
	}
	return all
}

// halves are the two prefixes that are one bit longer than p.
func halves(p cidr.Prefix) (two [2]cidr.Prefix) {
	addr := p.AppendBytes(nil)
	two[0], _ = cidr.FromBytes(addr, p.Bits()+1)
	addr[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	two[1], _ = cidr.FromBytes(addr, p.Bits()+1)
	return two
}

// TestJoin: whatever pieces a list's entries are written in, and in whatever order and
// however often the kernel lists them, joining gives the list's own entries with the sums
// of the counts.
func TestJoin(t *testing.T) {
	for _, f := range cidr.Families {
		t.Run(f.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				all := cuts(t, f)
				live := &Live{Header: Header{Type: TypeHashNet, Family: f}}
				members := &Members{Header: live.Header, counts: make(map[cidr.Prefix]Count)}
				var want, pieces []cidr.Prefix
				var sums []Count
				for _, c := range all {
					want = append(want, c.own.Prefix)
					if c.own.Packets > 0 {
						sums = append(sums, c.own)
					}
					for _, p := range c.pieces {
						pieces = append(pieces, p.Prefix)
						for range rapid.IntRange(1, 2).Draw(t, "times") {
							live.Prefixes = append(live.Prefixes, p.Prefix)
							if p.Packets > 0 {
								live.Counts = append(live.Counts, p)
								members.counts[p.Prefix] = p
							}
						}
					}
				}
				members.prefixes = slices.Clone(live.Prefixes)
				cidr.Sort(members.prefixes)
				members.noteLengths()
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
				r.Shuffle(len(live.Prefixes), func(i, j int) {
					live.Prefixes[i], live.Prefixes[j] = live.Prefixes[j], live.Prefixes[i]
				})
				r.Shuffle(len(live.Counts), func(i, j int) { live.Counts[i], live.Counts[j] = live.Counts[j], live.Counts[i] })
				live.sort()
				live.Join()
				if !slices.Equal(live.Prefixes, want) || !slices.Equal(live.Counts, sums) {
					t.Fatalf("%v\njoined are %v %v,\nnot %v %v", pieces, live.Prefixes, live.Counts, want, sums)
				}
				members.Join()
				for _, c := range all {
					if got := members.Look(c.own.Prefix); got.Share != AllOf || got.Entry != c.own.Prefix || got.Count.Packets != c.own.Packets || got.Count.Bytes != c.own.Bytes {
						t.Fatalf("%v: %s is %+v, not %+v", pieces, c.own.Prefix, got, c.own)
					}
					for _, p := range c.pieces {
						if got := members.Look(p.Prefix); got.Share != AllOf || got.Entry != c.own.Prefix {
							t.Fatalf("%s is %+v, not in %s", p.Prefix, got, c.own.Prefix)
						}
						first, _ := cidr.FromBytes(p.Prefix.AppendBytes(nil), f.Bits())
						for _, q := range []cidr.Prefix{p.Prefix, first} {
							if got, ok := members.Piece(q); !ok || got != p.Prefix {
								t.Fatalf("%s is in piece %s, %v, not %s", q, got, ok, p.Prefix)
							}
						}
					}
					if _, ok := members.Piece(c.own.Prefix); ok != (len(c.pieces) == 1) {
						t.Fatalf("%s is in %d pieces, and in one: %v", c.own.Prefix, len(c.pieces), ok)
					}
				}
			})
		})
	}
}

// pieces is a set of the lists with 64 × n pieces, of which each has counted, in the order in
// which Dump returns them.
func pieces(n int) *Live {
	var own []cidr.Prefix
	for i := range n { // no two are neighbours
		p, _ := cidr.FromBytes([]byte{byte(20 + i>>14), byte(i >> 6), byte(i << 2), 0}, 24)
		own = append(own, p)
	}
	live := &Live{Header: Header{Type: TypeHashNet}}
	for p := range cidr.ShapeOf(cidr.SetOf(append(own, cidr.MustParsePrefix("9.9.9.0/30"))...)[cidr.IPv4], 1<<30).All() {
		live.Prefixes = append(live.Prefixes, p)
		live.Counts = append(live.Counts, Count{p, 1, 60})
	}
	return live
}

// TestJoinTakesNoMemory: top joins a set every two seconds.
func TestJoinTakesNoMemory(t *testing.T) {
	live := pieces(1000)
	work := &Live{Header: live.Header, Prefixes: slices.Clone(live.Prefixes), Counts: slices.Clone(live.Counts)}
	n := testing.AllocsPerRun(1, func() {
		work.Prefixes, work.Counts = append(work.Prefixes[:0], live.Prefixes...), append(work.Counts[:0], live.Counts...)
		work.Join()
	})
	if n > 0 || len(live.Prefixes) != 64_001 || len(work.Prefixes) != 1001 || len(work.Counts) != 1001 {
		t.Errorf("%d pieces became %d, with %d counts and %v allocations", len(live.Prefixes), len(work.Prefixes), len(work.Counts), n)
	}
}

// BenchmarkJoin joins as many pieces as VoIPBL's list has.
func BenchmarkJoin(b *testing.B) {
	live := pieces(1200)
	work := &Live{Header: live.Header}
	b.ReportAllocs()
	for b.Loop() {
		work.Prefixes, work.Counts = append(work.Prefixes[:0], live.Prefixes...), append(work.Counts[:0], live.Counts...)
		work.Join()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(live.Prefixes)), "ns/piece")
}

// TestJoinShaped: a set gives the same answers whatever shape it is written in.
func TestJoinShaped(t *testing.T) {
	for _, f := range cidr.Families {
		t.Run(f.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var own cidr.Builder
				for _, c := range cuts(t, f) {
					own.Add(c.own.Prefix)
				}
				set := own.Sets()[f]
				membersOf := func(extra int) *Members {
					m := &Members{Header: Header{Type: TypeHashNet, Family: f}, prefixes: slices.Collect(cidr.ShapeOf(set, extra).All())}
					m.noteLengths()
					m.Join()
					return m
				}
				whole, shaped := membersOf(0), membersOf(rapid.IntRange(0, 5000).Draw(t, "extra"))
				if !reflect.DeepEqual(shaped.lengths, whole.lengths) {
					t.Fatalf("the lengths are %v, not %v", shaped.lengths, whole.lengths)
				}
				queries := slices.Collect(set.All())
				for _, c := range cuts(t, f) {
					queries = append(queries, c.own.Prefix)
				}
				for _, q := range queries {
					for bits := max(int(q.Bits())-2, 0); bits <= min(int(q.Bits())+2, int(f.Bits())); bits++ {
						q, _ := cidr.FromBytes(q.AppendBytes(nil), uint8(bits))
						if got, want := shaped.Look(q), whole.Look(q); !reflect.DeepEqual(got, want) {
							t.Fatalf("%s is %+v, not %+v", q, got, want)
						}
					}
				}
			})
		})
	}
}

// TestJoinLeaves: nothing is joined in sets that have more than addresses to block.
func TestJoinLeaves(t *testing.T) {
	for name, change := range map[string]func(*Live, *Members){
		"other type": func(l *Live, m *Members) { l.Type, m.Type = "hash:net,port", "hash:net,port" },
		"exceptions": func(l *Live, m *Members) {
			l.NoMatch, m.except = 1, map[cidr.Prefix]bool{cidr.MustParsePrefix("5.5.5.9"): true}
		},
	} {
		live := liveOf("5.5.4.0/24", "5.5.5.0/24")
		members := &Members{Header: live.Header, prefixes: slices.Clone(live.Prefixes)}
		change(live, members)
		members.noteLengths()
		members.Join()
		if live.Join() || len(live.Prefixes) != 2 {
			t.Errorf("%s: %v", name, live.Prefixes)
		}
		if got := members.Look(cidr.MustParsePrefix("5.5.5.1")).Entry.String(); got != "5.5.5.0/24" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestJoinKernel joins what the kernel lists of a set in pieces.
func TestJoinKernel(t *testing.T) {
	k := openKernel(t)
	ipset(t, `create voip_bl hash:net counters
add voip_bl 5.5.4.0/24 packets 3 bytes 180
add voip_bl 5.5.5.0/24 packets 4 bytes 240
add voip_bl 7.7.7.7
add voip_bl 7.7.7.9 packets 1 bytes 60
create six hash:net family inet6 counters
add six 2a00:1::/33 packets 1 bytes 60
add six 2a00:1:8000::/33
`, "restore")
	for set, want := range map[string]string{
		"voip_bl": "5.5.4.0/23 7.7.7.7 7.7.7.9 | 5.5.4.0/23 7 420, 7.7.7.9 1 60",
		"six":     "2a00:1::/32 | 2a00:1::/32 1 60",
	} {
		live, err := k.Dump(set)
		if err != nil {
			t.Fatal(err)
		}
		elements := live.Elements
		live.Join()
		var prefixes, counts []string
		for _, p := range live.Prefixes {
			prefixes = append(prefixes, p.String())
		}
		for _, c := range live.Counts {
			counts = append(counts, fmt.Sprintf("%s %d %d", c.Prefix, c.Packets, c.Bytes))
		}
		if got := strings.Join(prefixes, " ") + " | " + strings.Join(counts, ", "); got != want || live.Elements != elements {
			t.Errorf("%s: %s, %d elements", set, got, live.Elements)
		}
	}
}
