package rules

import "testing"

// TestDropped: while the drop moves to the other table, or is in both after a kill, what it has
// counted counts once.
func TestDropped(t *testing.T) {
	ours := func(table string, packets uint64) DropStatus {
		return DropStatus{Set: "voip_bl", Backend: "nft", Table: table, Ours: true, Packets: packets, Bytes: 40 * packets}
	}
	theirs, other := ours("filter", 5), ours("raw", 9)
	theirs.Ours, other.Set = false, "voip_ban"
	for _, c := range []struct {
		name string
		is   []DropStatus
		want uint64
	}{
		{"nothing", nil, 0},
		{"in INPUT", []DropStatus{ours("filter", 7)}, 7},
		{"moving to raw", []DropStatus{ours("raw", 8), ours("filter", 7)}, 8},
		{"moving to INPUT", []DropStatus{ours("raw", 7), ours("filter", 7)}, 7},
		{"moving, where counters cannot be set", []DropStatus{ours("raw", 1), ours("filter", 7)}, 7},
		{"and another program's", []DropStatus{ours("raw", 7), theirs, other}, 12},
	} {
		s := Status{Drops: c.is}
		if packets, bytes := s.Dropped("voip_bl"); packets != c.want || bytes != 40*c.want {
			t.Errorf("%s: %d packets, %d bytes", c.name, packets, bytes)
		}
	}
}
