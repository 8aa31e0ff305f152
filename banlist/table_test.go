package banlist

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// at returns the clock at a time after the boot.
func at(up time.Duration) Clock {
	return Clock{Boot: "one", Up: up, Wall: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).Add(up)}
}

func prefix(s string) netip.Prefix { return cidr.MustParsePrefix(s).Netip() }

// text returns bans as "PREFIX REASON LEFT".
func text(bans []Ban, now Clock) string {
	var all []string
	for _, b := range bans {
		left, forever := b.left(now)
		words := fmt.Sprint(left.Round(time.Second))
		if forever {
			words = "ever"
		}
		all = append(all, strings.TrimSpace(cidr.FromNetip(b.Prefix).String()+" "+b.Reason)+" "+words)
	}
	return strings.Join(all, ", ")
}

func wantBans(t *testing.T, table *Table, now Clock, want string) {
	t.Helper()
	if got := text(table.Bans(now), now); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReasons(t *testing.T) {
	table, now := NewTable(), at(time.Hour)
	add := func(p, reason string, last time.Duration) {
		t.Helper()
		if evicted, ok := table.Add(New(prefix(p), reason, last, now)); len(evicted) > 0 || !ok {
			t.Errorf("%s: %v, %v", p, evicted, ok)
		}
	}
	add("192.0.2.7", "", 0)
	add("192.0.2.7", "fail2ban a", 10*time.Minute)
	add("192.0.2.7", "fail2ban b", 20*time.Minute)
	wantBans(t, table, now, "192.0.2.7 ever, 192.0.2.7 fail2ban a 10m0s, 192.0.2.7 fail2ban b 20m0s")
	blocked := func(now Clock, want string) {
		t.Helper()
		got := "free"
		if left, any := table.BlockedPiece(cidr.MustParsePrefix("192.0.2.7"), now, cidr.Sets{}); any {
			got = left.String()
		}
		if all := table.Blocked(now, cidr.Sets{})[0]; (len(all) == 0) != (want == "free") || len(all) == 1 && all[cidr.MustParsePrefix("192.0.2.7")].String() != want {
			t.Errorf("all that is blocked is %v", all)
		}
		if got != want {
			t.Errorf("blocked for %s, not %s", got, want)
		}
	}
	blocked(now, "0s") // for ever

	// A second ban with the same reason replaces the first.
	add("192.0.2.7", "fail2ban a", 30*time.Minute)
	if table.Len() != 3 {
		t.Errorf("%d bans", table.Len())
	}
	// The address is free when the last of its bans ends.
	for _, b := range table.Find(prefix("192.0.2.7"), "") {
		if b.Reason == "" {
			table.Remove(b)
		}
	}
	blocked(now, "30m0s")
	blocked(at(time.Hour+25*time.Minute), "5m0s")
	blocked(at(time.Hour+30*time.Minute), "free")
	if over := table.Expire(at(time.Hour + 25*time.Minute)); text(over, now) != "192.0.2.7 fail2ban b 20m0s" {
		t.Errorf("over are %s", text(over, now))
	}
	if len(table.Find(prefix("192.0.2.7"), "fail2ban b")) != 0 || len(table.Find(prefix("192.0.2.7"), "fail2ban a")) != 1 || len(table.Find(prefix("192.0.2.0/24"), "")) != 0 {
		t.Error("found is something else")
	}
	add("192.0.2.1", "fail2ban a", time.Minute)
	add("192.0.2.1", "fail2ban c", time.Minute)
	for reason, want := range map[string]string{
		"fail2ban a": "192.0.2.1 fail2ban a 1m0s, 192.0.2.7 fail2ban a 30m0s",
		"fail2ban b": "",
		"":           "192.0.2.1 fail2ban a 1m0s, 192.0.2.1 fail2ban c 1m0s, 192.0.2.7 fail2ban a 30m0s",
	} {
		if got := text(table.WithReason(reason), now); got != want {
			t.Errorf("with the reason %q: %s, not %s", reason, got, want)
		}
	}
}

// TestLater: a block without an end is the longest.
func TestLater(t *testing.T) {
	for _, test := range []struct {
		have  time.Duration
		found bool
		more  time.Duration
		want  time.Duration
	}{
		{Forever, false, time.Hour, time.Hour},
		{time.Hour, true, Forever, Forever},
		{Forever, true, time.Hour, Forever},
		{time.Hour, true, time.Minute, time.Hour},
		{time.Minute, true, time.Hour, time.Hour},
	} {
		if got := later(test.have, test.found, test.more); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

// TestUntil: the end of a ban by the wall clock stays as it was written, unless that
// clock was set.
func TestUntil(t *testing.T) {
	table, now := NewTable(), at(0)
	b := New(prefix("192.0.2.1"), "", time.Hour, now)
	table.Add(b)
	for set, want := range map[time.Duration]time.Time{
		2 * time.Second: b.Until, -2 * time.Second: b.Until, 3 * time.Second: b.Until.Add(3 * time.Second), -time.Hour: b.Until.Add(-time.Hour),
	} {
		later := now
		later.Wall = later.Wall.Add(set)
		if got := table.Bans(later)[0].Until; !got.Equal(want) {
			t.Errorf("the clock was set by %v: until %v, not %v", set, got, want)
		}
	}
}

// TestBlockedFor: bans of the network around count, and the ban that ends last.
func TestBlockedFor(t *testing.T) {
	table, now := NewTable(), at(0)
	table.Add(New(prefix("192.0.2.0/24"), "", time.Hour, now))
	table.Add(New(prefix("192.0.2.1"), "", time.Minute, now))
	table.Add(New(prefix("128.0.0.0/1"), "", time.Second, now))
	for p, want := range map[string]time.Duration{
		"192.0.2.1": time.Hour, "192.0.2.0/24": time.Hour, "192.0.2.0/23": time.Second, "128.0.0.0/1": time.Second, "9.9.9.9": -1, "2001:db8::1": -1,
	} {
		got, any := table.BlockedFor(cidr.MustParsePrefix(p), now)
		if !any {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %v, not %v", p, got, want)
		}
	}
}

// TestWidened: two attackers in one network have a ban each, and the network is free
// when the last of them ends.
func TestWidened(t *testing.T) {
	table, now := NewTable(), at(0)
	for i := range 2 {
		b := New(prefix("2001:db8::/64"), "f", time.Hour*time.Duration(i+1), now)
		b.Address = prefix(fmt.Sprintf("2001:db8::%d", i+1))
		table.Add(b)
	}
	piece := cidr.MustParsePrefix("2001:db8::/64")
	for i, want := range []time.Duration{2 * time.Hour, time.Hour} {
		if left, any := table.BlockedPiece(piece, now, cidr.Sets{}); !any || left != want {
			t.Errorf("%v, %v, not %v", left, any, want)
		}
		found := table.Find(prefix(fmt.Sprintf("2001:db8::%d", 2-i)), "f")
		if len(found) != 1 {
			t.Fatalf("found %v", found)
		}
		table.Remove(found[0])
	}
	if _, any := table.BlockedPiece(piece, now, cidr.Sets{}); any || table.Len() != 0 || len(table.byPrefix) != 0 {
		t.Error("the network is not free")
	}
}

// TestFull: a new ban evicts the one that ends soonest; bans without an end stay.
func TestFull(t *testing.T) {
	table, now := NewTable(), at(0)
	name := func(i int) netip.Prefix { return prefix(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)) }
	for i := range Most {
		last := time.Duration(Most-i) * time.Minute // the last one ends soonest
		if i < 10 {
			last = 0
		}
		table.Add(New(name(i), "", last, now))
	}
	evicted, ok := table.Add(New(prefix("192.0.2.1"), "", time.Second, now))
	if !ok || len(evicted) != 1 || evicted[0].Prefix != name(Most-1) {
		t.Fatalf("evicted %v, %v", evicted, ok)
	}
	// Now this ban itself ends soonest.
	if evicted, ok = table.Add(New(prefix("192.0.2.2"), "", 0, now)); !ok || evicted[0].Prefix != prefix("192.0.2.1") {
		t.Fatalf("evicted %v, %v", evicted, ok)
	}
	// A ban that exists already needs no room.
	if evicted, ok = table.Add(New(prefix("192.0.2.2"), "", 0, now)); !ok || len(evicted) != 0 {
		t.Fatalf("evicted %v, %v", evicted, ok)
	}
	reasons := 0
	for i := range Most {
		evicted, ok := table.Add(New(prefix(fmt.Sprintf("2001:db8::%x", i%1000)), fmt.Sprint(i), 0, now))
		reasons = max(reasons, len(table.reasons))
		if full := i >= Most-11; ok == full || (len(evicted) == 1) == full {
			t.Fatalf("ban %d without an end: %v, evicted %v", i, ok, evicted)
		}
	}
	if table.Len() != Most || len(table.Find(name(3), "")) != 1 || len(table.Find(prefix("192.0.2.2"), "")) != 1 {
		t.Error("a ban without an end was evicted")
	}
	if reasons != maxReasons {
		t.Errorf("%d reasons were kept", reasons)
	}
}

// TestPieces: exempt addresses are cut out of all bans.
func TestPieces(t *testing.T) {
	table, now := NewTable(), at(0)
	table.Add(New(prefix("192.0.2.0/30"), "wide", time.Hour, now))
	table.Add(New(prefix("192.0.2.2"), "narrow", 2*time.Hour, now))
	table.Add(New(prefix("192.0.2.1"), "exempt now", 0, now))
	for i := range 250 { // these are over
		table.Add(New(prefix(fmt.Sprintf("198.51.100.%d", i)), "", -time.Second, now))
	}
	exempt := cidr.SetOf(cidr.MustParsePrefix("192.0.2.1"))
	var got []string
	for p, left := range table.Blocked(now, exempt)[0] {
		got = append(got, p.String()+" "+left.String())
		if one, any := table.BlockedPiece(p, now, exempt); !any || one != left {
			t.Errorf("%s: %v, %v, not %v", p, one, any, left)
		}
	}
	slices.Sort(got)
	// 192.0.2.2/31 is a piece of the wide ban, and half of it is also banned by itself.
	if want := "192.0.2.0 1h0m0s, 192.0.2.2 2h0m0s, 192.0.2.2/31 1h0m0s"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if got := Pieces(cidr.MustParsePrefix("192.0.2.1"), exempt); len(got) != 0 {
		t.Errorf("of what is exempt %v is blocked", got)
	}
}

// TestStandIn: a stand-in found in the kernel is replaced by the ban that made the entry,
// but not by one that ends sooner.
func TestStandIn(t *testing.T) {
	now := at(time.Hour)
	for want, bans := range map[string][]Ban{
		"192.0.2.7 a 10m0s": {New(prefix("192.0.2.7"), Unwritten, 10*time.Minute-time.Second, now), New(prefix("192.0.2.7"), "a", 10*time.Minute, now)},
		"192.0.2.7 a 10m1s": {New(prefix("192.0.2.7"), Unwritten, 10*time.Minute+time.Second+slack, now), New(prefix("192.0.2.7"), "a", 10*time.Minute+time.Second, now)},
		"192.0.2.7 a ever":  {New(prefix("192.0.2.7"), Lost, 0, now), New(prefix("192.0.2.7"), "a", 0, now)},
		"192.0.2.7 " + Lost + " ever, 192.0.2.7 a 10m0s":  {New(prefix("192.0.2.7"), Lost, 0, now), New(prefix("192.0.2.7"), "a", 10*time.Minute, now)},
		"192.0.2.7 " + Lost + " 20m0s, 192.0.2.7 a 10m0s": {New(prefix("192.0.2.7"), Lost, 20*time.Minute, now), New(prefix("192.0.2.7"), "a", 10*time.Minute, now)},
		"192.0.2.7 a 10m0s, 192.0.2.7 b 10m0s":            {New(prefix("192.0.2.7"), "b", 10*time.Minute, now), New(prefix("192.0.2.7"), "a", 10*time.Minute, now)},
		"192.0.2.6 " + Lost + " 10m0s, 192.0.2.7 a 10m0s": {New(prefix("192.0.2.6"), Lost, 10*time.Minute, now), New(prefix("192.0.2.7"), "a", 10*time.Minute, now)},
	} {
		table := NewTable()
		var lines []byte
		for _, b := range bans {
			table.Add(b)
			lines = AppendBan(lines, b, now)
		}
		got := []string{text(table.Bans(now), now), text(Decode(lines, now).Table.Bans(now), now)}
		if got[0] != got[1] || !slices.Equal(slices.Sorted(strings.SplitSeq(got[0], ", ")), slices.Sorted(strings.SplitSeq(want, ", "))) {
			t.Errorf("got  %s\nand  %s\nwant %s", got[0], got[1], want)
		}
		if table.Gone(cidr.MustParsePrefix("192.0.2.7")) {
			t.Errorf("%s: it counts as gone", want)
		}
	}
}

// TestGone: a ban that has ended, was taken back or was evicted stays known as gone
// until the kernel no longer has it, also through the journal. One that is banned again
// is not gone.
func TestGone(t *testing.T) {
	now := Clock{Boot: "a", Up: time.Hour, Wall: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	ban := func(prefix string, last time.Duration) Ban { return New(netip.MustParsePrefix(prefix), "r", last, now) }
	gone := func(table *Table, prefix string) bool {
		return table.Gone(cidr.FromNetip(netip.MustParsePrefix(prefix)))
	}
	table := NewTable()
	for _, b := range []Ban{ban("9.9.0.0/16", time.Minute), ban("8.8.8.8/32", 0), ban("7.7.7.7/32", 0)} {
		table.Add(b)
	}
	table.Remove(ban("8.8.8.8/32", 0))
	table.Remove(ban("7.7.7.7/32", 0))
	table.Add(ban("7.7.7.7/32", 0))
	later := now
	later.Up += time.Hour
	table.Expire(later)
	read := Decode(table.Encode(later), later).Table
	for prefix, want := range map[string]bool{
		"9.9.0.0/16": true, "9.9.4.4/32": true, "9.0.0.0/8": false, "8.8.8.8/32": true, "7.7.7.7/32": false, "6.6.6.6/32": false,
	} {
		if got := gone(table, prefix); got != want {
			t.Errorf("%s gone: %v", prefix, got)
		}
		if got := gone(read, prefix); got != want {
			t.Errorf("%s gone, when read again: %v", prefix, got)
		}
	}
	if read.Len() != 1 {
		t.Errorf("%d bans are read again", read.Len())
	}
	table.Settled()
	if gone(table, "8.8.8.8/32") {
		t.Error("8.8.8.8 is gone after it was settled")
	}
}
