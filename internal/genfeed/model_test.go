package genfeed

import (
	"math"
	"net/netip"
	"strings"
	"testing"
)

// prefixes returns the entries of a clean list, in order.
func prefixes(t *testing.T, list string) []netip.Prefix {
	t.Helper()
	var ps []netip.Prefix
	for line := range strings.Lines(list) {
		if line[0] != '#' {
			ps = append(ps, netip.MustParsePrefix(strings.TrimSuffix(line, "\n")))
		}
	}
	return ps
}

// TestClusters: with any seed, a list as long as the one of 2019 aggregates like that
// one.
func TestClusters(t *testing.T) {
	for seed := range uint64(4) {
		s := Default(77_068)
		s.Seed = seed
		list, _ := write(t, s)
		all := prefixes(t, list)
		subnets := map[int]map[netip.Prefix]int{16: {}, 24: {}}
		for _, p := range all {
			for bits, groups := range subnets {
				groups[netip.PrefixFrom(p.Addr(), bits).Masked()]++
			}
		}
		single := 0
		for _, n := range subnets[24] {
			if n == 1 {
				single++
			}
		}
		zero := 0
		for _, p := range all {
			if p.Addr().As4()[3] == 0 {
				zero++
			}
		}
		merged := merge(all)
		lengths := map[int]int{}
		for _, p := range merged {
			lengths[p.Bits()]++
		}
		n, m := float64(len(all)), float64(len(merged))
		for _, x := range []struct {
			what           string
			got, low, high float64
		}{
			// Between low and high are the values of the lists of 2016 and 2019, or
			// nearly.
			{"merged : addresses", m / n, 0.925, 0.952},
			{"/32 in the merged list", float64(lengths[32]) / m, 0.940, 0.953},
			{"/31 in the merged list", float64(lengths[31]) / m, 0.044, 0.051},
			{"/30 in the merged list", float64(lengths[30]) / m, 0.0045, 0.0065},
			{"/29 in the merged list", float64(lengths[29]) / m, 0.0002, 0.0008},
			{"lengths in the merged list", float64(len(lengths)), 6, 9},
			{"/24s : addresses", float64(len(subnets[24])) / n, 0.35, 0.48},
			{"/16s : addresses", float64(len(subnets[16])) / n, 0.10, 0.135},
			{"/24s with one address", float64(single) / float64(len(subnets[24])), 0.55, 0.80},
			{"addresses in .0", float64(zero) / n, 0.07, 0.09},
		} {
			if x.got < x.low || x.got > x.high {
				t.Errorf("seed %d: %s: %.4f, want %v to %v", seed, x.what, x.got, x.low, x.high)
			}
		}
	}
}

// merge aggregates sorted prefixes: it drops a prefix inside the previous one, and joins
// siblings.
func merge(sorted []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range sorted {
		if len(out) > 0 && out[len(out)-1].Overlaps(p) {
			continue
		}
		out = append(out, p)
		for len(out) > 1 {
			a, b := out[len(out)-2], out[len(out)-1]
			parent := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
			if a.Bits() != b.Bits() || a == b || parent != netip.PrefixFrom(b.Addr(), b.Bits()-1).Masked() {
				break
			}
			out = append(out[:len(out)-2], parent)
		}
	}
	return out
}

func TestSharesAreExact(t *testing.T) {
	for _, family := range []int{4, 6} {
		s := Default(50_000)
		s.Family = family
		list, truth := write(t, s)
		if truth.Bogons != 65 || truth.Entries != 50_000 || truth.Duplicates+truth.Wide+truth.Rejects != 0 {
			t.Errorf("family %d: %+v", family, truth)
		}
		ps, lengths := prefixes(t, list), map[int]int{}
		for i, p := range ps {
			lengths[p.Bits()]++
			if p != p.Masked() {
				t.Fatalf("family %d: %v has host bits", family, p)
			}
			if i > 0 && ps[i-1].Compare(p) >= 0 {
				t.Fatalf("family %d: %v after %v: not sorted, or not distinct", family, p, ps[i-1])
			}
		}
		for _, l := range DefaultLengths(family) {
			// Bogons are host addresses, so a few of the shares may fall to them.
			if want := l.Share * 50_000; math.Abs(float64(lengths[l.Bits])-want) > 1+want/100 {
				t.Errorf("family %d: %d of length %d, want %.0f", family, lengths[l.Bits], l.Bits, want)
			}
		}
	}
}

func TestOwnLengths(t *testing.T) {
	s := Default(2000)
	s.Bogons, s.Lengths = 0, []Length{{24, 0.1}, {16, 0.05}, {8, 0.005}}
	list, truth := write(t, s)
	lengths := map[int]int{}
	for _, p := range prefixes(t, list) {
		lengths[p.Bits()]++
	}
	if lengths[24] != 200 || lengths[16] != 100 || lengths[8] != 10 || truth.Bogons != 0 {
		t.Errorf("lengths %v, %+v", lengths, truth)
	}
}

// TestSpread: public addresses are spread over all of the public space.
func TestSpread(t *testing.T) {
	list, _ := write(t, Default(DefaultLines))
	top := map[byte]int{}
	for _, p := range prefixes(t, list) {
		top[p.Addr().As4()[0]]++
	}
	for octet, n := range top {
		if n > DefaultLines/10 {
			t.Errorf("%d of the addresses are in %d.0.0.0/8", n, octet)
		}
	}
	if len(top) < 200 {
		t.Errorf("addresses in %d of the /8s", len(top))
	}
}
