package bans

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// TestOverLeavesJournal: the next sync takes ended bans out of a journal that processes have
// written without an agent. Otherwise it would grow for ever.
func TestOverLeavesJournal(t *testing.T) {
	testns.Enter(t)
	cfg := testvalue.Defaults(t)
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := state.Clock()
	var lines []byte
	for i := range 3 * compactAt {
		p := netip.MustParsePrefix(fmt.Sprintf("99.0.%d.%d/32", i>>8, i&255))
		lines = banlist.AppendBan(lines, banlist.New(p, "a test", time.Millisecond, now), now)
	}
	if _, err := store.AppendJournal(File, lines); err != nil {
		t.Fatal(err)
	}
	for now.Up+time.Millisecond >= state.Clock().Up { // until the last is over
	}
	for range 2 {
		if _, notes, err := (&Book{Cfg: cfg}).Sync(t.Context(), cfg, kernel, cidr.Sets{}, "test", time.Minute, false); err != nil || len(notes) > 0 {
			t.Fatalf("%v, %v", notes, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(cfg.StateDir, fetch.JournalName(File)))
	if n := bytes.Count(text, []byte{'\n'}); err != nil || n > compactAt {
		t.Errorf("%d lines, %v", n, err)
	}
}

// TestAppendOnly: a ban is written down without reading the list, as long as the list cannot
// be full.
func TestAppendOnly(t *testing.T) {
	cfg := testvalue.Defaults(t)
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := state.Clock()
	var lines []byte
	for i := range banlist.Most - 1 {
		p := netip.MustParsePrefix(fmt.Sprintf("99.0.%d.%d/32", i>>8, i&255))
		lines = banlist.AppendBan(lines, banlist.New(p, "fail2ban voipbl-asterisk", time.Hour, now), now)
	}
	if _, err := store.AppendJournal(File, lines); err != nil {
		t.Fatal(err)
	}
	if len(lines) <= smallJournal {
		t.Fatalf("%d bytes are a small journal", len(lines))
	}
	for i, fits := range []bool{true, false} {
		p := netip.MustParsePrefix(fmt.Sprintf("8.8.8.%d/32", i))
		request := banRequest{Add: []banWish{{Prefix: p, For: time.Hour}}}
		a := (&Book{Cfg: cfg}).appendOnly(request, []cidr.Prefix{cidr.FromNetip(p)}, cidr.Sets{}, now)
		if got := a != nil; got != fits {
			t.Errorf("number %d is appended: %v", banlist.Most+i, got)
		}
	}
}
