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
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/state"
)

// pbxSide is the end of the agent's socket at which the process that watches the PBX would be.
type pbxSide struct {
	*runningAgent
	runDir string
}

func (p *pbxSide) ban(addrs ...string) (a bans.SeenAnswer, err error) { return p.asks(true, addrs...) }

func (p *pbxSide) asks(proved bool, addrs ...string) (a bans.SeenAnswer, err error) {
	var r bans.SeenRequest
	for _, addr := range addrs {
		r.Bans = append(r.Bans, bans.Seen{Addr: netip.MustParseAddr(addr), For: time.Hour, Evidence: "3 wrong passwords, proved", Proved: proved, Failures: 3})
	}
	err = state.TellPBX(p.t.Context(), p.runDir, bans.SeenPath, 20*time.Second, r, &a)
	return a, err
}

func (p *pbxSide) register(addr string) (a known.Answer, err error) {
	now := time.Now()
	r := known.Request{Phones: []known.Seen{{Addr: netip.MustParseAddr(addr), Account: "6001", Transport: "udp", Since: now, Until: now.Add(time.Hour)}}}
	err = state.TellPBX(p.t.Context(), p.runDir, known.Path, 20*time.Second, r, &a)
	return a, err
}

func (p *pbxSide) dial() net.Conn {
	p.t.Helper()
	c, err := net.Dial("unix", filepath.Join(p.runDir, state.PBXSocket))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

// answered sends text and returns the status of the answer; 0 if the agent hangs up.
func (p *pbxSide) answered(text io.Reader) int {
	p.t.Helper()
	c := p.dial()
	defer c.Close()
	if _, err := io.Copy(c, text); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		p.t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	r.Body.Close()
	return r.StatusCode
}

// TestPBXSocket: the process that watches the PBX can have attackers banned and phones known, and
// nothing else, whatever it sends. The agent does all its other work meanwhile.
func TestPBXSocket(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	feed := h.nearFeed()
	const settings = "allow: [203.0.113.0/24]\nreport: {enabled: true, url: \"http://127.0.0.1:9\", insecure: true}\n"
	r := h.startAgent(h.configure(settings, feed))
	r.told("READY=1", time.Minute)
	p := &pbxSide{r, filepath.Join(h.dir, "run")}

	a, err := p.ban("6.6.6.6", "203.0.113.7", "2a00:9::7")
	if err != nil || a.Banned != 2 || len(a.Refused) != 1 || a.Problem != nil {
		t.Errorf("%v: %+v", err, a)
	}
	if k := h.kernelBans(); len(k) != 2 || !k["6.6.6.6"] || !k["2a00:9::/64"] {
		t.Errorf("the kernel has %v", k)
	}
	if out, _ := r.voipbl("bans"); strings.Count(out, " seen by voipbl: 3 wrong passwords, proved\n") != 2 {
		t.Errorf("%s", out)
	}
	if out, _ := r.voipbl("check", "6.6.6.6"); !strings.Contains(out, ": seen by voipbl: 3 wrong passwords, proved") {
		t.Errorf("%s", out)
	}

	t.Log("proved attackers are reported, and once if fail2ban reports them too")
	if a, err := p.asks(false, "6.6.6.9"); err != nil || a.Banned != 1 {
		t.Errorf("%v: %+v", err, a)
	}
	if a, err := p.ban("6.6.6.10"); err != nil || a.Banned != 1 {
		t.Errorf("%v: %+v", err, a)
	}
	reports := func() (out string) { out, _ = r.voipbl("report", "--list"); return out }
	h.eventually("the attackers wait to be reported", time.Minute, func() bool { return strings.HasPrefix(reports(), "3 waiting") })
	if out, code := r.voipbl("report", "6.6.6.6", "--count", "12"); code != 0 || !strings.HasPrefix(out, "6.6.6.6 waits") {
		t.Errorf("%d: %s", code, out)
	}
	if out := reports(); !strings.HasPrefix(out, "3 waiting") || !lines(out, `^6\.6\.6\.6 +ban +12 `, `^2a00:9::7 +ban +3 `, `^6\.6\.6\.10 +ban +3 `) {
		t.Errorf("%s", out)
	}
	if out, code := r.voipbl("unban", "6.6.6.10"); code != 0 || !strings.HasPrefix(reports(), "2 waiting") {
		t.Errorf("%d: %s%s", code, out, reports())
	}
	if out, code := r.voipbl("unban", "6.6.6.9"); code != 0 {
		t.Errorf("%d: %s", code, out)
	}
	if a, err := p.register("198.51.100.7"); err != nil || a.Known != 1 {
		t.Errorf("%v: %+v", err, a)
	}
	if a, err := p.register("6.6.6.6"); err != nil || a.Known != 1 || len(a.Refused) != 1 {
		t.Errorf("a banned phone: %v: %+v", err, a)
	}
	if a, err := p.ban("198.51.100.7"); err != nil || a.Banned != 1 {
		t.Errorf("%v: %+v", err, a)
	}
	if l, unread := known.Read(config.Config{RunDir: p.runDir, StateDir: filepath.Join(h.dir, "state"), PBX: config.PBX{TrustRegistered: true}}); len(l.Phones) != 0 || unread != nil {
		t.Errorf("%v: %+v", unread, l.Phones)
	}

	t.Log("other settings are told as soon as they are in force")
	tell := func(path string, what, v any) {
		if err := state.TellPBX(t.Context(), p.runDir, path, link.ChangeWait/2, what, v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	var had, has link.Settings
	var change, banned link.Change
	tell(link.SettingsPath, nil, &had)
	none := r.descriptors()
	changed := make(chan bool)
	go func() {
		defer close(changed)
		tell(link.ChangePath, link.Serial{Serial: had.Serial(), NextBan: had.NextBan}, &change)
	}()
	h.eventually("the question waits", time.Minute, func() bool { return r.descriptors() > none })
	h.configure(settings+"pbx: {traps: {extensions: [\"999\"]}}\n", feed)
	if out, code := r.voipbl("reload"); code != 0 {
		t.Errorf("%d: %s", code, out)
	}
	<-changed
	tell(link.SettingsPath, nil, &has)
	if !slices.Equal(has.Traps.Extensions, []string{"999"}) || change.Serial.Serial != has.Serial() || len(change.Banned) > 0 {
		t.Errorf("%+v, %+v", has, change)
	}

	if out, code := r.voipbl("ban", "6.6.6.12"); code != 0 {
		t.Errorf("%d: %s", code, out)
	}
	tell(link.ChangePath, change.Serial, &banned)
	if len(banned.Banned) != 1 || banned.Banned[0].String() != "6.6.6.12/32" || banned.Missed {
		t.Errorf("%+v", banned)
	}

	t.Log("trunks, which are exempt at once, few at a time")
	var trunks known.TrunkAnswer
	ask := known.TrunkRequest{Trunks: []known.SeenTrunk{{Host: "9.9.9.10", Account: "me"}, {Host: "0.0.0.0/0"}, {Host: "6.6.6.0/24"}}}
	if err := state.TellPBX(t.Context(), p.runDir, known.TrunksPath, 20*time.Second, ask, &trunks); err != nil || trunks != (known.TrunkAnswer{}) {
		t.Errorf("%v: %+v", err, trunks)
	}
	if a, err := p.ban("9.9.9.10", "6.6.6.11"); err != nil || a.Banned != 1 || len(a.Refused) != 1 || !a.Refused[0].Exempt {
		t.Errorf("%v: %+v", err, a)
	}
	refused := 0
	for range 100 {
		if p.answered(strings.NewReader("POST "+known.TrunksPath+" HTTP/1.1\r\nHost: agent\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")) == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 50 {
		t.Errorf("%d of 100 requests about trunks were refused", refused)
	}

	t.Log("what only root may ask for")
	for _, line := range []string{
		"GET " + state.StatusPath, "GET " + state.ConfigPath, "GET /rules", "POST " + state.ReloadPath, "POST " + bans.Path,
		"POST " + state.AllowedPath, "GET " + bans.SeenPath, "GET " + known.Path, "GET " + known.TrunksPath, "DELETE " + bans.SeenPath, "POST /", "POST /ban/../bans", "POST //bans",
	} {
		code := p.answered(strings.NewReader(line + " HTTP/1.1\r\nHost: agent\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"))
		if code != http.StatusNotFound && code != http.StatusMethodNotAllowed && code/100 != 3 {
			t.Errorf("%s: %d", line, code)
		}
	}

	t.Log("what is no request")
	post := func(body string) io.Reader {
		return strings.NewReader(fmt.Sprintf("POST /ban HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	for what, text := range map[string]io.Reader{
		"nothing in it":      post(""),
		"not JSON":           post("\x00\xff"),
		"another type":       post(`{"bans": "all"}`),
		"a network":          post(`{"bans": [{"addr": "0.0.0.0/0", "for": 3600000000000, "evidence": "x"}]}`),
		"deep":               post(strings.Repeat("[", 60_000)),
		"a long number":      post(`{"bans": [{"addr": "6.6.6.7", "for": 1` + strings.Repeat("0", 1000) + `, "evidence": "x"}]}`),
		"too many":           post(`{"bans": [` + strings.Repeat("{},", 1000) + `{}]}`),
		"huge":               io.MultiReader(strings.NewReader("POST /ban HTTP/1.1\r\nHost: agent\r\nContent-Length: 300000000\r\n\r\n"), strings.NewReader(strings.Repeat(" ", 300_000_000))),
		"huge, of phones":    io.MultiReader(strings.NewReader("POST /phones HTTP/1.1\r\nHost: agent\r\nContent-Length: 300000000\r\n\r\n"), strings.NewReader(strings.Repeat(" ", 300_000_000))),
		"huge, of trunks":    io.MultiReader(strings.NewReader("POST /trunks HTTP/1.1\r\nHost: agent\r\nContent-Length: 300000000\r\n\r\n"), strings.NewReader(strings.Repeat(" ", 300_000_000))),
		"a length that lies": strings.NewReader("POST /ban HTTP/1.1\r\nHost: agent\r\nContent-Length: 18446744073709551615\r\n\r\n{}"),
		"endless headers":    strings.NewReader("POST /ban HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 100_000)),
		"no HTTP":            strings.NewReader(strings.Repeat("INVITE sip:x SIP/2.0\r\n", 1000)),
	} {
		if code := p.answered(text); code/100 != 4 && code != 0 {
			t.Errorf("%s: %d", what, code)
		}
	}

	t.Log("a thousand connections, of which each says a part, and no more")
	before := r.descriptors()
	var open []net.Conn
	const part = "POST /ban HTTP/1.1\r\nHost: agent\r\nContent-Length: 100\r\n\r\n{\"bans\": ["
	for i := range 1000 {
		c := p.dial()
		io.WriteString(c, part[:len(part)-i%len(part)])
		open = append(open, c)
	}
	if n := r.descriptors(); n > before+10 {
		t.Errorf("the agent has %d descriptors, and had %d", n, before)
	}
	if out, code := r.voipbl("ban", "9.9.9.9"); code != 0 {
		t.Errorf("%d: %s", code, out)
	}
	if s := r.status(); s.Agent == nil || s.AgentError != nil {
		t.Errorf("%+v", s)
	}
	if !h.kernelBans()["9.9.9.9"] {
		t.Error("not banned")
	}
	for _, c := range open[4:] { // as many as the agent has at a time stay open, and end all the same
		c.Close()
	}
	if a, err := p.ban("6.6.6.8"); err != nil || a.Banned != 1 {
		t.Errorf("afterwards: %v: %+v", err, a)
	}
}

// lines reports whether each pattern matches some line.
func lines(text string, patterns ...string) bool {
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(text) {
			return false
		}
	}
	return true
}

// descriptors is how many files and sockets the agent has open.
func (r *runningAgent) descriptors() int {
	r.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(open)
}
