package bans

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/state"
)

// TestVeto: whom an admin unbans, the fleet does not ban for a day, also after a restart. A ban by hand ends that;
// what programs do is no veto.
func TestVeto(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.add(otherBan("45.1.2.3"), otherBan("45.1.2.4"), otherBan("45.1.2.5"), otherBan("2a00:9::"))
	a := h.unban("45.1.2.3/32", "2a00:9::7/128", "45.1.2.9/32")
	if len(a.Changed) != 2 || len(a.Absent) != 1 || len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "for 24 hours the fleet does not ban these 3 addresses here") {
		t.Errorf("%+v", a)
	}
	h.wants("unbanned", "45.1.2.4 45.1.2.5", "")
	again := func(want string) {
		t.Helper()
		h.wantRefused(h.add(otherBan("45.1.2.3"), otherBan("2a00:9::"), otherBan("45.1.2.9"), otherBan("45.1.2.4")), want)
	}
	again("45.1.2.3 veto, 2a00:9:: veto, 45.1.2.9 veto")
	h.restart()
	again("45.1.2.3 veto, 2a00:9:: veto, 45.1.2.9 veto")

	program := banRequest{Remove: &banRemoval{Prefixes: []netip.Prefix{netip.MustParsePrefix("45.1.2.5/32")}, Reason: "fail2ban a"}}
	answers, err := h.server.answers(t.Context(), []banAsk{{request: program}})
	if err != nil || len(answers[0].Notes) > 0 {
		t.Errorf("%v, %+v", err, answers)
	}
	h.wantRefused(h.add(otherBan("45.1.2.5")), "")

	h.ban("45.1.2.3/32", "", time.Hour)
	h.ban("2a00:9::/64", "", time.Hour)
	again("45.1.2.9 veto")
}

// TestVetoAll: "unban --all" is a veto against all that the fleet has banned.
func TestVetoAll(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.ban("45.1.2.9/32", "", time.Hour)
	h.add(otherBan("45.1.2.3"), otherBan("45.1.2.4"))
	if a := h.unban(); len(a.Changed) != 3 || len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "these 2 addresses") {
		t.Errorf("%+v", a)
	}
	h.wantRefused(h.add(otherBan("45.1.2.3"), otherBan("45.1.2.4"), otherBan("45.1.2.9")), "45.1.2.3 veto, 45.1.2.4 veto")
	h.wants("unbanned", "45.1.2.9", "")
}

// TestVetoAtOnce: a veto holds for what the fleet asks for after it, also if the agent carries out both together. Only the
// admin reads of it.
func TestVetoAtOnce(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.add(otherBan("45.1.2.3"))
	longer := otherBan("45.1.2.3")
	longer.Left = 3 * time.Hour
	before := fleetBans{asked: link.Others{Add: []link.Ban{otherBan("45.1.2.8")}}}
	behind := fleetBans{asked: link.Others{Add: []link.Ban{longer, otherBan("45.1.2.9"), otherBan("45.1.2.10")}}}
	unban := banRequest{ByHand: true, Remove: &banRemoval{Prefixes: testvalue.Prefixes("45.1.2.3/32", "45.1.2.8/32", "45.1.2.9/32")}}
	answers, err := h.server.answers(t.Context(), []banAsk{{admit: before.admit}, {request: unban}, {admit: behind.admit}})
	if err != nil {
		t.Fatal(err)
	}
	h.wantRefused(before.answer(&answers[0]), "")
	h.wantRefused(behind.answer(&answers[2]), "45.1.2.3 veto, 45.1.2.9 veto")
	h.wants("unbanned by hand", "45.1.2.10", "")
	if len(answers[0].Notes) != 0 || len(answers[1].Notes) != 1 || len(answers[2].Notes) != 0 {
		t.Errorf("%q, %q, %q", answers[0].Notes, answers[1].Notes, answers[2].Notes)
	}
}

// TestVetoAlone: without a fleet an unban says and writes nothing of it.
func TestVetoAlone(t *testing.T) {
	h := newFleetHost(t, "hub: []", "")
	h.ban("45.1.2.3/32", "", time.Hour)
	if a := h.unban("45.1.2.3/32"); len(a.Notes) > 0 {
		t.Errorf("%q", a.Notes)
	}
	if _, err := os.Stat(filepath.Join(h.cfg.StateDir, VetoesFile+".json")); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

// TestVetoEnds: a veto ends after a day by the clock that nobody sets, and after a boot by the wall clock. No clock
// makes it longer.
func TestVetoEnds(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	p := netip.MustParsePrefix("45.1.2.3/32")
	start := state.Clock()
	if _, err := h.server.book.changeVetoes([]netip.Prefix{p}, nil, start); err != nil {
		t.Fatal(err)
	}
	boot := func(up, wall time.Duration) banlist.Clock {
		return banlist.Clock{Boot: "another", Up: up, Wall: start.Wall.Add(wall)}
	}
	same := func(up, wall time.Duration) banlist.Clock {
		return banlist.Clock{Boot: start.Boot, Up: start.Up + up, Wall: start.Wall.Add(wall)}
	}
	for _, c := range []struct {
		what string
		now  banlist.Clock
		want bool
	}{
		{"soon", same(23*time.Hour, 23*time.Hour), true}, {"over", same(24*time.Hour, 24*time.Hour), false},
		{"the clock was set forwards", same(time.Hour, 1000*time.Hour), true}, {"the clock was set backwards", same(24*time.Hour, -time.Hour), false},
		{"after a boot", boot(time.Minute, 23*time.Hour), true}, {"after a boot, over", boot(time.Minute, 25*time.Hour), false},
		{"after a boot with a clock that has stopped", boot(time.Minute, -24*time.Hour), true},
	} {
		if got := readVetoes(h.cfg, c.now).vetoed(p, c.now); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	early := boot(time.Minute, -24*time.Hour)
	if stopped := readVetoes(h.cfg, early); !stopped.vetoed(p, early) || stopped.vetoed(p, early.After(24*time.Hour)) {
		t.Error("with a clock that has stopped, it lasts longer than a day")
	}
}

// readVetoes returns a book that has read the list at a time.
func readVetoes(cfg config.Config, now banlist.Clock) *Book {
	b := &Book{Cfg: cfg}
	b.readVetoes(now)
	return b
}

// TestVetoUnwritten: a veto that cannot be written down counts in this agent, and the admin is told.
func TestVetoUnwritten(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.add(otherBan("45.1.2.3"))
	if err := os.Mkdir(filepath.Join(h.cfg.StateDir, VetoesFile+".json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if a := h.unban("45.1.2.3/32"); len(a.Changed) != 1 || !strings.Contains(strings.Join(a.Notes, "\n"), "That is not written down") {
		t.Errorf("%+v", a)
	}
	h.wantRefused(h.add(otherBan("45.1.2.3")), "45.1.2.3 veto")
}

// TestVetoDamaged: a damaged list is said, and the others of a request are made.
func TestVetoDamaged(t *testing.T) {
	for what, text := range map[string]string{"no JSON": "x", "another number": `{"written": {"boot": "a", "up": 1, "wall": "2026-01-01T00:00:00Z"}, "left": {"45.1.2.3/32": 80000}, "sum": "0"}`} {
		h := newFleetHost(t, inFleet, "")
		h.add(otherBan("45.1.2.3"))
		h.unban("45.1.2.3/32")
		if err := os.WriteFile(filepath.Join(h.cfg.StateDir, VetoesFile+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h.restart()
		if a := h.ban("45.1.2.4/32", "", time.Hour); len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "is damaged") {
			t.Errorf("%s: %q", what, a.Notes)
		}
		h.wantRefused(h.add(otherBan("45.1.2.3")), "")
		h.unban("45.1.2.3/32")
		h.restart()
		h.wantRefused(h.add(otherBan("45.1.2.3")), "45.1.2.3 veto")
	}
}

// TestVetoMany: there is room for vetoes against all that the fleet may have banned here, and for no more.
func TestVetoMany(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.add(otherBan("45.1.2.3")) // makes the folder
	var all []netip.Prefix
	for i := range mostVetoes {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{98, byte(i >> 16), byte(i >> 8), byte(i)}), 32))
	}
	now := state.Clock()
	if _, err := h.server.book.changeVetoes(all, nil, now); err != nil {
		t.Fatal(err)
	}
	more := netip.MustParsePrefix("45.1.2.3/32")
	if _, err := h.server.book.changeVetoes([]netip.Prefix{more}, nil, now.After(time.Second)); err != nil {
		t.Fatal(err)
	}
	if b := readVetoes(h.cfg, now); !b.vetoed(more, now) || len(b.vetoes.ends) != mostVetoes {
		t.Errorf("%d", len(b.vetoes.ends))
	}
}

// TestVetoWithoutAgent: a command that finds no agent writes its veto down itself, and a ban by hand that only
// appends a line ends it.
func TestVetoWithoutAgent(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.add(otherBan("45.1.2.3"))
	p := netip.MustParsePrefix("45.1.2.3/32")
	r, err := Remove(t.Context(), h.cfg, []netip.Prefix{p}, false, Options{Wait: time.Minute})
	if err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "does not ban 45.1.2.3 here") {
		t.Errorf("%v, %+v", err, r)
	}
	h.wantRefused(h.add(otherBan("45.1.2.3")), "45.1.2.3 veto")
	if r, err := Add(t.Context(), h.cfg, []netip.Prefix{p}, Options{Wait: time.Minute, For: time.Hour}); err != nil {
		t.Errorf("%v, %+v", err, r)
	}
	h.wantRefused(h.add(otherBan("45.1.2.3")), "")
	if held := h.held(); len(held.Bans) != 1 {
		t.Errorf("%+v", held)
	}
	if a := h.change(link.Others{Remove: []netip.Addr{p.Addr()}}); len(a.Refused) > 0 {
		t.Errorf("%+v", a)
	}
	h.wants("by hand", "45.1.2.3", "")
}
