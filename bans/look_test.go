package bans

import (
	"net/netip"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// TestBanGlance: while nothing changes, an idle agent reads neither the sets nor what is
// exempt. It sees what others change at the next quick check.
func TestBanGlance(t *testing.T) {
	testns.Enter(t)
	cfg := testvalue.Defaults(t)
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	newBook := func() *Book { return &Book{Cfg: cfg, Strangers: make(map[cidr.Prefix]time.Duration)} }
	book, name := newBook(), cfg.BanSetName(0)
	ban := func(b *Book, text string) {
		t.Helper()
		now := state.Clock()
		b.refresh(now, func() (live [2]ipsetsync.Timed) { return live })
		a := b.settle(kernel, []banRequest{{Add: []banWish{{Prefix: netip.MustParsePrefix(text), For: time.Hour}}}}, cidr.Sets{}, now)[0]
		if a.Kernel != nil || a.Unkept != nil {
			t.Fatalf("%+v", a)
		}
	}
	compare := func() {
		t.Helper()
		if _, notes, err := book.Sync(t.Context(), cfg, kernel, cidr.Sets{}, "test", time.Minute, false); err != nil || len(notes) > 0 {
			t.Fatalf("%v, %v", notes, err)
		}
	}
	glance := func(want banGlance, when string) {
		t.Helper()
		if got := book.glance(kernel); got != want {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
	}
	in := func(text string) []cidr.Prefix { return []cidr.Prefix{cidr.FromNetip(netip.MustParsePrefix(text))} }

	glance(bansChanged, "at the start")
	compare()
	glance(bansSame, "without bans")
	for _, text := range []string{"8.8.8.1/32", "8.8.8.2/32", "8.8.8.3/32", "8.8.8.4/32"} {
		ban(book, text)
	}
	glance(bansSettled, "bans by the agent")
	compare()
	glance(bansSame, "after that")
	if next := book.NextLook(kernel).Sub(book.compared); next != bansAnyway {
		t.Errorf("at rest the sets are compared every %v", next)
	}
	if err := kernel.Unban(name, in("8.8.8.4/32")); err != nil {
		t.Fatal(err)
	}
	glance(bansSettled, "one entry less") // as when a ban ends
	if next := book.NextLook(kernel).Sub(book.compared); next != lookEvery {
		t.Errorf("after bans have ended the sets are compared after %v", next)
	}
	compare()
	if err := kernel.Ban(name, []ipsetsync.Timeout{{Prefix: in("8.8.8.9/32")[0], Left: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	glance(bansChanged, "an entry that is not in the list")
	if !book.NextLook(kernel).IsZero() {
		t.Error("that waits")
	}
	compare()
	glance(bansSettled, "while that may be a ban that is about to be written down")
	ban(newBook(), "8.8.8.9/32")
	glance(bansChanged, "written down by a process")
	compare()
	glance(bansSame, "that has been read")
	if err := kernel.Unban(name, append(append(in("8.8.8.1/32"), in("8.8.8.2/32")...), in("8.8.8.3/32")...)); err != nil {
		t.Fatal(err)
	}
	glance(bansChanged, "most entries gone")
	compare()
	if err := kernel.Destroy(name); err != nil {
		t.Fatal(err)
	}
	glance(bansChanged, "the set gone")
	compare()
	glance(bansSame, "all is mended")
	if n := book.table.Len(); n != 5 {
		t.Errorf("%d bans", n)
	}
}
