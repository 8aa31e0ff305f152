package ipsetsync

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
)

// drawEntry draws from a part of the address space that is so small that entries
// overlap.
func drawEntry(t *rapid.T, f cidr.Family) cidr.Prefix {
	addr := []byte{10, 0, 0, 0}
	if f == cidr.IPv6 {
		addr = []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	}
	low := rapid.Uint16().Draw(t, "address")
	addr[len(addr)-2], addr[len(addr)-1] = byte(low>>8), byte(low)
	p, _ := cidr.FromBytes(addr, f.Bits()-rapid.Uint8Range(0, 6).Draw(t, "host bits"))
	return p
}

func TestDigest(t *testing.T) {
	if got := Digest(cidr.Shape{}); got != 0 {
		t.Errorf("an empty set has %x", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(cidr.Families[:]).Draw(t, "family")
		entry := rapid.Custom(func(t *rapid.T) cidr.Prefix { return drawEntry(t, f) })
		entries := rapid.SliceOfN(entry, 0, 60).Draw(t, "entries")
		set := cidr.SetOf(entries...)[f]
		digest := Digest(cidr.ShapeOf(set, 0))

		// The kernel lists a set in the order of its hash table.
		var listed []cidr.Prefix
		for p := range set.All() {
			listed = append(listed, p)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		r.Shuffle(len(listed), func(i, j int) { listed[i], listed[j] = listed[j], listed[i] })
		sum := uint64(0)
		for _, p := range listed {
			sum += p.Hash()
		}
		if sum != digest {
			t.Fatalf("%x in one order and %x in another", digest, sum)
		}

		// differ checks that the digest differs exactly if the sets differ.
		differ := func(change string, changed []cidr.Prefix) {
			other := cidr.SetOf(changed...)[f]
			if same := other.Equal(set); same != (Digest(cidr.ShapeOf(other, 0)) == digest) {
				t.Fatalf("%s: the sets are the same: %v, and their digests %x and %x", change, same, digest, Digest(cidr.ShapeOf(other, 0)))
			}
		}
		p := entry.Draw(t, "another")
		differ("added "+p.String(), append(slices.Clone(listed), p))
		for i, q := range listed {
			rest := slices.Delete(slices.Clone(listed), i, i+1)
			differ("removed "+q.String(), rest)
			differ("exchanged "+q.String()+" for "+p.String(), append(rest, p))
		}
	})
}

// TestDigestOfAnExchange: the digest changes if a network is replaced by a longer or
// shorter one next to it, though the number of entries stays the same.
func TestDigestOfAnExchange(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"192.0.2.0/24", "192.0.2.0/25"},
		{"192.0.2.0/24", "192.0.3.0/25"},
		{"2001:db8::/64", "2001:db8::/65"},
		{"2001:db8:0:3::/64", "2001:db8:0:2::/65"},
		{"2001:db8::", "2001:db8:0:1::/127"},
		{"2001:db8:0:ff::/127", "2001:db8::"},
	} {
		if a, b := Digest(cidr.ShapeOf(setOf(c.a, "8.8.8.8"), 0)), Digest(cidr.ShapeOf(setOf(c.b, "8.8.8.8"), 0)); a == b {
			t.Errorf("%s and %s have the digest %x", c.a, c.b, a)
		}
	}
}
