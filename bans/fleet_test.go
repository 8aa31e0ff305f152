package bans

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// fleetHost is an agent's server for the fleet's process, in a network namespace of its own. All of it
// runs on the test's thread, which alone is in that namespace.
type fleetHost struct {
	*testing.T
	cfg    config.Config
	server *Server
	fleet  *FleetServer
}

const inFleet = "hub: [\"tls://hub.example.net:4222\"]"

// newFleetHost returns a host with these keys below "fleet", and other settings.
func newFleetHost(t *testing.T, keys, yaml string) *fleetHost {
	testns.Enter(t)
	dir := t.TempDir()
	h := &fleetHost{T: t}
	h.cfg = testvalue.Config(t, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: a, path: /x}]\nfleet: {%s}\n%s", dir, keys, yaml))
	h.restart()
	return h
}

// restart begins anew with what is on disk, as another agent does.
func (h *fleetHost) restart() {
	h.server = NewServer(func() config.Config { return h.cfg }, &Book{Cfg: h.cfg})
	h.Cleanup(h.server.disconnect)
	h.fleet = NewFleetServer(h.server, func(string) {})
}

// change does what FleetServer.change does, without another thread.
func (h *fleetHost) change(asked link.Others) link.Answer {
	h.Helper()
	some := fleetBans{asked: asked}
	answers, err := h.server.answers(h.Context(), []banAsk{{admit: some.admit}})
	if err != nil {
		h.Fatal(err)
	}
	return some.answer(&answers[0])
}

func (h *fleetHost) add(bans ...link.Ban) link.Answer {
	h.Helper()
	return h.change(link.Others{Add: bans})
}

// asks is a request of a command.
func (h *fleetHost) asks(r banRequest) banAnswer {
	h.Helper()
	r.ByHand = true
	answers, err := h.server.answers(h.Context(), []banAsk{{request: r}})
	if err != nil {
		h.Fatal(err)
	}
	return answers[0]
}

func (h *fleetHost) ban(addr, reason string, last time.Duration) banAnswer {
	h.Helper()
	return h.asks(banRequest{Add: []banWish{{Prefix: netip.MustParsePrefix(addr), Reason: reason, For: last}}})
}

func (h *fleetHost) unban(addrs ...string) banAnswer {
	h.Helper()
	r := &banRemoval{All: len(addrs) == 0}
	for _, a := range addrs {
		r.Prefixes = append(r.Prefixes, netip.MustParsePrefix(a))
	}
	return h.asks(banRequest{Remove: r})
}

// wants compares what the kernel blocks, by family.
func (h *fleetHost) wants(what, v4, v6 string) {
	h.Helper()
	kernel, err := ipsetsync.Open()
	if err != nil {
		h.Fatal(err)
	}
	defer kernel.Close()
	for i, want := range []string{v4, v6} {
		var got []string
		if live, _, err := kernel.OwnBans(h.cfg.BanSetName(i)); err == nil {
			for _, p := range live.Prefixes {
				got = append(got, p.String())
			}
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != want {
			h.Errorf("%s: the set has %s, not %s", what, text, want)
		}
	}
}

func (h *fleetHost) refused(a link.Answer) string {
	h.Helper()
	var all []string
	for _, r := range a.Refused {
		all = append(all, r.Addr.String()+" "+r.Why)
	}
	return strings.Join(all, ", ")
}

func (h *fleetHost) wantRefused(a link.Answer, want string) {
	h.Helper()
	if got := h.refused(a); got != want || a.Problem != "" || a.Undone {
		h.Errorf("refused %q, not %q: %+v", got, want, a)
	}
}

// held is what the process is told of the bans in force.
func (h *fleetHost) held() (all link.Held) {
	h.Helper()
	w := httptest.NewRecorder()
	h.fleet.ServeHeld(w, httptest.NewRequestWithContext(h.Context(), http.MethodPost, link.HeldPath, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		h.Fatal(err, w.Body)
	}
	return all
}

func (h *fleetHost) own() (all link.Own) {
	h.Helper()
	w := httptest.NewRecorder()
	h.fleet.ServeOwn(w, httptest.NewRequestWithContext(h.Context(), http.MethodPost, link.OwnPath, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		h.Fatal(err, w.Body)
	}
	return all
}

func otherBan(addr string) link.Ban {
	return link.Ban{Addr: netip.MustParseAddr(addr), Age: time.Minute, Left: time.Hour, Why: "fail2ban asterisk", By: []string{"acme_pbx7", "zeta_pbx1"}}
}

// sync is the agent's full check.
func (h *fleetHost) sync() {
	h.Helper()
	kernel, err := ipsetsync.Open()
	if err != nil {
		h.Fatal(err)
	}
	defer kernel.Close()
	exempt, err := ExemptNow(h.Context(), h.cfg)
	if err != nil {
		h.Fatal(err)
	}
	found, notes, err := h.server.book.Sync(h.Context(), h.cfg, kernel, ExemptFrom(exempt), "a test", time.Minute, false)
	if err != nil || len(found)+len(notes) > 0 {
		h.Errorf("%v, %v, %v", found, notes, err)
	}
}

// TestFleet: bans of others block what bans may block, are listed with who said so, and end.
func TestFleet(t *testing.T) {
	h := newFleetHost(t, inFleet, "allow: [45.9.0.0/24, \"2a00:8:0:1::7\"]\nlimits: {widest6: 128}\nbans: {ipv6_prefix: 128}\n")
	own, proved := otherBan("45.1.2.4"), otherBan("45.1.2.5")
	own.Left, own.Age, own.Why = math.MaxInt64, math.MaxInt64, "" // year 2318
	proved.Proved, proved.Left, proved.By = true, time.Millisecond, []string{"acme_pbx7"}
	a := h.add(otherBan("45.1.2.3"), own, proved, otherBan("45.9.0.7"), otherBan("2a00:9::"), otherBan("2a00:8:0:1::"))
	h.wantRefused(a, "45.9.0.7 exempt")
	kernel, err := ipsetsync.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	live, _, err := kernel.OwnBans(h.cfg.BanSetName(1))
	if err != nil || !cidr.SetOf(live.Prefixes...).Contains(cidr.MustParsePrefix("2a00:9::/64")) || cidr.SetOf(live.Prefixes...).Overlaps(cidr.MustParsePrefix("2a00:8:0:1::7")) || !cidr.SetOf(live.Prefixes...).Contains(cidr.MustParsePrefix("2a00:8:0:1::8")) {
		t.Errorf("%v: %v", err, live)
	}
	var texts []string
	for _, b := range h.held().Bans {
		texts = append(texts, fmt.Sprintf("%v %q %v %v %v %v", b.Addr, b.Why, b.By, b.Proved, b.Left.Round(time.Minute), b.Age.Round(time.Minute)))
	}
	want := []string{
		`45.1.2.3 "fail2ban asterisk" [acme_pbx7 zeta_pbx1] false 1h0m0s 1m0s`, `45.1.2.4 "" [acme_pbx7 zeta_pbx1] false 24h0m0s 24h0m0s`,
		`2a00:8:0:1:: "fail2ban asterisk" [acme_pbx7 zeta_pbx1] false 1h0m0s 1m0s`, `2a00:9:: "fail2ban asterisk" [acme_pbx7 zeta_pbx1] false 1h0m0s 1m0s`,
	}
	texts = slices.DeleteFunc(texts, func(s string) bool { return s == `45.1.2.5 "fail2ban asterisk" [acme_pbx7] true 0s 1m0s` }) // it is over in a second
	if !slices.Equal(texts, want) {
		t.Errorf("got  %q\nwant %q", texts, want)
	}
	list, _, err := Read(h.cfg)
	if err != nil || len(list) < 4 || list[0].Why() != "fleet: acme_pbx7, zeta_pbx1: fail2ban asterisk" {
		t.Errorf("%v, %v", err, list)
	}
}

// TestFleetEvidence: what is written as evidence is read back.
func TestFleetEvidence(t *testing.T) {
	for _, b := range []link.Ban{
		{By: []string{"a_b"}}, {By: []string{"a_b", "c_d"}, Why: "seen by voipbl", Proved: true}, {By: []string{"a_b"}, Proved: true},
		{By: []string{"a_b"}, Why: "x: y, z: w"}, {By: []string{"a_b"}, Why: "improved"},
	} {
		by, why, proved := ofFleetEvidence(fleetEvidence(b))
		if !slices.Equal(by, b.By) || why != b.Why || proved != b.Proved {
			t.Errorf("%+v: %q: %q, %q, %v", b, fleetEvidence(b), by, why, proved)
		}
	}
	if _, why, proved := ofFleetEvidence(fleetEvidence(link.Ban{By: []string{"a_b"}, Why: "guessing, proved"})); proved || why != "guessing" {
		t.Errorf("what others say is no proof: %q", why)
	}
}

// TestFleetSame: a ban that is there already is written down again only with another end or other origins.
func TestFleetSame(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	lines := func() int { return h.server.book.lines }
	h.wantRefused(h.add(otherBan("45.1.2.3")), "")
	if lines() != 1 {
		t.Fatalf("%d lines", lines())
	}
	same := otherBan("45.1.2.3")
	same.Left += 3 * time.Second
	h.wantRefused(h.add(same, otherBan("45.1.2.3")), "")
	if lines() != 1 {
		t.Errorf("%d lines: the same is written again", lines())
	}
	longer, other := same, same
	longer.Left += 10 * time.Second
	h.wantRefused(h.add(longer), "")
	other.Left, other.By = longer.Left, []string{"acme_pbx7"}
	h.wantRefused(h.add(other), "")
	if held := h.held().Bans; lines() != 3 || len(held) != 1 || len(held[0].By) != 1 || held[0].Left < time.Hour+12*time.Second {
		t.Errorf("%d lines: %+v", lines(), held)
	}
}

// TestFleetOdd: what no process of voipbl's asks for.
func TestFleetOdd(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	good := otherBan("45.1.2.3")
	for what, change := range map[string]func(*link.Ban){
		"no address":                      func(b *link.Ban) { b.Addr = netip.Addr{} },
		"an interface":                    func(b *link.Ban) { b.Addr = netip.MustParseAddr("fe80::1%eth0") },
		"IPv4 in IPv6":                    func(b *link.Ban) { b.Addr = netip.MustParseAddr("::ffff:45.1.2.3") },
		"an address inside a /64":         func(b *link.Ban) { b.Addr = netip.MustParseAddr("2a00:9::7") },
		"a private one":                   func(b *link.Ban) { b.Addr = netip.MustParseAddr("192.168.1.7") },
		"this host":                       func(b *link.Ban) { b.Addr = netip.MustParseAddr("127.0.0.1") },
		"all":                             func(b *link.Ban) { b.Addr = netip.MustParseAddr("0.0.0.0") },
		"all of IPv6":                     func(b *link.Ban) { b.Addr = netip.MustParseAddr("::") },
		"NAT64":                           func(b *link.Ban) { b.Addr = netip.MustParseAddr("64:ff9b::") },
		"no end":                          func(b *link.Ban) { b.Left = 0 },
		"over":                            func(b *link.Ban) { b.Left = -time.Hour },
		"a ban of tomorrow":               func(b *link.Ban) { b.Age = -time.Hour },
		"nobody":                          func(b *link.Ban) { b.By = nil },
		"too many":                        func(b *link.Ban) { b.By = slices.Repeat([]string{"a_b"}, link.MaxBy+1) },
		"a name with a colon":             func(b *link.Ban) { b.By = []string{"a_b: x"} },
		"a name without a site":           func(b *link.Ban) { b.By = []string{"_b"} },
		"a reason with a line break":      func(b *link.Ban) { b.Why = "a\nban 0.0.0.0/0" },
		"a reason that is not UTF-8":      func(b *link.Ban) { b.Why = "\xff" },
		"a reason without an end":         func(b *link.Ban) { b.Why = strings.Repeat("a", link.MaxWhy+1) },
		"a reason that turns a line":      func(b *link.Ban) { b.Why = "a\u202eb" },
		"a terminal's control characters": func(b *link.Ban) { b.Why = "\x1b[2J" },
	} {
		odd := good
		change(&odd)
		h.add(good) // so that what is odd cannot be what is there already
		a := h.change(link.Others{Add: []link.Ban{odd}, Remove: []netip.Addr{good.Addr}})
		if len(a.Refused) != 1 || a.Refused[0].Why != link.Odd || len(h.held().Bans) != 0 {
			t.Errorf("%s: %+v, %+v", what, a, h.held())
		}
	}
	h.wants("nothing odd", "", "")
}

// TestFleetRemoves: the process takes back bans of the fleet, and no others.
func TestFleetRemoves(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.ban("45.1.2.3/32", "by hand", 0)
	h.ban("45.1.2.4/32", "", time.Hour)
	h.add(otherBan("45.1.2.3"), otherBan("45.1.2.5"), otherBan("2a00:9::"))
	h.wants("banned", "45.1.2.3 45.1.2.4 45.1.2.5", "2a00:9::/64")
	h.wantRefused(h.change(link.Others{Remove: append(testvalue.Addrs("45.1.2.3", "45.1.2.4", "45.1.2.5", "2a00:9::", "2a00:9::7", "0.0.0.0", "::"), netip.Addr{})}), "")
	h.wants("taken back", "45.1.2.3 45.1.2.4", "")
	if n := len(h.held().Bans); n != 0 || h.server.book.table.Len() != 2 {
		t.Errorf("%d of the fleet, %d in all", n, h.server.book.table.Len())
	}
}

// TestFleetMost: there are so many bans of the fleet and no more, and what is taken back makes room.
func TestFleetMost(t *testing.T) {
	h := newFleetHost(t, inFleet+", most: 2", "")
	h.wantRefused(h.add(otherBan("45.1.2.1"), otherBan("45.1.2.2"), otherBan("45.1.2.3")), "45.1.2.3 full")
	longer := otherBan("45.1.2.1")
	longer.Left *= 2
	h.wantRefused(h.change(link.Others{Add: []link.Ban{longer, otherBan("45.1.2.3")}, Remove: testvalue.Addrs("45.1.2.2")}), "")
	h.wants("the newer one", "45.1.2.1 45.1.2.3", "")
}

// TestFleetFull: in a full list the fleet bans nobody, and evicts nobody.
func TestFleetFull(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.add(otherBan("45.1.2.1"))
	now := state.Clock()
	for i := range banlist.Most - 1 {
		h.server.book.table.Add(banlist.New(netip.PrefixFrom(netip.AddrFrom4([4]byte{98, byte(i >> 16), byte(i >> 8), byte(i)}), 32), "by hand", time.Hour, now))
	}
	h.wantRefused(h.add(otherBan("45.1.2.2")), "45.1.2.2 full")
	if a := h.ban("45.1.2.3/32", "by hand", 0); len(a.Evicted) != 1 || a.Evicted[0].Reason != FleetReason {
		t.Errorf("%+v", a)
	}
	if n := h.server.book.table.Count("by hand"); n != banlist.Most {
		t.Errorf("%d bans by hand", n)
	}
}

// TestFleetQuota: a process gone mad makes so many changes a minute.
func TestFleetQuota(t *testing.T) {
	mad := 0
	s := NewFleetServer(nil, func(string) { mad++ })
	now := time.Now()
	if !s.may(fleetAMinute-1, now) || s.may(2, now) || !s.may(link.MostInRequest, now.Add(time.Second)) {
		t.Error("the quota is another one")
	}
	s.may(fleetAMinute, now)
	if a, ok := s.change(t.Context(), link.Others{Remove: testvalue.Addrs("45.1.2.3")}, now); !ok || !a.Undone || mad != 1 {
		t.Errorf("%v, %+v, told %d times", ok, a, mad)
	}
}

// TestFleetFlood: however large the requests are, and whether they are in order or not, few are read in a minute.
func TestFleetFlood(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	body := `{"remove":[` + strings.Repeat(`"45.1.2.3",`, 90_000) + `"45.1.2.3"]}`
	synctest.Test(t, func(t *testing.T) { // no time passes, however busy the machine is
		for read := 0; read <= 60; {
			w := httptest.NewRecorder()
			h.fleet.ServeOthers(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, link.OthersPath, strings.NewReader(body)))
			switch w.Code {
			case http.StatusBadRequest:
				read++
			case http.StatusTooManyRequests:
				return
			default:
				t.Fatalf("status %d", w.Code)
			}
		}
		t.Errorf("more than 60 requests of %d bytes were read", len(body))
	})
}

// TestFleetPhone: who is registered here is not banned by others, and not while it is unknown who is.
func TestFleetPhone(t *testing.T) {
	h := newFleetHost(t, inFleet, "firewall: {base: true, local_networks: [192.168.1.0/24]}\n")
	phones := &known.Server{Cfg: func() config.Config { return h.cfg }, Listed: func() {}, Spread: func(known.Spread) {}}
	now := time.Now()
	seen := func(addr string) known.Seen {
		return known.Seen{Addr: netip.MustParseAddr(addr), Account: "6001", Transport: "udp", Since: now, Until: now.Add(time.Hour)}
	}
	text, err := json.Marshal(known.Request{Phones: []known.Seen{seen("45.1.2.3"), seen("2a00:9::7")}})
	if err != nil {
		t.Fatal(err)
	}
	phones.Serve(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, known.Path, strings.NewReader(string(text))))
	h.wantRefused(h.add(otherBan("45.1.2.3"), otherBan("45.1.2.4"), otherBan("2a00:9::"), otherBan("2a00:9:0:1::")), "45.1.2.3 phone, 2a00:9:: phone")
	h.wants("others", "45.1.2.4", "2a00:9:0:1::/64")
	for _, dir := range []string{h.cfg.StateDir, h.cfg.RunDir} {
		if err := os.WriteFile(dir+"/phones.json", []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	longer := otherBan("45.1.2.4")
	longer.Left = 3 * time.Hour
	h.wantRefused(h.change(link.Others{Add: []link.Ban{otherBan("45.1.2.5"), longer}, Remove: testvalue.Addrs("2a00:9:0:1::")}), "45.1.2.5 unknown")
	h.wants("without a list of phones", "45.1.2.4", "")
	h.cfg.PBX.TrustRegistered = false
	h.wantRefused(h.add(otherBan("45.1.2.5")), "")
}

// TestFleetExemptLater: whom the fleet has banned and an admin allows later is not blocked.
func TestFleetExemptLater(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.add(otherBan("45.1.2.3"), otherBan("45.1.2.4"), otherBan("2a00:9::"))
	h.sync()
	h.cfg.Allow = []config.Host{{Prefix: netip.MustParsePrefix("45.1.2.3/32")}}
	h.server.book.Strangers = make(map[cidr.Prefix]time.Duration) // as the agent's
	h.sync()
	h.wants("allowed", "45.1.2.4", "2a00:9::/64")
	h.wantRefused(h.add(otherBan("45.1.2.3")), "45.1.2.3 exempt")
}

// TestOwnExemptLater: the fleet's process learns that an own ban blocks nobody any more, since its address is allowed.
func TestOwnExemptLater(t *testing.T) {
	h := newFleetHost(t, inFleet, "")
	h.ban("45.1.2.3/32", "by hand", 0)
	h.server.book.Strangers = make(map[cidr.Prefix]time.Duration) // as the agent's
	h.sync()
	before := h.own()
	h.sync()
	if now := h.own(); len(now.Bans) != 1 || now.Serial != before.Serial {
		t.Errorf("nothing has changed: %v, %v", before, now)
	}
	h.cfg.Allow = []config.Host{{Prefix: netip.MustParsePrefix("45.1.2.3/32")}}
	h.sync()
	if now := h.own(); len(now.Bans) != 0 || now.Serial == before.Serial {
		t.Errorf("allowed: %v, %v", before, now)
	}
}

// TestFleetOff: without a hub, or with "accept: false", no ban of the fleet stays, and none is made. This host's
// own stay.
func TestFleetOff(t *testing.T) {
	for what, off := range map[string]func(*config.Fleet){"no hub": func(f *config.Fleet) { f.Hubs = nil }, "accept: false": func(f *config.Fleet) { f.Accept = false }} {
		t.Run(what, func(t *testing.T) {
			h := newFleetHost(t, inFleet, "")
			h.add(otherBan("45.1.2.3"), otherBan("45.1.2.4"), otherBan("2a00:9::"))
			h.ban("45.1.2.3/32", "by hand", 0)
			off(&h.cfg.Fleet)
			h.server.book.Strangers = make(map[cidr.Prefix]time.Duration) // as the agent's
			h.sync()
			h.wants("off", "45.1.2.3", "")
			if a := h.add(otherBan("45.1.2.5")); !a.Undone || a.Problem == "" {
				t.Errorf("%+v", a)
			}
			h.restart()
			h.sync()
			h.wants("off after a restart", "45.1.2.3", "")
		})
	}
}

// TestFleetOwn: others may know of this host's own bans of single addresses, the newest, and of no others.
func TestFleetOwn(t *testing.T) {
	h := newFleetHost(t, inFleet+", per_host: 5", "")
	serial := h.own().Serial
	now := state.Clock()
	add := func(p, address, reason, evidence string, last, age time.Duration) {
		b := banlist.New(netip.MustParsePrefix(p), reason, last, now).Older(age)
		b.Evidence = evidence
		if address != "" {
			b.Address = netip.MustParsePrefix(address)
		}
		h.server.book.table.Add(b)
	}
	h.add(otherBan("45.9.9.9"))
	add("45.1.2.1/32", "", "fail2ban a", "", time.Hour, 5*time.Minute)
	add("45.1.2.1/32", "", "by hand", "", 0, 4*time.Minute)
	add("45.1.2.0/24", "", "a network", "", 0, 0)
	add("2a00:9::/64", "2a00:9::7/128", SeenReason, "3 wrong passwords in 2 s, proved", time.Hour, 3*time.Minute)
	add("2a00:8::/56", "2a00:8::7/128", "wider", "9 scans, proved", time.Hour, 2*time.Minute)
	add("2a00:7::/48", "", "a network", "", time.Hour, 0)
	add("192.168.1.7/32", "", "private", "", time.Hour, 0)
	add("45.1.2.2/32", "", banlist.Lost, "", time.Hour, 0)
	add("45.1.2.3/32", "", strings.Repeat("ä", 50), "", time.Hour, time.Minute)
	add("45.1.2.4/32", "", "newest", "", time.Hour, 0)
	add("45.1.2.5/32", "", "oldest", "", time.Hour, time.Hour)
	if whole := h.own().Whole; whole < time.Hour || whole > time.Hour+time.Minute {
		t.Errorf("all are said that are younger than %s", whole)
	}
	var got []string
	for _, b := range h.own().Bans {
		got = append(got, fmt.Sprintf("%v %s %v %v %v", b.Addr, b.Why, b.Left.Round(time.Minute), b.Age.Round(time.Minute), b.Proved))
		if len(b.Why) > link.MaxWhy {
			t.Errorf("%q", b.Why)
		}
	}
	want := "45.1.2.4 newest 1h0m0s 0s false|45.1.2.3 ä|2a00:8:: wider 1h0m0s 2m0s false|2a00:9:: seen by voipbl 1h0m0s 3m0s true|45.1.2.1 by hand 0s 4m0s false"
	for i, w := range strings.Split(want, "|") {
		if i >= len(got) || !strings.HasPrefix(got[i], w) {
			t.Errorf("%d: want %s, got %q", i, w, got)
		}
	}
	if len(got) != 5 {
		t.Errorf("%q", got)
	}
	h.cfg.Fleet.Publish = false
	if n := len(h.own().Bans); n != 0 {
		t.Errorf("%d are told of all the same", n)
	}

	if h.own().Serial != serial {
		t.Error("bans of the fleet count as this host's own")
	}
	h.ban("45.1.2.6/32", "", time.Hour)
	second := h.own().Serial
	h.unban("45.1.2.6/32")
	if third := h.own().Serial; second == serial || third == second {
		t.Errorf("changes are not noticed: %d, %d, %d", serial, second, third)
	}
}

// TestFleetByHand: nobody else makes bans with the fleet's reason.
func TestFleetByHand(t *testing.T) {
	if err := (banRequest{Add: []banWish{{Prefix: netip.MustParsePrefix("45.1.2.3/32"), Reason: FleetReason, For: time.Hour}}}).check(); err == nil {
		t.Error("such a request is taken")
	}
	if _, err := Add(t.Context(), testvalue.Defaults(t), testvalue.Prefixes("45.1.2.3/32"), Options{Reason: FleetReason}); err == nil {
		t.Error("such a ban is taken")
	}
}
