package banlist

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestFleetYields: a full list takes no bans of the fleet, and makes room for others with those of the fleet,
// also where another ban ends sooner.
func TestFleetYields(t *testing.T) {
	now := at(time.Hour)
	table := NewTable()
	p := func(i int) netip.Prefix { return prefix(fmt.Sprintf("9.%d.%d.%d", i>>16, i>>8&255, i&255)) }
	for i := range Most - 2 {
		table.Add(New(p(i), "fail2ban a", time.Minute, now))
	}
	table.Add(New(prefix("8.0.0.1"), Fleet, 3*time.Hour, now))
	table.Add(New(prefix("8.0.0.2"), Fleet, 2*time.Hour, now))
	if evicted, ok := table.Add(New(prefix("8.0.0.3"), Fleet, 9*time.Hour, now)); ok || len(evicted) > 0 {
		t.Errorf("a ban of the fleet is taken: %v, %v", ok, evicted)
	}
	if evicted, ok := table.Add(New(prefix("8.0.0.2"), Fleet, time.Hour, now)); !ok || len(evicted) > 0 {
		t.Errorf("one that is there already: %v, %v", ok, evicted)
	}
	for _, want := range []string{"8.0.0.2/32", "8.0.0.1/32", p(0).String()} {
		evicted, ok := table.Add(New(prefix("7.0.0."+fmt.Sprint(table.OfFleet())), "", 0, now))
		if !ok || len(evicted) != 1 || table.OfFleet() > 0 && evicted[0].Prefix.String() != want {
			t.Errorf("%v, %v, not %s", ok, evicted, want)
		}
	}
	if n := table.OfFleet(); n != 0 || table.Len() != Most {
		t.Errorf("%d of the fleet, %d in all", n, table.Len())
	}
}

// TestFleetEnds: bans of the fleet end as others do, also after a boot, and are in the journal as any ban is.
func TestFleetEnds(t *testing.T) {
	now := at(time.Hour)
	table := NewTable()
	b := New(prefix("8.0.0.1"), Fleet, time.Hour, now).Older(30 * time.Minute)
	b.Evidence = "acme_pbx7, zeta_pbx1: fail2ban asterisk"
	table.Add(b)
	table.Add(New(prefix("8.0.0.1"), "by hand", 10*time.Minute, now))
	if b.For != 90*time.Minute || !b.At.Equal(now.Wall.Add(-30*time.Minute).Truncate(time.Second)) || b.Ends != 2*time.Hour {
		t.Errorf("%+v", b)
	}
	text := table.Encode(now)
	if n := strings.Count(string(text), `"fleet" "acme_pbx7, zeta_pbx1: fail2ban asterisk"`); n != 1 {
		t.Errorf("%s", text)
	}
	later := at(time.Hour + 30*time.Minute)
	later.Boot, later.Up = "two", time.Minute
	back := Decode(text, later).Table
	wantBans(t, back, later, "8.0.0.1 fleet 30m0s")
	got, found := back.FindFleet(prefix("8.0.0.1"))
	if !found || got.Evidence != b.Evidence || got.For != b.For || back.OfFleet() != 1 {
		t.Errorf("%v, %+v", found, got)
	}
	later.Up += 30 * time.Minute
	if over := back.Expire(later); len(over) != 1 || back.OfFleet() != 0 {
		t.Errorf("%v", over)
	}
	if _, found := back.FindFleet(prefix("8.0.0.1")); found {
		t.Error("it is still found")
	}
}
