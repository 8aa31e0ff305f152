package cidr

import (
	"bytes"
	"testing"

	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestAllocations: reading, aggregating and subtracting allocate for a list, not for its
// entries.
func TestAllocations(t *testing.T) {
	var text bytes.Buffer
	if _, err := genfeed.Write(&text, genfeed.Default(20_000)); err != nil {
		t.Fatal(err)
	}
	read := func() Sets {
		var b Builder
		b.Grow(IPv4, text.Len()/10)
		if _, err := Read(bytes.NewReader(text.Bytes()), Policy{Widest: [2]uint8{8, 19}}, &b); err != nil {
			t.Fatal(err)
		}
		return b.Sets()
	}
	sets := read()
	far := SetOf(MustParsePrefix("192.0.2.0/24"))
	near := SetOf(sets[IPv4].At(100))
	for _, c := range []struct {
		what string
		max  float64
		each int // bytes for each entry, at most
		do   func()
	}{
		{"scan", 10, 10, func() {
			for sc := NewScanner(bytes.NewReader(text.Bytes())); sc.Scan(); {
			}
		}},
		{"read and aggregate", 40, 100, func() { read() }},
		{"subtract what is not in it", 0, 0, func() { sets.Subtract(far) }},
		{"subtract an entry", 1, 25, func() { sets.Subtract(near) }},
	} {
		if got := testing.AllocsPerRun(5, c.do); got > c.max {
			t.Errorf("%s: %v allocations for %d entries, not at most %v", c.what, got, sets.Len(), c.max)
		}
		got := testvalue.Allocated(5, c.do)
		t.Logf("%s: %d bytes for each entry", c.what, got/sets.Len())
		if got > c.each*sets.Len()+4<<10 { // others may allocate some
			t.Errorf("%s: %d bytes for %d entries, not at most %d for each", c.what, got, sets.Len(), c.each)
		}
	}
	if sets.Len() < 10_000 {
		t.Errorf("only %d entries", sets.Len())
	}
}
