package ipsetsync

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
)

// TestPlanOfAShape: what is added and removed are the lists' own entries, whatever pieces the
// live set has.
func TestPlanOfAShape(t *testing.T) {
	mixed, changed := setOf("192.0.2.0/30", "203.0.113.1"), setOf("192.0.2.0/30", "203.0.113.9")
	whole, pieces := []string{"192.0.2.0/30", "203.0.113.1"}, []string{"192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3", "203.0.113.1"}
	for _, test := range []struct {
		name                 string
		desired              cidr.Shape
		live                 []string
		added, removed, kept int
		why                  string
		reshaped, unchanged  bool
		before, after        Held
	}{
		{"the same whole", cidr.ShapeOf(mixed, 0), whole, 0, 0, 2, "", false, true, Held{2, 2, []int{30, 32}}, Held{2, 2, []int{30, 32}}},
		{"the same pieces", cidr.ShapeOf(mixed, 9), pieces, 0, 0, 2, "", false, true, Held{2, 5, []int{32}}, Held{2, 5, []int{32}}},
		{"a piece listed twice", cidr.ShapeOf(mixed, 9), append(pieces, "192.0.2.1"), 0, 0, 2, "", false, true, Held{2, 6, []int{32}}, Held{2, 5, []int{32}}},
		{"whole to pieces", cidr.ShapeOf(mixed, 9), whole, 0, 0, 2, "2 prefix lengths become 1", true, false, Held{2, 2, []int{30, 32}}, Held{2, 5, []int{32}}},
		{"pieces to whole", cidr.ShapeOf(mixed, 0), pieces, 0, 0, 2, "1 prefix length becomes 2", true, false, Held{2, 5, []int{32}}, Held{2, 2, []int{30, 32}}},
		{"other pieces", cidr.ShapeOf(mixed, 9), append(pieces[1:], "192.0.2.0/31"), 0, 0, 2, "2 prefix lengths become 1", true, false, Held{2, 5, []int{31, 32}}, Held{2, 5, []int{32}}},
		{"other pieces by as many lengths", cidr.ShapeOf(mixed, 0), []string{"192.0.2.0/31", "192.0.2.2/31", "203.0.113.1"}, 0, 0, 2, "the same entries in other pieces", true, false, Held{2, 3, []int{31, 32}}, Held{2, 2, []int{30, 32}}},
		{"other entries in pieces", cidr.ShapeOf(changed, 9), pieces, 1, 1, 1, "", false, false, Held{2, 5, []int{32}}, Held{2, 5, []int{32}}},
		{"a piece is gone", cidr.ShapeOf(mixed, 9), pieces[1:], 1, 2, 1, "", false, false, Held{3, 4, []int{32}}, Held{2, 5, []int{32}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := NewPlan("voip_bl", cidr.IPv4, test.desired, liveOf(test.live...))
			if err != nil {
				t.Fatal(err)
			}
			if p.Added != test.added || p.Removed != test.removed || p.Kept != test.kept {
				t.Errorf("added %d, removed %d, kept %d", p.Added, p.Removed, p.Kept)
			}
			if p.Why != test.why || p.Reshaped != test.reshaped || p.Unchanged() != test.unchanged {
				t.Errorf("why %q, reshaped %v, unchanged %v", p.Why, p.Reshaped, p.Unchanged())
			}
			if fmt.Sprint(p.Before, p.After) != fmt.Sprint(test.before, test.after) {
				t.Errorf("from %v to %v", p.Before, p.After)
			}
			if n := p.entries.Len(); !p.Unchanged() && (p.Build[1].Entries != n || p.Build[2].Entries != n) {
				t.Errorf("%v for %d pieces", p.Build, n)
			}
		})
	}
}

// TestCountsKeepTheirSums: however the pieces of entries change, the sum of the counts of
// each entry stays the same.
func TestCountsKeepTheirSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(cidr.Families[:]).Draw(t, "family")
		entry := rapid.Custom(func(t *rapid.T) cidr.Prefix { return drawEntry(t, f) })
		set := cidr.SetOf(rapid.SliceOfN(entry, 1, 20).Draw(t, "entries")...)[f]
		extra := rapid.IntRange(0, 1000)
		from, to := cidr.ShapeOf(set, extra.Draw(t, "extra before")), cidr.ShapeOf(set, extra.Draw(t, "extra after"))
		live := &Live{Header: Header{Name: "voip_bl", Type: TypeHashNet, Family: f, Maxelem: maxelemDefault, Counters: true}}
		sums := make([]Count, set.Len())
		for p := range from.All() {
			live.Prefixes = append(live.Prefixes, p)
			if n := rapid.Uint64Range(0, 3).Draw(t, "packets"); n > 0 {
				live.Counts = append(live.Counts, Count{p, n, 100 * n})
				i, _ := set.Index(p)
				sums[i].Packets += n
				sums[i].Bytes += 100 * n
			}
		}
		same := slices.Equal(live.Prefixes, slices.Collect(to.All()))
		p, err := NewPlan("voip_bl", f, to, live)
		if err != nil {
			t.Fatal(err)
		}
		if p.Unchanged() != same || p.Added+p.Removed+p.Lacked+p.Strange > 0 || p.Kept != set.Len() {
			t.Fatalf("from %v to %v: %+v", slices.Collect(from.All()), slices.Collect(to.All()), p)
		}
		if same {
			return
		}
		// Each count has to stand where the encoder comes to it, in the order of the pieces.
		counts := p.counts
		for piece := range to.All() {
			if len(counts) > 0 && counts[0].Prefix == piece {
				i, _ := set.Index(piece)
				sums[i].Packets -= counts[0].Packets
				sums[i].Bytes -= counts[0].Bytes
				counts = counts[1:]
			}
		}
		if len(counts) > 0 || slices.ContainsFunc(sums, func(c Count) bool { return c != Count{} }) {
			t.Fatalf("left over: %v and %v", counts, sums)
		}
	})
}

// TestShapeKeepsMaxelem: pieces do not make a set larger than it is made for its entries.
func TestShapeKeepsMaxelem(t *testing.T) {
	set := setOf("10.0.0.0/12", "192.0.2.1") // 2^20 addresses and one more
	if s := cidr.ShapeOf(set, 1<<20); s.Len() != 1<<20+1 {
		t.Fatalf("%d pieces", s.Len())
	}
	if s := ShapeOf(set, 1<<20); s.Len() != s.Set().Len() || maxelem(s.Len()) != maxelemDefault {
		t.Errorf("%d pieces, maxelem %d", s.Len(), maxelem(s.Len()))
	}
	set = setOf("10.0.0.0/12")
	if s := ShapeOf(set, 1<<30); s.Len() != 1 {
		t.Errorf("%d pieces of one entry", s.Len())
	}
	set = setOf("10.0.0.0/13", "192.0.2.1")
	if s := ShapeOf(set, 1<<30); s.Len() != 1<<19+1 {
		t.Errorf("%d pieces", s.Len())
	}
}

// TestShapedSetMatchesTheSame swaps a set from whole entries to pieces and back. The kernel
// matches the same addresses each time.
func TestShapedSetMatchesTheSame(t *testing.T) {
	for _, f := range cidr.Families {
		t.Run(f.String(), func(t *testing.T) {
			k := openKernel(t)
			r := rand.New(rand.NewPCG(1, uint64(f)))
			set := randomSet(f, 2_000)
			probes := probesOf(r, set)
			for _, test := range []struct {
				extra int
				why   string
			}{{0, ""}, {20_000, "prefix lengths become"}, {0, "become"}} {
				shape := ShapeOf(set, test.extra)
				if (shape.Len() > set.Len()) != (test.extra > 0) {
					t.Fatalf("%d pieces of %d entries", shape.Len(), set.Len())
				}
				p := applyShape(t, k, "voip_bl", f, shape)
				if !strings.Contains(p.Why, test.why) || p.Reshaped != (test.why != "") {
					t.Errorf("why %q", p.Why)
				}
				live, err := k.Dump("voip_bl")
				if err != nil {
					t.Fatal(err)
				}
				if int(live.Elements) != shape.Len() || !slices.Equal(live.Prefixes, slices.Collect(shape.All())) {
					t.Errorf("the kernel has %d entries, not the %d pieces", live.Elements, shape.Len())
				}
				if c, err := k.Content("voip_bl"); err != nil || c.Digest != Digest(shape) || c.Digest != p.Digest {
					t.Errorf("digest %x and %x, not %x", c.Digest, p.Digest, Digest(shape))
				}
				for i, in := range matched(t, "voip_bl", probes) {
					if in != set.Contains(probes[i]) {
						t.Errorf("extra %d: %s is in the set: %v", test.extra, probes[i], in)
					}
				}
				if p := applyShape(t, k, "voip_bl", f, shape); !p.Unchanged() {
					t.Errorf("a second run plans %v", p.Steps())
				}
				if names := strings.Fields(ipset(t, "", "list", "-name")); !slices.Equal(names, []string{"voip_bl"}) {
					t.Errorf("sets left: %v", names)
				}
			}
		})
	}
}

// probesOf returns addresses at both ends of entries of a set, before, inside and after
// them, and anywhere.
func probesOf(r *rand.Rand, set cidr.Set) []cidr.Prefix {
	var probes []cidr.Prefix
	for range 200 {
		p := set.At(r.IntN(set.Len()))
		first := p.Netip().Addr()
		inside, anywhere := first.AsSlice(), first.AsSlice()
		for i := range inside {
			random := byte(r.IntN(256))
			anywhere[i] = random
			switch keep := int(p.Bits()) - 8*i; {
			case keep <= 0:
				inside[i] = random
			case keep < 8:
				inside[i] |= random >> keep
			}
		}
		last := first.AsSlice()
		for bit := int(p.Bits()); bit < 8*len(last); bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		for _, addr := range [][]byte{first.AsSlice(), first.Prev().AsSlice(), inside, last, anywhere} {
			if q, ok := cidr.FromBytes(addr, set.At(0).Family().Bits()); ok {
				probes = append(probes, q)
			}
		}
		if q, ok := cidr.FromBytes(last, p.Family().Bits()); ok {
			if after := q.Netip().Addr().Next(); after.IsValid() {
				probes = append(probes, cidr.MustParsePrefix(after.String()))
			}
		}
	}
	return probes
}

// matched asks the kernel which addresses are in a set.
func matched(t *testing.T, name string, addrs []cidr.Prefix) []bool {
	t.Helper()
	var commands strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&commands, "test %s %s\n", name, a)
	}
	var answers bytes.Buffer
	cmd := exec.Command("ipset", "-")
	cmd.Stdin, cmd.Stderr = strings.NewReader(commands.String()), &answers
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, answers.String())
	}
	var in []bool
	for line := range strings.Lines(answers.String()) {
		in = append(in, strings.Contains(line, " is in set "))
		if in[len(in)-1] == strings.Contains(line, " is NOT in set ") {
			t.Fatalf("answer %q", line)
		}
	}
	if len(in) != len(addrs) {
		t.Fatalf("%d answers to %d questions", len(in), len(addrs))
	}
	return in
}

// TestFreeFromPieces: an address is taken out of a set in pieces, and nothing else.
func TestFreeFromPieces(t *testing.T) {
	k := openKernel(t)
	set := setOf("198.51.0.0/22", "203.0.113.0/24", "192.0.2.0/28", "192.0.2.99")
	apply := func(extra int) { applyShape(t, k, "voip_bl", cidr.IPv4, ShapeOf(set, extra)) }
	free := cidr.SetOf(cidr.MustParsePrefix("198.51.1.7"), cidr.MustParsePrefix("203.0.113.128/25"), cidr.MustParsePrefix("8.8.8.8"))
	want := cidr.Sets{set}.Subtract(free)[cidr.IPv4]
	for _, extra := range []int{0, 20, 500, 2000} {
		apply(extra)
		if err := k.Free("voip_bl", cidr.IPv4, free[cidr.IPv4]); err != nil {
			t.Fatal(err)
		}
		live, err := k.Dump("voip_bl")
		if err != nil {
			t.Fatal(err)
		}
		if live.Join(); !slices.Equal(live.Prefixes, slices.Collect(want.All())) {
			t.Errorf("extra %d: left is %v", extra, live.Prefixes)
		}
		apply(0)
	}
}
