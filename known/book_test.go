package known

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// host is a host with base rules' sets of phones, in a network namespace of its own.
type host struct {
	*testing.T
	cfg    config.Config
	kernel *ipsetsync.Kernel
	listed int      // how often an apply was asked for
	spread []Spread // what was told of accounts with many addresses
}

func newHost(t *testing.T) *host {
	testns.Enter(t)
	h := &host{T: t, cfg: testvalue.Defaults(t)}
	h.cfg.Firewall.Base = true
	var err error
	if h.kernel, err = ipsetsync.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.kernel.Close)
	h.makeSets()
	return h
}

// makeSets makes the sets, as the rules that name them do.
func (h *host) makeSets() {
	h.Helper()
	for _, f := range cidr.Families {
		if _, err := h.kernel.EnsureKnownSet(h.cfg.KnownSetName(int(f)), f); err != nil {
			h.Fatal(err)
		}
	}
}

// tell sends a request to the agent's server.
func (h *host) tell(r Request) Answer {
	h.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		h.Fatal(err)
	}
	var a Answer
	if code := h.post(text, &a); code != http.StatusOK {
		h.Fatalf("%d for %s", code, text)
	}
	return a
}

func (h *host) config() config.Config { return h.cfg }

// posted has a request answered.
func (h *host) posted(serve http.HandlerFunc, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	serve(w, httptest.NewRequestWithContext(h.Context(), http.MethodPost, "/", strings.NewReader(body)))
	return w
}

func (h *host) post(text []byte, a *Answer) int {
	h.Helper()
	s := &Server{Cfg: h.config, Listed: func() { h.listed++ }, Spread: func(s Spread) { h.spread = append(h.spread, s) }}
	w := h.posted(s.Serve, string(text))
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), a); err != nil {
			h.Fatal(err)
		}
	}
	return w.Code
}

// register tells of a phone whose registration lasts for so long.
func (h *host) register(addr, account string, last time.Duration) Answer {
	h.Helper()
	now := time.Now()
	return h.tell(Request{Phones: []Seen{{Addr: netip.MustParseAddr(addr), Account: account, Transport: "udp", Since: now, Until: now.Add(last)}}})
}

// wants checks the addresses of the list, and which of them ipset(8) finds in the kernel's sets.
func (h *host) wants(what, list, kernel string) {
	h.Helper()
	l, p := Read(h.cfg)
	if p != nil {
		h.Errorf("%s: %+v", what, p)
	}
	var known, let []string
	for _, p := range l.Phones {
		known = append(known, p.Addr.String())
	}
	for _, set := range []string{h.cfg.KnownSet, h.cfg.KnownSet + "6"} {
		out, err := exec.Command("ipset", "list", set).CombinedOutput()
		if err != nil {
			continue
		}
		_, members, _ := strings.Cut(string(out), "Members:\n")
		for line := range strings.Lines(members) {
			let = append(let, strings.Fields(line)[0])
		}
	}
	if got := strings.Join(known, " "); got != list {
		h.Errorf("%s: the list has %q, not %q", what, got, list)
	}
	slices.Sort(let)
	if got := strings.Join(let, " "); got != kernel {
		h.Errorf("%s: the kernel has %q, not %q", what, got, kernel)
	}
}

func (h *host) settle() []string {
	h.Helper()
	found, err := Settle(h.Context(), h.cfg, h.kernel, "test", time.Second, false)
	if err != nil {
		h.Error(err)
	}
	return found
}

func (h *host) ipset(args ...string) {
	h.Helper()
	if out, err := exec.Command("ipset", args...).CombinedOutput(); err != nil {
		h.Fatalf("ipset %q: %v: %s", args, err, out)
	}
}

func (h *host) file(dir string) string { return filepath.Join(dir, File+".json") }

// TestRegistered: what the agent is told is in the kernel at once, outlives a boot, and is repaired.
func TestRegistered(t *testing.T) {
	h := newHost(t)
	if a := h.register("203.0.113.7", "6001", time.Hour); a.Known != 1 || a.Problem != "" || a.Listed || h.listed != 0 {
		t.Errorf("%+v", a)
	}
	if a := h.register("2a00::7", "6002", time.Hour); a.Known != 2 || a.Problem != "" {
		t.Errorf("%+v", a)
	}
	const ago = 2 * time.Hour
	h.tell(Request{Phones: []Seen{{Addr: netip.MustParseAddr("198.51.100.9"), Account: "6003", Transport: "tls", Since: time.Now().Add(-2 * ago), Until: time.Now().Add(-ago)}}})
	all, both := "198.51.100.9 203.0.113.7 2a00::7", "203.0.113.7 2a00::7"
	h.wants("told", all, both)
	if live, err := h.kernel.Known(h.cfg.KnownSet, cidr.IPv4); err != nil || (live[cidr.MustParsePrefix("203.0.113.7")]-2*time.Hour).Abs() > time.Minute {
		t.Errorf("%v, %v", live, err)
	}

	// Nothing is wrong, so nothing is changed.
	if found := h.settle(); found != nil {
		t.Errorf("found %q", found)
	}
	h.ipset("flush", "voip_known")
	if found := h.settle(); len(found) != 1 || !strings.Contains(found[0], "voip_known lacked") {
		t.Errorf("found %q", found)
	}
	h.ipset("add", "voip_known", "9.9.9.9")
	if found := h.settle(); len(found) != 1 || !strings.Contains(found[0], "had 1 address of no phone or trunk") {
		t.Errorf("found %q", found)
	}
	h.ipset("destroy", "voip_known6")
	if found := h.settle(); found != nil {
		t.Errorf("without a set that no rule names: found %q", found)
	}
	h.makeSets()
	dry, err := Settle(t.Context(), h.cfg, h.kernel, "test", time.Second, true)
	if len(dry) != 1 || err != nil || dry[0] != "the set voip_known6 lacked 1 address of phones and trunks" {
		t.Errorf("found %q, %v", dry, err)
	}
	if live, err := h.kernel.Known("voip_known6", cidr.IPv6); len(live) != 0 || err != nil {
		t.Errorf("a dry run has filled it: %v, %v", live, err)
	}
	h.settle()
	h.wants("repaired", all, both)

	// A boot loses the sets and the run folder.
	if err := errors.Join(os.Remove(h.file(h.cfg.RunDir)), testns.Unshare()); err != nil {
		t.Fatal(err)
	}
	if h.kernel, err = ipsetsync.Open(); err != nil {
		t.Fatal(err)
	}
	defer h.kernel.Close()
	h.makeSets()
	h.settle()
	h.wants("booted", all, both)

	// The state folder is lost: the run folder has it.
	h.register("203.0.113.8", "6004", time.Hour)
	if err := os.Remove(h.file(h.cfg.StateDir)); err != nil {
		t.Fatal(err)
	}
	h.wants("without the state folder", "198.51.100.9 203.0.113.7 203.0.113.8 2a00::7", "203.0.113.7 203.0.113.8 2a00::7")
}

// TestBanIsStronger: a ban takes a phone off the list, and keeps it off.
func TestBanIsStronger(t *testing.T) {
	h := newHost(t)
	h.register("203.0.113.7", "6001", time.Hour)
	h.register("203.0.113.8", "6002", time.Hour)
	if _, err := h.kernel.EnsureOwnBanSet(h.cfg.BanSet, cidr.IPv4); err != nil {
		t.Fatal(err)
	}
	h.ipset("add", h.cfg.BanSet, "203.0.113.7")
	gone, err := Forget(t.Context(), h.cfg, "voipbl ban", []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}, time.Second)
	if len(gone) != 1 || gone[0].Account != "6001" || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	h.wants("banned", "203.0.113.8", "203.0.113.8")
	if a := h.register("203.0.113.7", "6001", time.Hour); len(a.Refused) != 1 || a.Refused[0].Why != "it is banned" || !a.Refused[0].Banned {
		t.Errorf("%+v", a)
	}
	h.wants("registered again", "203.0.113.8", "203.0.113.8")
	h.ipset("add", h.cfg.BanSet, "203.0.113.0/24") // such as one that the phone was cut out of
	if a := h.register("203.0.113.8", "6002", 2*time.Hour); len(a.Refused) != 0 {
		t.Errorf("a known phone: %+v", a)
	}
	if a := h.register("203.0.113.9", "6003", time.Hour); len(a.Refused) != 1 {
		t.Errorf("a new phone in a banned network: %+v", a)
	}
	if a := h.tell(Request{Forget: []netip.Prefix{netip.MustParsePrefix("203.0.113.8/32")}}); a.Forgot != 1 || a.Known != 0 {
		t.Errorf("%+v", a)
	}
	h.wants("forgotten", "", "")
}

// TestForgetWaits: a ban waits for a registration that is under way, although the list has no phone yet.
func TestForgetWaits(t *testing.T) {
	h := newHost(t)
	unlock, err := lock(t.Context(), h.cfg, "test", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := Forget(t.Context(), h.cfg, "voipbl ban", []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}, time.Millisecond); !errors.As(err, new(*state.LockedError)) {
		t.Errorf("it did not wait: %v", err)
	}
}

// TestListedPhone: an apply is asked for as long as a list blocks a phone, and only then.
func TestListedPhone(t *testing.T) {
	h := newHost(t)
	h.ipset("create", h.cfg.Set, "hash:net", "counters")
	h.ipset("add", h.cfg.Set, "203.0.113.0/24")
	for n, want := range []int{0, 1, 2, 3} {
		addr := []string{"198.51.100.7", "203.0.113.7", "203.0.113.7", "203.0.113.8"}[n]
		if a := h.register(addr, "6001", time.Hour); h.listed != want || a.Listed != (n > 0) {
			t.Errorf("%s, number %d: %+v, asked for %d", addr, n+1, a, h.listed)
		}
	}
}

// TestForeignSet: a set that somebody else made is left alone, and phones are known all the same.
func TestForeignSet(t *testing.T) {
	h := newHost(t)
	h.ipset("destroy", "voip_known")
	h.ipset("create", "voip_known", "hash:ip", "timeout", "0") // as fail2ban makes its sets
	h.ipset("add", "voip_known", "9.9.9.9")
	a := h.register("203.0.113.7", "6001", time.Hour)
	if a.Known != 1 || !strings.Contains(a.Problem, "voip_known is not one that voipbl made") {
		t.Errorf("%+v", a)
	}
	h.register("2a00::7", "6001", time.Hour)
	h.wants("beside a foreign set", "203.0.113.7 2a00::7", "2a00::7 9.9.9.9")
}

// TestDamaged: a damaged copy does no harm; if both are, that is said, once, and a new list begins.
func TestDamaged(t *testing.T) {
	h := newHost(t)
	h.register("203.0.113.7", "6001", time.Hour)
	damage := func(dir string) {
		t.Helper()
		text, err := os.ReadFile(h.file(dir))
		if err == nil {
			err = os.WriteFile(h.file(dir), bytes.Replace(text, []byte("203"), []byte("204"), 1), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	damage(h.cfg.RunDir)
	h.wants("a damaged copy", "203.0.113.7", "203.0.113.7")
	damage(h.cfg.StateDir)
	l, p := Read(h.cfg)
	if len(l.Phones) != 0 || p == nil || !strings.Contains(p.Error, "cannot be read") || !strings.Contains(p.Remedy, "voipbl sync") {
		t.Errorf("%v, %+v", l.Phones, p)
	}
	note, err := Mend(t.Context(), h.cfg, "test", time.Second)
	if err != nil || !strings.Contains(note, "is kept under another name") {
		t.Errorf("%q, %v", note, err)
	}
	if note, err := Mend(t.Context(), h.cfg, "test", time.Second); note != "" || err != nil {
		t.Errorf("again: %q, %v", note, err)
	}
	h.settle()
	h.wants("mended", "", "")
	if aside, err := filepath.Glob(h.file(h.cfg.StateDir) + "*"); len(aside) != 2 || err != nil {
		t.Errorf("kept: %q, %v", aside, err)
	}
	h.register("203.0.113.8", "6001", time.Hour)
	h.wants("registered again", "203.0.113.8", "203.0.113.8")
}

// TestDiskIsSpared: a renewed registration does not write to the disk, until the copy there is old.
func TestDiskIsSpared(t *testing.T) {
	h := newHost(t)
	h.register("203.0.113.7", "6001", time.Hour)
	written := func() string {
		text, err := os.ReadFile(h.file(h.cfg.StateDir))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := written()
	h.register("203.0.113.7", "6001", 2*time.Hour)
	if written() != first {
		t.Error("a renewed registration is written to the disk")
	}
	if l, _ := Read(h.cfg); l.Phones[0].Left < time.Hour {
		t.Errorf("and not known: %v", l.Phones)
	}
	b := read(h.cfg, state.Clock())
	late := b.At(b.Written.After(keepEvery))
	if !b.due(h.cfg, late) || b.due(h.cfg, b.At(b.Written.After(keepEvery-time.Minute))) {
		t.Error("an old copy is not written, or one that is not old")
	}
	h.register("203.0.113.8", "6001", time.Hour)
	if written() == first {
		t.Error("a new phone is not written to the disk")
	}
}

// mountState gives the state folder a disk of its own, which the returned function makes read-only, or
// ends that.
func (h *host) mountState() (readOnly func(bool)) {
	h.Helper()
	must := func(err error) {
		h.Helper()
		if err != nil {
			h.Fatal(err)
		}
	}
	must(unix.Unshare(unix.CLONE_NEWNS)) // this thread's, which ends with the test
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	h.cfg.StateDir = h.TempDir()
	must(unix.Mount("tmpfs", h.cfg.StateDir, "tmpfs", 0, "mode=750"))
	h.Cleanup(func() { unix.Unmount(h.cfg.StateDir, unix.MNT_DETACH) })
	return func(is bool) {
		h.Helper()
		flags := uintptr(unix.MS_REMOUNT)
		if is {
			flags |= unix.MS_RDONLY
		}
		must(unix.Mount("", h.cfg.StateDir, "", flags, ""))
	}
}

// TestUnkept: what could not be written into the state folder is said, until that is right again: also
// by what has happened meanwhile.
func TestUnkept(t *testing.T) {
	h := newHost(t)
	readOnly := h.mountState()
	s := &Server{Cfg: h.config, Trunks: func() {}}
	h.register("203.0.113.7", "6001", time.Hour)
	readOnly(true)
	if a := h.register("203.0.113.8", "6002", time.Hour); a.Problem == "" || a.Undone {
		t.Errorf("%+v", a)
	}
	if w := h.posted(s.ServeTrunks, `{"trunks": [{"host": "9.9.9.9"}]}`); strings.Count(w.Body.String(), h.cfg.StateDir) != 1 || strings.Contains(w.Body.String(), "undone") {
		t.Errorf("%s", w.Body)
	}
	if p := Unkept(h.cfg); p == nil || !strings.Contains(p.Error, "some registered phones and trunks are") {
		t.Errorf("%+v", p)
	}
	if gone, err := Forget(t.Context(), h.cfg, "test", []netip.Prefix{netip.MustParsePrefix("203.0.113.8/32")}, time.Second); len(gone) != 1 || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	readOnly(false)
	h.settle()
	if p := Unkept(h.cfg); p != nil {
		t.Errorf("the copy in the state folder has the list as it is: %+v", p)
	}
	h.wants("written down", "203.0.113.7", "203.0.113.7 9.9.9.9")
}

// TestSwitchedOff: one key turns all of it off. The list is kept, for whoever bans attackers.
func TestSwitchedOff(t *testing.T) {
	h := newHost(t)
	h.register("203.0.113.7", "6001", time.Hour)
	h.cfg.PBX.TrustRegistered = false
	h.register("203.0.113.9", "6002", time.Hour)
	if l, p := Read(h.cfg); len(l.Phones) != 0 || p != nil {
		t.Errorf("%v, %v", l, p)
	}
	if l, p := ReadAll(h.cfg); len(l.Phones) != 2 || p != nil {
		t.Errorf("what bans attackers does not know the phones: %v, %v", l, p)
	}
	if found := h.settle(); found != nil {
		t.Errorf("found %q", found)
	}
	if gone, err := Forget(t.Context(), h.cfg, "voipbl ban", []netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")}, time.Minute); err != nil || len(gone) != 1 {
		t.Errorf("%v, %v", gone, err)
	}
	h.cfg.PBX.TrustRegistered, h.cfg.Firewall.Base = true, false
	h.register("203.0.113.8", "6001", time.Hour)
	h.wants("without base rules", "203.0.113.7 203.0.113.8", "203.0.113.7")
}

// TestHostileRequest: what is no request is refused, and changes nothing.
func TestHostileRequest(t *testing.T) {
	h := newHost(t)
	for what, text := range map[string]string{
		"nothing":    "",
		"no JSON":    "phones",
		"a megabyte": `{"phones": [{"account": "` + strings.Repeat("a", maxBody) + `"}]}`,
		"a network":  `{"phones": [{"addr": "203.0.113.0/24", "account": "a", "transport": "udp", "since": "2026-03-04T05:06:07Z", "until": "2026-03-04T05:06:07Z"}]}`,
		"no account": `{"phones": [{"addr": "203.0.113.7", "transport": "udp", "since": "2026-03-04T05:06:07Z", "until": "2026-03-04T05:06:07Z"}]}`,
	} {
		if code := h.post([]byte(text), nil); code != http.StatusBadRequest {
			t.Errorf("%s: %d", what, code)
		}
	}
	h.wants("hostile requests", "", "")
	if _, err := os.Stat(h.file(h.cfg.RunDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is written: %v", err)
	}
}
