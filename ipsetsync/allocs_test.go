package ipsetsync

import (
	"slices"
	"testing"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestAllocations: making the messages for the kernel, and reading its listing, allocate
// for a set, not for its entries.
func TestAllocations(t *testing.T) {
	for _, f := range cidr.Families {
		set := randomSet(f, 20_000)
		listing := listingOf(f, set)
		for _, c := range []struct {
			what string
			max  float64
			each int // bytes for each entry, at most
			do   func()
		}{
			{"encode", 20, 10, func() {
				for range (batch{name: "voip_bl", entries: set.All()}).requests() {
				}
			}},
			{"decode", float64(10 + 3*len(listing)), 30, func() { decodeAll(t, listing) }},
			{"digest", 2, 1, func() { digest(set.All()) }},
		} {
			if got := testing.AllocsPerRun(5, c.do); got > c.max {
				t.Errorf("%s, %s: %v allocations for %d entries, not at most %v", f, c.what, got, set.Len(), c.max)
			}
			got := testvalue.Allocated(5, c.do)
			t.Logf("%s, %s: %d bytes for each entry", f, c.what, got/set.Len())
			if got > c.each*set.Len()+4<<10 { // others may allocate some
				t.Errorf("%s, %s: %d bytes for %d entries, not at most %d for each", f, c.what, got, set.Len(), c.each)
			}
		}
	}
}

// listingOf returns a listing of a set, as the kernel makes it.
func listingOf(f cidr.Family, set cidr.Set) (msgs [][]byte) {
	header := func(e *encoder) { e.be32(attrElements, uint32(set.Len())) }
	for ps := range slices.Chunk(slices.Collect(set.All()), 600) {
		msgs = append(msgs, message("voip_bl", TypeHashNet, familyNumber(f), header, func(e *encoder) {
			for _, p := range ps {
				data := e.open(attrData)
				e.b = append(e.b, listed(Count{Prefix: p})...)
				e.close(data)
			}
		}))
	}
	return msgs
}

// decodeAll reads a listing.
func decodeAll(t testing.TB, msgs [][]byte) *Live {
	l := listing{entries: true}
	for _, msg := range msgs {
		if err := l.add(msg); err != nil {
			t.Fatal(err)
		}
	}
	return l.sets[0]
}
