package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// memberSide is the end of the agent's socket at which the process that talks with the hub would be.
type memberSide struct {
	*runningAgent
	runDir string
}

// inFleet are the lines of a configuration for a host in a fleet.
const inFleet = "fleet: {hub: [\"tls://45.9.9.9:4222\"], creds: %s/fleet.creds%s}\n"

// startInFleet starts an agent whose host is in a fleet, with these keys and other settings.
func startInFleet(t *testing.T, keys, settings string) *memberSide {
	h := newHost(t, "nft")
	feed := h.nearFeed()
	r := h.startAgent(h.configure(fmt.Sprintf(inFleet, h.dir, keys)+settings, feed))
	r.told("READY=1", time.Minute)
	return &memberSide{r, filepath.Join(h.dir, "run")}
}

func (f *memberSide) tell(path string, what, v any) {
	f.t.Helper()
	if err := state.TellFleet(f.t.Context(), f.runDir, path, link.ChangeWait, what, v); err != nil {
		f.t.Errorf("%s: %v", path, err)
	}
}

// says has others ban addresses.
func (f *memberSide) says(addrs ...string) (a link.Answer) {
	f.t.Helper()
	var o link.Others
	for _, addr := range addrs {
		o.Add = append(o.Add, link.Ban{Addr: netip.MustParseAddr(addr), Left: time.Hour, Why: "fail2ban asterisk", By: []string{"acme_pbx7", "zeta_pbx1"}})
	}
	f.tell(link.OthersPath, o, &a)
	return a
}

// unsays takes such bans back.
func (f *memberSide) unsays(addrs ...string) (a link.Answer) {
	f.t.Helper()
	var o link.Others
	for _, addr := range addrs {
		o.Remove = append(o.Remove, netip.MustParseAddr(addr))
	}
	f.tell(link.OthersPath, o, &a)
	return a
}

func (f *memberSide) wantRefused(a link.Answer, want string) {
	f.t.Helper()
	var got []string
	for _, r := range a.Refused {
		got = append(got, r.Addr.String()+" "+r.Why)
	}
	if text := strings.Join(got, ", "); text != want || a.Problem != "" || a.Undone {
		f.t.Errorf("refused %q, not %q: %+v", text, want, a)
	}
}

// wantKernel compares what the sets of bans have.
func (f *memberSide) wantKernel(what string, want ...string) {
	f.t.Helper()
	got := f.kernelBans()
	for _, w := range want {
		if !got[w] {
			f.t.Errorf("%s: %s is not blocked", what, w)
		}
	}
	if len(got) != len(want) {
		f.t.Errorf("%s: %v, not %v", what, got, want)
	}
}

func (f *memberSide) must(args ...string) string {
	f.t.Helper()
	out, code := f.voipbl(args...)
	if code != 0 {
		f.t.Errorf("voipbl %s: %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// again starts the agent anew after a signal.
func (f *memberSide) again(sig syscall.Signal) {
	f.t.Helper()
	f.end(sig)
	f.runningAgent = f.startAgent(f.config)
	f.told("READY=1", time.Minute)
}

func (f *memberSide) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("unix", filepath.Join(f.runDir, state.FleetSocket))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

// answered sends text and returns the status of the answer; 0 if the agent hangs up.
func (f *memberSide) answered(text io.Reader) int {
	f.t.Helper()
	c := f.dial()
	defer c.Close()
	if _, err := io.Copy(c, text); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		f.t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	r.Body.Close()
	return r.StatusCode
}

// TestFleetBans: bans of others are in force, shown, survive the agent, and go where an admin, or the configuration,
// wants none of them. Bans of this host stay whatever the fleet says.
func TestFleetBans(t *testing.T) {
	t.Parallel()
	f := startInFleet(t, ", most: 100", "allow: [45.8.0.0/16]\n")
	f.wantRefused(f.says("45.1.2.3", "45.1.2.4", "45.8.0.7", "127.0.0.1", "192.168.1.7", "2a00:9::", "2a00:9::7"), "45.8.0.7 exempt, 127.0.0.1 odd, 192.168.1.7 odd, 2a00:9::7 odd")
	f.wantRefused(f.says("45.9.9.9"), "45.9.9.9 exempt") // the hub
	f.wantKernel("banned", "45.1.2.3", "45.1.2.4", "2a00:9::/64")
	if out := f.must("bans"); strings.Count(out, " fleet: acme_pbx7, zeta_pbx1: fail2ban asterisk\n") != 3 {
		t.Errorf("%s", out)
	}
	if out := f.must("check", "45.1.2.3"); !strings.Contains(out, "fleet: acme_pbx7, zeta_pbx1: fail2ban asterisk") {
		t.Errorf("%s", out)
	}

	t.Log("by hand nobody makes such a ban")
	if out, code := f.voipbl("ban", "45.1.2.9", "--reason", "fleet"); code != 2 || !strings.Contains(out, "other hosts of the fleet") {
		t.Errorf("%d: %s", code, out)
	}

	t.Log("a ban of this host stays when that of the fleet goes")
	f.must("ban", "45.1.2.4")
	f.must("ban", "45.1.2.5")
	f.wantRefused(f.unsays("45.1.2.4", "45.1.2.5", "2a00:9::"), "")
	f.wantKernel("taken back", "45.1.2.3", "45.1.2.4", "45.1.2.5")

	t.Log("the agent is killed, and the bans go on")
	f.says("45.1.2.6")
	f.again(syscall.SIGKILL)
	f.wantKernel("a killed agent", "45.1.2.3", "45.1.2.4", "45.1.2.5", "45.1.2.6")
	var held link.Held
	f.tell(link.HeldPath, nil, &held)
	if len(held.Bans) != 2 || held.Bans[0].Left > time.Hour || held.Bans[0].Left < 50*time.Minute || !slices.Equal(held.Bans[0].By, []string{"acme_pbx7", "zeta_pbx1"}) {
		t.Errorf("%+v", held)
	}

	t.Log("a veto holds over a restart, and until a ban by hand")
	if out := f.must("unban", "45.1.2.3"); !strings.Contains(out, "for 24 hours the fleet does not ban 45.1.2.3 here") {
		t.Errorf("%s", out)
	}
	if out, code := f.voipbl("unban", "45.1.2.7"); code != 1 || !strings.Contains(out, "the fleet does not ban 45.1.2.7 here") {
		t.Errorf("%d: %s", code, out)
	}
	f.again(syscall.SIGTERM)
	f.wantRefused(f.says("45.1.2.3", "45.1.2.7"), "45.1.2.3 veto, 45.1.2.7 veto")
	f.must("ban", "45.1.2.3", "--for", "1h")
	f.wantRefused(f.says("45.1.2.3"), "")
	f.must("unban", "--all")
	f.wantKernel("nobody is banned")
	f.wantRefused(f.says("45.1.2.3", "45.1.2.6", "45.1.2.8"), "45.1.2.3 veto, 45.1.2.6 veto")

	t.Log("a registered phone is not banned")
	now := time.Now()
	var phones known.Answer
	phone := known.Request{Phones: []known.Seen{{Addr: netip.MustParseAddr("45.2.2.2"), Account: "6001", Transport: "udp", Since: now, Until: now.Add(time.Hour)}}}
	if err := state.TellPBX(t.Context(), f.runDir, known.Path, time.Minute, phone, &phones); err != nil {
		t.Fatal(err)
	}
	f.wantRefused(f.says("45.2.2.2"), "45.2.2.2 phone")

	t.Log("who becomes exempt is not blocked any more")
	f.must("allow", "45.1.2.8")
	f.eventually("the friend is let in", time.Minute, func() bool { return !f.kernelBans()["45.1.2.8"] })
	f.wantRefused(f.says("45.1.2.8"), "45.1.2.8 exempt")

	t.Log("without a hub no ban of the fleet stays")
	f.says("45.1.2.20", "45.1.2.21")
	f.must("ban", "45.1.2.21")
	feed := f.nearFeed()
	f.configure("", feed)
	f.must("reload")
	f.wantKernel("no fleet", "45.1.2.21")
	if a := f.says("45.1.2.20"); !a.Undone || a.Problem == "" {
		t.Errorf("%+v", a)
	}
	f.configure(fmt.Sprintf(inFleet, f.dir, ""), feed)
	f.must("reload")
	f.wantRefused(f.says("45.1.2.20"), "")
	f.end(syscall.SIGTERM)
	f.configure(fmt.Sprintf(inFleet, f.dir, ", accept: false"), feed)
	f.runningAgent = f.startAgent(f.config)
	f.told("READY=1", time.Minute)
	f.eventually("they are taken back at the start", time.Minute, func() bool { k := f.kernelBans(); return len(k) == 1 && k["45.1.2.21"] })
}

// TestFleetFullDisk: what cannot be written down is in force, and said.
func TestFleetFullDisk(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	folder := filepath.Join(h.dir, "state")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	h.must("mount", "-t", "tmpfs", "-o", "size=256k,mode=750", "tmpfs", folder)
	t.Cleanup(func() { h.run("umount", "-l", folder) })
	r := h.startAgent(h.configure(fmt.Sprintf(inFleet, h.dir, ""), h.nearFeed()))
	r.told("READY=1", time.Minute)
	f := &memberSide{r, filepath.Join(h.dir, "run")}
	f.wantRefused(f.says("45.1.2.3"), "")
	if out, err := os.Create(filepath.Join(folder, "full")); err == nil {
		io.Copy(out, io.LimitReader(zeros{}, 1<<20)) // until there is no room
		out.Close()
	}
	var many []string
	for i := range 200 { // more than the rest of a page has room for
		many = append(many, fmt.Sprintf("45.3.0.%d", i))
	}
	a := f.says(many...)
	if a.Problem == "" || a.Undone || len(a.Refused) > 0 || len(f.kernelBans()) != 201 {
		t.Errorf("%+v, %d in the kernel", a, len(f.kernelBans()))
	}
	if s, _ := f.voipbl("status"); !strings.Contains(s, "some bans are in force and not written down") {
		t.Errorf("%s", s)
	}
	if err := os.Remove(filepath.Join(folder, "full")); err != nil {
		t.Fatal(err)
	}
	f.wantRefused(f.says("45.4.0.1"), "")
	f.again(syscall.SIGKILL)
	if n := len(f.listedBans()); n != 202 {
		t.Errorf("%d bans after a restart", n)
	}
}

// zeros is a file of zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFleetSocket: the process learns its settings and this host's own bans, and of each change at once. It can
// have attackers banned, and nothing else, whatever it sends; the agent does all its other work meanwhile.
func TestFleetSocket(t *testing.T) {
	t.Parallel()
	f := startInFleet(t, ", trust: [acme]", "")
	creds := filepath.Join(f.dir, "fleet.creds")

	t.Log("settings, and credentials")
	var had, has link.Settings
	f.tell(link.SettingsPath, nil, &had)
	if had.Error == "" || had.Creds != "" || !slices.Equal(had.Hubs, []string{"tls://45.9.9.9:4222"}) || !slices.Equal(had.Trust, []string{"acme"}) || had.Agree != 2 || had.Longest != 24*time.Hour || had.Instance == "" {
		t.Errorf("%+v", had)
	}
	f.tell(link.HealthPath, link.Health{Since: time.Now().Add(-time.Hour), Error: "waits\x1b[2J"}, new(struct{}))
	if s := f.status(); s.Fleet == nil || len(s.Fleet.Problems) != 1 || !strings.Contains(s.Fleet.Problems[0].Error, "fleet.creds does not exist") || s.Agent.Fleet.Health.Error != "waits?[2J" && strings.Contains(s.Agent.Fleet.Health.Error, "\x1b") {
		t.Errorf("%+v", s.Fleet)
	}
	writeFile(t, creds, "the credentials")
	for what, spoil := range map[string]func() error{
		"readable by others": func() error { return os.Chmod(creds, 0o644) },
		"somebody else's":    func() error { return errors.Join(os.Chmod(creds, 0o600), os.Chown(creds, 65534, 0)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if f.tell(link.SettingsPath, nil, &has); has.Error == "" || has.Creds != "" {
			t.Errorf("%s: %+v", what, has)
		}
	}
	if err := errors.Join(os.Chown(creds, 0, 0), os.Chmod(creds, 0o600)); err != nil {
		t.Fatal(err)
	}
	has = link.Settings{}
	if f.tell(link.SettingsPath, nil, &has); has.Error != "" || has.Creds != "the credentials" || has.Instance != had.Instance {
		t.Errorf("%+v", has)
	}

	t.Log("changes are told at once")
	var own link.Own
	f.tell(link.OwnPath, nil, &own)
	seen := link.Seen{Settings: has.Serial(), Own: own.Serial}
	for what, change := range map[string]func(){
		"a ban":          func() { f.must("ban", "45.1.2.3", "--reason", "by hand") },
		"other settings": func() { f.configure(fmt.Sprintf(inFleet, f.dir, ", agree: 3"), f.nearFeed()); f.must("reload") },
	} {
		none := f.descriptors()
		var next link.Seen
		told := make(chan struct{})
		go func() {
			defer close(told)
			for next = seen; next.Settings == seen.Settings && next.Own == seen.Own && !f.t.Failed(); { // the host's status changes, too
				f.tell(link.ChangePath, next, &next)
			}
		}()
		f.eventually("the question waits", time.Minute, func() bool { return f.descriptors() > none })
		change()
		<-told
		t.Log(what, "is told")
		seen = next
	}
	f.tell(link.OwnPath, nil, &own)
	if len(own.Bans) != 1 || own.Bans[0].Why != "by hand" || own.Bans[0].Addr.String() != "45.1.2.3" || own.Serial != seen.Own {
		t.Errorf("%+v", own)
	}

	t.Log("what only root may ask for")
	for _, line := range []string{
		"GET " + state.StatusPath, "GET " + state.ConfigPath, "GET /rules", "POST " + state.ReloadPath, "POST " + bans.Path, "POST " + bans.SeenPath, "POST " + known.Path,
		"POST " + state.AllowedPath, "GET " + link.OthersPath, "GET " + link.SettingsPath, "DELETE " + link.OthersPath, "POST /", "POST /others/../bans", "POST //bans",
	} {
		code := f.answered(strings.NewReader(line + " HTTP/1.1\r\nHost: agent\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"))
		if code != http.StatusNotFound && code != http.StatusMethodNotAllowed && code/100 != 3 {
			t.Errorf("%s: %d", line, code)
		}
	}

	t.Log("what is no request")
	post := func(path, body string) io.Reader {
		return strings.NewReader(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body))
	}
	huge := func(path string) io.Reader {
		return io.MultiReader(strings.NewReader("POST "+path+" HTTP/1.1\r\nHost: agent\r\nContent-Length: 300000000\r\n\r\n"), strings.NewReader(strings.Repeat(" ", 300_000_000)))
	}
	for what, text := range map[string]io.Reader{
		"nothing in it": post(link.OthersPath, ""), "nothing to do": post(link.OthersPath, "{}"), "not JSON": post(link.OthersPath, "\x00\xff"), "another type": post(link.OthersPath, `{"add": "all"}`),
		"a network":       post(link.OthersPath, `{"add": [{"addr": "0.0.0.0/0", "left": 3600000000000, "why": "x", "by": ["a_b"]}]}`),
		"deep":            post(link.OthersPath, strings.Repeat("[", 60_000)),
		"a long number":   post(link.OthersPath, `{"add": [{"addr": "6.6.6.7", "left": 1`+strings.Repeat("0", 1000)+`, "why": "x", "by": ["a_b"]}]}`),
		"too many":        post(link.OthersPath, `{"add": [`+strings.Repeat("{},", link.MostInRequest)+`{}]}`),
		"health, no JSON": post(link.HealthPath, "x"), "changes, no JSON": post(link.ChangePath, "x"),
		"huge": huge(link.OthersPath), "huge health": huge(link.HealthPath), "huge changes": huge(link.ChangePath),
		"a length that lies": strings.NewReader("POST /others HTTP/1.1\r\nHost: agent\r\nContent-Length: 18446744073709551615\r\n\r\n{}"),
		"endless headers":    strings.NewReader("POST /others HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 100_000)),
		"no HTTP":            strings.NewReader(strings.Repeat("PUB v1.ban.a_b.0 1\r\n", 1000)),
	} {
		if code := f.answered(text); code/100 != 4 && code != 0 {
			t.Errorf("%s: %d", what, code)
		}
	}
	f.wantKernel("nothing of that", "45.1.2.3")

	t.Log("a thousand connections, of which each says a part, and no more")
	before := f.descriptors()
	var open []net.Conn
	const part = "POST /others HTTP/1.1\r\nHost: agent\r\nContent-Length: 100\r\n\r\n{\"add\": ["
	for i := range 1000 {
		c := f.dial()
		io.WriteString(c, part[:len(part)-i%len(part)])
		open = append(open, c)
	}
	if n := f.descriptors(); n > before+10 {
		t.Errorf("the agent has %d descriptors, and had %d", n, before)
	}
	f.must("ban", "9.9.9.9")
	f.wantKernel("the agent does its work", "45.1.2.3", "9.9.9.9")
	for _, c := range open[6:] { // as many as the agent has at a time stay open, and end all the same
		c.Close()
	}
	f.wantRefused(f.says("6.6.6.8"), "")
}
