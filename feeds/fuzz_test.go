package feeds

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/ipsetsync"
)

// FuzzFeedToPlan takes a feed's bytes the way that Sync takes them, from the staged file
// through the last good copy to the plan for the kernel. It checks what must be true of any
// feed: the plan has nothing exempt, nothing in special-purpose space, nothing that no line
// names, nothing wider than allowed, and no more entries than the lines and the holes can make.
func FuzzFeedToPlan(f *testing.F) {
	f.Add([]byte("# TOTAL NETBLOCK: 1\n5.5.5.5/32\n"), []byte{5, 5, 5, 5, 32})
	f.Add([]byte("0.0.0.0/1\n128.0.0.0/1\n8.0.0.0/8\n"), []byte{8, 8, 8, 8, 32, 9, 0, 0, 0, 8})
	f.Add([]byte("::ffff:5.5.5.0/120\n2a00:1::/32\n5.5.5.1-5.5.5.200\n"), []byte{5, 5, 5, 77, 32})
	f.Add([]byte("add x 10.0.0.1\n\"5.5.5.5\",x\n<html>\n2000::/19\n"), []byte{})

	store, err := fetch.OpenStore(f.TempDir() + "/state")
	if err != nil {
		f.Fatal(err)
	}
	r := &Reader{store: store, limits: config.Default().Limits, limit: func() EntryLimit { return LimitOf(config.Default().Limits) }}
	f.Fuzz(func(t *testing.T, text, protectedBytes []byte) {
		staged, err := store.Stage("list")
		if err != nil {
			t.Fatal(err)
		}
		defer staged.Discard()
		if _, err := staged.Write(text); err != nil {
			t.Fatal(err)
		}
		body, err := r.read(staged.Parts())
		if err != nil {
			t.Fatal(err)
		}
		if err := staged.Commit(body.meta(fetch.Meta{})); err != nil {
			t.Fatal(err)
		}
		copied, meta, err := r.readCopy("list")
		if err != nil || meta.Entries != body.tally.Entries || !copied.sets[cidr.IPv4].Equal(body.sets[cidr.IPv4]) || !copied.sets[cidr.IPv6].Equal(body.sets[cidr.IPv6]) {
			t.Fatalf("the copy is not what was staged: %v", err)
		}

		protected := protectedFrom(protectedBytes)
		sets := exempt.Blockable(copied.sets, protected)
		named := namedBy(text)
		for _, fam := range cidr.Families {
			plan, err := ipsetsync.NewPlan("x", fam, cidr.ShapeOf(sets[fam], 0), nil)
			if err != nil {
				t.Fatal(err)
			}
			holes := protected[fam].Len() + cidr.SpecialSpace[fam].Len()
			if most := (len(text) + 1) * 256 * (holes + 1); plan.Entries().Len() > most {
				t.Fatalf("%d entries of %d bytes", plan.Entries().Len(), len(text))
			}
			for p := range plan.Entries().All() {
				switch n := p.Netip(); {
				case protected.Overlaps(p):
					t.Fatalf("%s is in the plan and protected", p)
				case cidr.SpecialSpace.Overlaps(p):
					t.Fatalf("%s is in the plan and special", p)
				case int(p.Bits()) < map[cidr.Family]int{cidr.IPv4: r.limits.Widest, cidr.IPv6: r.limits.Widest6}[fam] && !joined(p, named):
					t.Fatalf("%s is wider than the limit", p)
				case !covered(n, named):
					t.Fatalf("%s is in the plan, and no line of %q says so", p, text)
				}
			}
		}
	})
}

// protectedFrom makes an IPv4 prefix of each five bytes.
func protectedFrom(b []byte) cidr.Sets {
	var ps []cidr.Prefix
	for ; len(b) >= 5 && len(ps) < 16; b = b[5:] {
		p, _ := cidr.FromBytes(b[:4], b[4]%33)
		ps = append(ps, p)
	}
	return cidr.SetOf(ps...)
}

// namedBy finds, without the parser, every range that any piece of the text can be read as. It
// is a loose reading, for an upper bound.
func namedBy(text []byte) [][2]netip.Addr {
	var ranges [][2]netip.Addr
	for line := range bytes.Lines(text) {
		words := strings.FieldsFunc(strings.TrimPrefix(string(line), "\xef\xbb\xbf"), func(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f,;#\"", r) })
		var ends []netip.Addr
		for _, word := range words {
			word, _, _ = strings.Cut(word, "//")
			for _, s := range append(strings.Split(word, "-"), word) {
				if a, err := netip.ParseAddr(s); err == nil {
					ranges = append(ranges, [2]netip.Addr{a.Unmap(), a.Unmap()})
					ends = append(ends, a.Unmap())
				}
				if p, err := netip.ParsePrefix(s); err == nil && !tooLong(bounds(p)) {
					ranges = append(ranges, bounds(p))
				}
			}
		}
		for _, a := range ends {
			for _, b := range ends {
				if r := [2]netip.Addr{a, b}; a.BitLen() == b.BitLen() && a.Less(b) && !tooLong(r) {
					ranges = append(ranges, r)
				}
			}
		}
	}
	slices.SortFunc(ranges, func(a, b [2]netip.Addr) int { return a[0].Compare(b[0]) })
	return ranges
}

// tooLong reports whether a range is so long that it must hold a prefix wider
// than the limits, /8 and /19: one without a /7 has less than two of their size.
func tooLong(r [2]netip.Addr) bool {
	first, last := r[0].AsSlice(), r[1].AsSlice()
	if r[0].Is4() {
		return binary.BigEndian.Uint32(last)-binary.BigEndian.Uint32(first) >= 1<<26-1
	}
	return binary.BigEndian.Uint64(last)-binary.BigEndian.Uint64(first) >= 1<<47-1
}

// bounds returns the first and last address of p, as IPv4 if p is IPv4-mapped.
func bounds(p netip.Prefix) [2]netip.Addr {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < len(last)*8; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	l, _ := netip.AddrFromSlice(last)
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return [2]netip.Addr{p.Addr().Unmap(), l.Unmap()}
	}
	return [2]netip.Addr{p.Addr(), l}
}

// covered reports whether the ranges, which are sorted, cover all of p.
func covered(p netip.Prefix, ranges [][2]netip.Addr) bool {
	b := bounds(p)
	next, last := b[0], b[1]
	for _, r := range ranges {
		if r[0].BitLen() != next.BitLen() || r[1].Less(next) {
			continue
		}
		if next.Less(r[0]) {
			return false
		}
		if !r[1].Less(last) {
			return true
		}
		next = r[1].Next()
	}
	return false
}

// joined reports whether no single range covers p: two allowed ranges may join into a prefix
// that is wider than allowed.
func joined(p cidr.Prefix, ranges [][2]netip.Addr) bool {
	b := bounds(p.Netip())
	return !slices.ContainsFunc(ranges, func(r [2]netip.Addr) bool {
		return r[0] == b[0] && r[1] == b[1]
	})
}
