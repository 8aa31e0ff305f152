package bans

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// seenHost is an agent's server for what the PBX sees, in a network namespace of its own. All of it
// runs on the test's thread, which alone is in that namespace.
type seenHost struct {
	*testing.T
	cfg    config.Config
	server *Server
	seen   *SeenServer
	last   int    // of the addresses that are made up
	loud   int    // how often the limit was told
	proved []Seen // what the last request has banned of proved attackers
}

func newSeenHost(t *testing.T, yaml string) *seenHost {
	testns.Enter(t)
	h := &seenHost{T: t}
	dir := t.TempDir()
	h.cfg = testvalue.Config(t, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: a, path: /x}]\n%s", dir, yaml))
	h.server = NewServer(func() config.Config { return h.cfg }, &Book{Cfg: h.cfg})
	t.Cleanup(h.server.disconnect)
	h.seen = NewSeenServer(h.server, func() { h.loud++ }, func([]Seen) {})
	return h
}

// ban does what SeenServer.ban does, without another thread.
func (h *seenHost) ban(now time.Time, bans ...Seen) SeenAnswer {
	h.Helper()
	seen := h.seen.allowed(bans, now)
	answers, err := h.server.answers(h.Context(), []banAsk{{admit: seen.admit}})
	if err != nil {
		h.Fatal(err)
	}
	h.proved = seen.proved(&answers[0])
	return seen.answer(h.Context(), h.cfg, &answers[0])
}

func (h *seenHost) wants(what, v4, v6 string) {
	h.Helper()
	for i, want := range []string{v4, v6} {
		live, _, err := h.server.kernel.OwnBans(h.cfg.BanSetName(i))
		if err != nil {
			h.Fatal(err)
		}
		var got []string
		for _, p := range live.Prefixes {
			got = append(got, p.String())
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != want {
			h.Errorf("%s: the set has %s, not %s", what, text, want)
		}
	}
}

func seenAt(addr string) Seen {
	return Seen{Addr: netip.MustParseAddr(addr), For: time.Hour, Evidence: "3 wrong passwords, proved"}
}

// TestSeen: bans that what watches the PBX asks for block what bans may block, and nothing else.
// How wide other programs' bans are is no matter.
func TestSeen(t *testing.T) {
	for _, widths := range []string{"limits: {widest6: 32}\nbans: {ipv6_prefix: 64}\n", "limits: {widest6: 32}\nbans: {ipv6_prefix: 56}\n", "limits: {widest6: 128}\nbans: {ipv6_prefix: 128}\n"} {
		t.Run(widths, func(t *testing.T) { testSeen(t, widths) })
	}
}

func testSeen(t *testing.T, widths string) {
	h := newSeenHost(t, "allow: [203.0.113.0/24, \"2a00:8:0:1::7\"]\nfirewall: {trunks: [198.51.100.9]}\n"+widths)
	a := h.ban(time.Now(), seenAt("6.6.6.6"), seenAt("203.0.113.7"), seenAt("198.51.100.9"), seenAt("127.0.0.1"), seenAt("2a00:9::7"), seenAt("2a00:8:0:1::7"))
	var refused []string
	for _, r := range a.Refused {
		refused = append(refused, r.Addr.String()+": "+r.Why)
	}
	if got := strings.Join(refused, "\n"); a.Banned != 2 || a.Problem != nil || len(refused) != 4 ||
		!strings.Contains(got, "203.0.113.7: it is exempt: allow") || !strings.Contains(got, "198.51.100.9: it is exempt: trunks") || !strings.Contains(got, "127.0.0.1: it is ") || !strings.Contains(got, "2a00:8:0:1::7: it is exempt: allow") {
		t.Errorf("%+v\n%s", a, got)
	}
	h.wants("banned", "6.6.6.6", "2a00:9::/64")
	for _, b := range h.server.book.table.Bans(state.Clock()) {
		if b.Why() != "seen by voipbl: 3 wrong passwords, proved" || b.For != time.Hour {
			t.Errorf("%+v", b)
		}
	}

	// A friend in the network that is banned around an attacker, and one longer ban for more.
	again := seenAt("6.6.6.6")
	again.For, again.Evidence = 24*time.Hour, "9 wrong passwords, proved"
	h.ban(time.Now(), again, seenAt("2a00:8:0:1::8"))
	if live, _, err := h.server.kernel.OwnBans(h.cfg.BanSetName(1)); err != nil || cidr.SetOf(live.Prefixes...).Overlaps(cidr.MustParsePrefix("2a00:8:0:1::7")) || !cidr.SetOf(live.Prefixes...).Contains(cidr.MustParsePrefix("2a00:8:0:1::8")) {
		t.Errorf("%v: %v", err, live.Prefixes)
	}
	if found := h.server.book.table.Find(netip.MustParsePrefix("6.6.6.6/32"), ""); len(found) != 1 || found[0].For != 24*time.Hour || found[0].Evidence != again.Evidence {
		t.Errorf("%+v", found)
	}
}

// TestSeenProved: of what is banned, proved attackers alone are to be reported, by their addresses.
func TestSeenProved(t *testing.T) {
	h := newSeenHost(t, "allow: [203.0.113.7]\nbans: {ipv6_prefix: 64}\n")
	var asked []Seen
	for _, addr := range []string{"6.6.6.6", "203.0.113.7", "2a00:9::7", "6.6.6.8"} {
		s := seenAt(addr)
		s.Proved, s.Failures = addr != "6.6.6.8", 3
		asked = append(asked, s)
	}
	h.ban(time.Now(), asked...)
	if want := []Seen{asked[0], asked[2]}; !slices.Equal(h.proved, want) {
		t.Errorf("%+v, not %+v", h.proved, want)
	}
	if made := (&seenBans{bans: asked}).proved(nil); made != nil {
		t.Errorf("nothing was banned: %+v", made)
	}
}

// TestSeenPhone: a ban takes a registered phone off the list.
func TestSeenPhone(t *testing.T) {
	h := newSeenHost(t, "firewall: {base: true, local_networks: [192.168.1.0/24]}\n")
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	for _, f := range cidr.Families {
		if _, err := kernel.EnsureKnownSet(h.cfg.KnownSetName(int(f)), f); err != nil {
			t.Fatal(err)
		}
	}
	phones := &known.Server{Cfg: func() config.Config { return h.cfg }, Listed: func() {}, Spread: func(known.Spread) {}}
	now := time.Now()
	text, err := json.Marshal(known.Request{Phones: []known.Seen{
		{Addr: netip.MustParseAddr("203.0.113.7"), Account: "6001", Transport: "udp", Since: now, Until: now.Add(time.Hour)},
		{Addr: netip.MustParseAddr("203.0.113.8"), Account: "6002", Transport: "udp", Since: now, Until: now.Add(time.Hour)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	phones.Serve(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, known.Path, strings.NewReader(string(text))))
	if a := h.ban(now, seenAt("203.0.113.7")); a.Banned != 1 || a.Problem != nil {
		t.Errorf("%s: %+v", w.Body, a)
	}
	if l, problem := known.Read(h.cfg); problem != nil || len(l.Phones) != 1 || l.Phones[0].Account != "6002" {
		t.Errorf("%v: %+v", problem, l.Phones)
	}
	if live, err := kernel.Known(h.cfg.KnownSet, cidr.IPv4); err != nil || len(live) != 1 {
		t.Errorf("%v: %v", err, live)
	}
}

// TestSeenAway: who asks for a ban and does not wait for it has its attacker reported all the same.
func TestSeenAway(t *testing.T) {
	h := newSeenHost(t, "")
	reported := 0
	seen := NewSeenServer(h.server, func() {}, func(made []Seen) { reported += len(made) })
	one := seenAt("6.6.6.6")
	one.Proved = true
	away, leave := context.WithCancel(t.Context())
	leave()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		seen.ban(away, seen.allowed([]Seen{one}, time.Now()))
	}()
	select {
	case asked := <-h.server.asks:
		h.server.settle(t.Context(), h.server.batch(asked))
	case <-ended:
	}
	<-ended
	if reported != 1 {
		t.Errorf("%d reported", reported)
	}
}

// TestSeenLimits: a process gone mad bans so many a minute, and so many in all. Proved attackers are
// banned however many others it asks for.
func TestSeenLimits(t *testing.T) {
	h := newSeenHost(t, "")
	now := time.Now()
	many := func(n int, proved bool) (bans []Seen) {
		for range n {
			h.last++
			s := seenAt(netip.AddrFrom4([4]byte{99, byte(h.last >> 16), byte(h.last >> 8), byte(h.last)}).String())
			s.Proved = proved
			bans = append(bans, s)
		}
		return bans
	}
	if n := h.ban(now, many(unprovedAMinute, false)...).Banned; n != unprovedAMinute || h.loud != 0 {
		t.Errorf("%d at once, told %d times", n, h.loud)
	}
	mixed := slices.Concat(many(50, false), many(100, true), many(50, false))
	a := h.ban(now.Add(3*time.Second), mixed...)
	if a.Banned != 110 || len(a.Refused) != 90 || h.loud != 1 || a.Refused[0].Why != "more than 200 bans a minute" || a.Refused[0].Addr != mixed[10].Addr || !a.Refused[0].Later || len(h.proved) != 100 {
		t.Errorf("told %d times: %d banned, %d refused: %v", h.loud, a.Banned, len(a.Refused), a.Refused[0])
	}
	if n := len(h.seen.allowed(many(2*provedAMinute, true), now.Add(time.Hour)).bans); n != provedAMinute {
		t.Errorf("%d proved ones at once", n)
	}
	b := banlist.New(netip.MustParsePrefix("99.1.0.0/32"), SeenReason, time.Hour, state.Clock())
	for i := range mostSeen {
		b.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{98, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		h.server.book.table.Add(b)
	}
	if a := h.ban(now.Add(2*time.Hour), seenAt("6.6.6.6")); a.Banned != 0 || len(a.Refused) != 1 || a.Refused[0].Why != "32768 of these bans are in force, and no more may be" {
		t.Errorf("%+v", a)
	}
}

// TestSeenRequest: what no process of voipbl's sends.
func TestSeenRequest(t *testing.T) {
	for what, change := range map[string]func(*Seen){
		"no address":                  func(s *Seen) { s.Addr = netip.Addr{} },
		"an interface":                func(s *Seen) { s.Addr = netip.MustParseAddr("fe80::1%eth0") },
		"IPv4 in IPv6":                func(s *Seen) { s.Addr = netip.MustParseAddr("::ffff:6.6.6.6") },
		"no end":                      func(s *Seen) { s.For = 0 },
		"a negative time":             func(s *Seen) { s.For = -time.Hour },
		"a year":                      func(s *Seen) { s.For = 365 * 24 * time.Hour },
		"a million failures":          func(s *Seen) { s.Failures = mostFailures + 1 },
		"failures below zero":         func(s *Seen) { s.Failures = -1 },
		"no evidence":                 func(s *Seen) { s.Evidence = "" },
		"evidence with a line break":  func(s *Seen) { s.Evidence = "a\nb" },
		"evidence that is not UTF-8":  func(s *Seen) { s.Evidence = "\xff" },
		"evidence without an end":     func(s *Seen) { s.Evidence = strings.Repeat("a", mostEvidence+1) },
		"letters that turn a line":    func(s *Seen) { s.Evidence = "a\u202eb" },
		"a terminal's control letter": func(s *Seen) { s.Evidence = "\x1b[2J" },
	} {
		s := seenAt("6.6.6.6")
		if why := s.check(); why != "" {
			t.Fatal(why)
		}
		change(&s)
		got := NewSeenServer(nil, nil, nil).allowed([]Seen{s, seenAt("6.6.6.7")}, time.Now())
		if len(got.bans) != 1 || got.bans[0] != seenAt("6.6.6.7") || len(got.refused) != 1 || got.refused[0].Later {
			t.Errorf("%s: %+v", what, got)
		}
	}
	for _, n := range []int{0, MostInRequest + 1} {
		if (SeenRequest{slices.Repeat([]Seen{seenAt("6.6.6.6")}, n)}).check() == nil {
			t.Errorf("%d bans are taken", n)
		}
	}
}
