package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/testdata/genfeed"
)

const (
	warmUp      = 12 * time.Second
	abuseLength = 40 * time.Second
	abuseTick   = 20 * time.Millisecond // so SIGHUP comes fifty times a second
	recovery    = 15 * time.Second      // the agent's own promise about repairs

	// idleEnd is when the agent must have ended a connection that says nothing:
	// it waits ten seconds for a request.
	idleEnd = 15 * time.Second

	metricsAt   = "127.0.0.1:9617"
	commandWait = time.Minute // none takes nearly as long; one that hangs is a bug

	// A connection or two of the test itself may be open when it counts.
	spare = 3

	// What the agent may have gained after all the abuse.
	sparePercent, spareKiB = 30, 4 << 10
)

// TestAbuse does everything to the agent at once that a bad day may bring. In the
// end the kernel holds what the lists and bans say, nothing has leaked, and the
// agent, the same process, has nothing to complain about.
func TestAbuse(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes more than a minute")
	}
	a := newAbuse(t)
	// The first round is not measured: it makes the heap, the pools and the
	// connections that any round needs.
	a.attack(warmUp)
	warm := time.Now()
	a.settled()
	a.idleEnds(warm)
	before := a.least(4 * time.Second)
	t.Logf("after the warm-up: %+v", before)
	a.forget()

	a.attack(abuseLength)
	stopped := time.Now()
	a.settled()
	a.tell()
	a.idleEnds(stopped)
	a.sameAgent()

	var after footprint
	a.becomes("goroutines, descriptors and memory as before", 30*time.Second, func() string {
		after = a.least(2 * time.Second)
		switch {
		case after.goroutines > before.goroutines+spare, after.fds > before.fds+spare, after.rss > before.rss+before.rss*sparePercent/100+spareKiB:
			return fmt.Sprintf("before %+v, after %+v", before, after)
		}
		return ""
	})
	t.Logf("after the abuse, %v after its end: %+v", time.Since(stopped).Round(time.Second), after)
	a.checkLog()

	if err := a.agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-a.exit:
		if exitCode(err) != exitOK {
			t.Errorf("after SIGTERM the agent ends with %v:\n%s", err, a.lastLines())
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the agent does not end:\n%s", a.lastLines())
	}
	if found := a.wrong(); found != "" {
		t.Errorf("the agent has ended: %s", found)
	}
	if rules := a.rules(); !strings.Contains(rules, "-A INPUT -m set --match-set voip_bl src") {
		t.Errorf("the agent has ended, and the rule is gone:\n%s", rules)
	}
	a.must("voipbl", "--config", a.cfg, "firewall", "diff")
	a.checkLog()
}

// abuse is an agent at work on a host of the test's own, and what is done to it.
type abuse struct {
	*host
	cfg, log string
	agent    *exec.Cmd
	exit     chan error // of the agent
	server   *feedServer
	lists    []*versions // local files
	far      *versions   // from the feed server
	served   int         // the newest version of far that was asked for
	lanes    []*lane
	results  chan result
	running  int
	random   *rand.Rand

	banned   []netip.Addr // and not taken back
	nextBan  int
	nextLast int
	step     int

	silent []net.Conn // connections that say nothing, oldest first
	slow   []net.Conn // that ask for metrics and do not read
	kept   []net.Conn // that are left to the agent to end

	hangups, opened int
	metricsOK       int
	metricsBusy     int
	slowest         time.Duration // answer of the metrics
}

// lane is one kind of command, of which one runs at a time.
type lane struct {
	name  string
	every time.Duration // from one start to the next, at least
	next  func() job
	busy  bool
	last  time.Time

	count, failed int
	longest, all  time.Duration
}

// job is a command, and what to do when it has ended.
type job struct {
	args  []string
	codes []int // none of which is a failure
	then  func()
}

type result struct {
	*lane
	job
	out  string
	err  error
	took time.Duration
}

// versions is a list that changes all the time: two bodies alternate, and each
// version has a marker of its own, by which it is told in the kernel.
type versions struct {
	feed    int
	file    string
	inPlace bool // written as "cp" does it, not as an editor does
	bodies  [2]string
	n       int
	written time.Time
	seen    map[int]bool // versions whose marker was in the kernel
	from    int          // the version at which counting began
}

// The addresses that the test adds to generated lists: markers, and bans.
var markerSpace, banSpace = netip.MustParsePrefix("51.0.0.0/8"), netip.MustParsePrefix("52.0.0.0/8")

const markerSpace6 = "2a00:51:%x::%x"

func (v *versions) marker(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{51, byte(v.feed), byte(n >> 8), byte(n)})
}

func (v *versions) marker6(n int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf(markerSpace6, v.feed, n))
}

// text ends with the markers: who has read them has read everything.
func (v *versions) text(n int) string {
	return fmt.Sprintf("%s%s\n%s\n", v.bodies[n%2], v.marker(n), v.marker6(n))
}

// newVersions makes the two bodies, some thousand entries each.
func newVersions(t *testing.T, feed int, file string) *versions {
	t.Helper()
	v := &versions{feed: feed, file: file, seen: make(map[int]bool)}
	for i := range v.bodies {
		spec := genfeed.Default(3000 + 500*i)
		spec.Seed, spec.Bogons, spec.NoHeader = uint64(2*feed+i), 0, true
		var list, kept bytes.Buffer
		if _, err := genfeed.Write(&list, spec); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(list.String()) {
			if p, err := netip.ParsePrefix(strings.TrimSpace(line)); err == nil && !markerSpace.Overlaps(p) && !banSpace.Overlaps(p) {
				kept.WriteString(line)
			}
		}
		v.bodies[i] = kept.String()
	}
	return v
}

// newAbuse starts the agent and waits until the host is protected.
func newAbuse(t *testing.T) *abuse {
	t.Helper()
	testns.Enter(t)
	dir := t.TempDir()
	a := &abuse{
		host: &host{t: t, backend: "nft", dir: dir},
		cfg:  filepath.Join(dir, "voipbl.yaml"), log: filepath.Join(dir, "log"),
		results: make(chan result), random: rand.New(rand.NewPCG(1, 2)),
	}
	writeFile(t, a.cfg, fmt.Sprintf(`state_dir: %[1]s/state
run_dir: %[1]s/run
feeds:
  - {name: one, path: %[1]s/one}
  - {name: two, path: %[1]s/two}
  - {name: far, url: "http://127.0.0.1:8080/far", insecure: true, schedule: "@every 1m"}
firewall: {backend: nft}
metrics: {listen: "%[2]s"}
`, dir, metricsAt))
	var err error
	if a.server, err = startFeedServer(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.server.close)
	a.lists = []*versions{newVersions(t, 1, filepath.Join(dir, "one")), newVersions(t, 2, filepath.Join(dir, "two"))}
	a.lists[1].inPlace = true
	a.far = newVersions(t, 3, filepath.Join(dir, "far"))
	for _, v := range a.lists {
		a.rewrite(v)
	}
	a.offer()
	// On a host without any copy the agent says that the far list is stale, as long
	// as that was never fetched.
	a.must("voipbl", "--config", a.cfg, "sync")
	a.agent, a.exit = startAgent(a.host, a.cfg, a.log)
	t.Cleanup(func() {
		for _, c := range slices.Concat(a.silent, a.slow, a.kept) {
			c.Close()
		}
	})
	a.makeLanes()
	a.settled()
	return a
}

// startAgent starts "voipbl run" and tells on the channel when it has ended. It does
// not outlive the test, even if that is killed.
func startAgent(h *host, cfg, log string) (*exec.Cmd, chan error) {
	h.t.Helper()
	out, err := os.Create(log)
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("voipbl", "--config", cfg, "run")
	cmd.Stdout, cmd.Stderr = out, out
	// No systemd that this test itself may run under is to be spoken to.
	cmd.Env = append(os.Environ(), "JOURNAL_STREAM=", "NOTIFY_SOCKET=", "WATCHDOG_USEC=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	exit := make(chan error, 1)
	gone := make(chan struct{})
	go func() {
		exit <- cmd.Wait()
		close(gone)
	}()
	h.t.Cleanup(func() {
		cmd.Process.Kill()
		<-gone
	})
	return cmd, exit
}

// makeLanes are the commands that are given beside the agent.
func (a *abuse) makeLanes() {
	voipbl := func(args ...string) []string { return append([]string{"voipbl", "--config", a.cfg}, args...) }
	turn := 0
	a.lanes = []*lane{
		{name: "ban and unban", next: a.banOrUnban},
		{name: "ban --for 1s", every: 200 * time.Millisecond, next: func() job {
			a.nextLast++
			return job{args: voipbl("ban", ban(1, a.nextLast).String(), "--for", "1s")}
		}},
		// While rules are flushed the host may well be without protection.
		{name: "status", every: 100 * time.Millisecond, next: func() job {
			return job{args: voipbl("status"), codes: []int{exitNotProtected, exitStale}}
		}},
		{name: "check", every: 100 * time.Millisecond, next: func() job {
			return job{args: voipbl("check", a.lists[0].marker(a.lists[0].n).String()), codes: []int{exitNoneBlocked}}
		}},
		{name: "sync", every: time.Second, next: func() job {
			if turn++; turn%4 == 0 { // so that the far list changes more often than once a minute
				return job{args: voipbl("sync")}
			}
			return job{args: voipbl("sync", "--offline")}
		}},
		{name: "iptables -F", every: 700 * time.Millisecond, next: func() job {
			return job{args: []string{"iptables-nft", "-F", "INPUT"}}
		}},
		{name: "ipset del", every: 150 * time.Millisecond, next: func() job {
			lines := strings.Fields(a.lists[0].bodies[a.lists[0].n%2])
			// Where it is merged with a neighbour the kernel has no such entry.
			return job{args: []string{"ipset", "-exist", "del", "voip_bl", lines[a.random.IntN(len(lines))]}}
		}},
	}
}

// ban is an address that is banned; no two of them are neighbours.
func ban(kind, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{52, byte(kind), byte(n >> 7), byte(n << 1)})
}

// banOrUnban takes one back of three that it bans.
func (a *abuse) banOrUnban() job {
	if a.nextBan++; a.nextBan%3 == 0 && len(a.banned) > 0 {
		addr := a.banned[0]
		return job{args: []string{"voipbl", "--config", a.cfg, "unban", addr.String()}, then: func() { a.banned = a.banned[1:] }}
	}
	addr := ban(0, a.nextBan)
	return job{args: []string{"voipbl", "--config", a.cfg, "ban", addr.String()}, then: func() { a.banned = append(a.banned, addr) }}
}

// attack does it all for a time, and returns when what it has started has ended.
func (a *abuse) attack(length time.Duration) {
	a.t.Helper()
	tick := time.NewTicker(abuseTick)
	defer tick.Stop()
	for stop := time.Now().Add(length); time.Now().Before(stop); {
		select {
		case <-tick.C:
			a.round()
		case r := <-a.results:
			a.ended(r)
		case err := <-a.exit:
			a.t.Fatalf("the agent has ended: %v\n%s", err, a.lastLines())
		}
	}
	for a.running > 0 {
		a.ended(<-a.results) // each is killed when it takes too long
	}
	a.look()
	for _, c := range slices.Concat(a.silent, a.slow) {
		c.Close()
	}
	a.silent, a.slow = nil, nil
	// Of these it is the agent that has to get tired.
	for range 20 {
		a.kept = append(a.kept, a.dialControl(), a.dialMetrics("GET /metrics HTTP/1.1\r\nHost: half"))
	}
}

// round is one tick's worth of everything.
func (a *abuse) round() {
	a.t.Helper()
	a.step++
	if err := a.agent.Process.Signal(syscall.SIGHUP); err != nil {
		a.t.Fatal(err)
	}
	a.hangups++
	for _, v := range a.lists {
		if time.Since(v.written) >= time.Second {
			a.look()
			a.rewrite(v)
		}
	}
	if time.Since(a.far.written) >= 3*time.Second {
		a.look()
		a.offer()
	}
	if a.step%5 == 0 {
		a.look()
	}
	for _, l := range a.lanes {
		if !l.busy && time.Since(l.last) >= l.every {
			a.start(l)
		}
	}
	for range 4 {
		a.silent = append(a.silent, a.dialControl())
	}
	if a.step%10 == 0 {
		a.slow = append(a.slow, a.dialMetrics("GET /metrics HTTP/1.1\r\nHost: slow\r\n\r\n"), a.dialMetrics("GET /met"))
	}
	if a.step%25 == 0 {
		a.metrics()
	}
	a.silent = closeOldest(a.silent, 64)
	a.slow = closeOldest(a.slow, 24)
}

func closeOldest(conns []net.Conn, most int) []net.Conn {
	for ; len(conns) > most; conns = conns[1:] {
		conns[0].Close()
	}
	return conns
}

// start starts a command here, for the namespace is this goroutine's.
func (a *abuse) start(l *lane) {
	a.t.Helper()
	j := l.next()
	ctx, cancel := context.WithTimeout(context.Background(), commandWait)
	cmd := exec.CommandContext(ctx, j.args[0], j.args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		a.t.Fatal(err)
	}
	l.busy, l.last = true, time.Now()
	a.running++
	go func() {
		defer cancel()
		err := cmd.Wait()
		a.results <- result{l, j, out.String(), err, time.Since(l.last)}
	}()
}

func (a *abuse) ended(r result) {
	a.running--
	r.busy = false
	r.count++
	r.all += r.took
	r.longest = max(r.longest, r.took)
	if code := exitCode(r.err); code != exitOK && !slices.Contains(r.codes, code) {
		if r.failed++; r.failed <= 3 {
			a.t.Errorf("%s: %v after %v: %s", strings.Join(r.args, " "), r.err, r.took, r.out)
		}
		return
	}
	if r.then != nil {
		r.then()
	}
}

// rewrite writes the next version of a local list.
func (a *abuse) rewrite(v *versions) {
	a.t.Helper()
	v.n++
	v.written = time.Now()
	if v.inPlace {
		writeFile(a.t, v.file, v.text(v.n))
		return
	}
	writeFile(a.t, v.file+".new", v.text(v.n))
	if err := os.Rename(v.file+".new", v.file); err != nil {
		a.t.Fatal(err)
	}
}

// offer has the feed server give the next version of the far list. Each has a file
// of its own, so that an answer is always one version.
func (a *abuse) offer() {
	a.t.Helper()
	v := a.far
	file := fmt.Sprint(v.file, ".", v.n+1)
	writeFile(a.t, file, v.text(v.n+1))
	a.asked()
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	if a.server.count["far"] > 0 {
		a.served = v.n // between the two looks
	}
	v.n++
	v.written = time.Now()
	a.server.feeds["far"], a.server.count["far"] = behaviour{"ok", file}, 0
}

// asked takes note of whether the newest version of the far list was asked for.
func (a *abuse) asked() {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	if a.server.count["far"] > 0 {
		a.served = a.far.n
	}
}

// look looks for the newest versions in the kernel.
func (a *abuse) look() {
	a.t.Helper()
	a.asked()
	for _, v := range append([]*versions{a.far}, a.lists...) {
		n := v.n
		if v == a.far {
			n = a.served
		}
		if v.seen[n] {
			continue
		}
		if _, code := a.run("ipset", "-quiet", "test", "voip_bl", v.marker(n).String()); code == 0 {
			v.seen[n] = true
		}
	}
}

// forget begins to count anew.
func (a *abuse) forget() {
	for _, v := range append([]*versions{a.far}, a.lists...) {
		v.seen, v.from = make(map[int]bool), v.n
	}
	for _, l := range a.lanes {
		l.count, l.longest, l.all = 0, 0, 0
	}
	a.hangups, a.opened, a.metricsOK, a.metricsBusy, a.slowest = 0, 0, 0, 0, 0
}

// tell says how much there was of everything, and holds it to what proves something.
func (a *abuse) tell() {
	a.t.Helper()
	a.t.Logf("%d SIGHUPs; %d connections opened; metrics: %d answers, %d times busy, the slowest took %v; bans left: %d", a.hangups, a.opened, a.metricsOK, a.metricsBusy, a.slowest, len(a.banned))
	for _, l := range a.lanes {
		a.t.Logf("%s: %d, each took %v, the longest %v", l.name, l.count, (l.all / time.Duration(max(l.count, 1))).Round(time.Millisecond), l.longest.Round(time.Millisecond))
		if l.count < 3 {
			a.t.Errorf("%s: too few to prove anything", l.name)
		}
	}
	for _, v := range a.lists {
		written, seen := v.n-v.from, 0
		for n := range maps.Keys(v.seen) {
			if n > v.from {
				seen++
			}
		}
		a.t.Logf("list %d: %d versions written, %d seen in the kernel while they were the newest", v.feed, written, seen)
		if written < int(abuseLength.Seconds())/2 || seen*4 < written*3 {
			a.t.Errorf("list %d: %d of %d versions came into force", v.feed, seen, written)
		}
	}
	a.t.Logf("far list: %d versions offered, %d seen in the kernel", a.far.n-a.far.from, len(a.far.seen))
	if len(a.far.seen) == 0 {
		a.t.Error("the far list never came into force")
	}
	if a.metricsOK == 0 {
		a.t.Error("metrics never answered")
	}
}

func (a *abuse) dialControl() net.Conn {
	a.t.Helper()
	c, err := net.DialTimeout("unix", filepath.Join(a.dir, "run", "agent.sock"), 5*time.Second)
	if err != nil {
		a.t.Fatal(err)
	}
	a.opened++
	return c
}

// dialMetrics connects on this goroutine, for the namespace is its own, says
// something, and leaves little room for the answer.
func (a *abuse) dialMetrics(say string) net.Conn {
	a.t.Helper()
	c, err := net.DialTimeout("tcp", metricsAt, 5*time.Second)
	if err != nil {
		a.t.Fatal(err)
	}
	a.opened++
	c.(*net.TCPConn).SetReadBuffer(1)
	if _, err := io.WriteString(c, say); err != nil {
		a.t.Fatal(err)
	}
	return c
}

// metrics asks for them; it returns nil when the agent is busy with others.
func (a *abuse) metrics() map[string]float64 {
	a.t.Helper()
	start := time.Now()
	c, err := net.DialTimeout("tcp", metricsAt, 5*time.Second)
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
		a.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		a.t.Fatalf("metrics: %v after %v", err, time.Since(start))
	}
	a.slowest = max(a.slowest, time.Since(start))
	if !bytes.Contains(answer, []byte(" 200 OK\r\n")) {
		if !bytes.Contains(answer, []byte(" 503 ")) {
			a.t.Errorf("metrics: %s", answer)
		}
		a.metricsBusy++
		return nil
	}
	a.metricsOK++
	values := make(map[string]float64)
	for line := range strings.Lines(string(answer)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			values[name] = v
		}
	}
	return values
}

// footprint is what the agent takes of the machine; memory is in KiB.
type footprint struct{ goroutines, fds, rss, anon int }

func (a *abuse) footprint() (u footprint, ok bool) {
	a.t.Helper()
	m := a.metrics()
	if m == nil {
		return footprint{}, false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.agent.Process.Pid))
	if err != nil {
		a.t.Fatal(err)
	}
	kib := func(key string) int {
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == key+":" {
				n, _ := strconv.Atoi(f[1])
				return n
			}
		}
		a.t.Fatalf("no %s", key)
		return 0
	}
	return footprint{int(m["go_goroutines"]), int(m["process_open_fds"]), kib("VmRSS"), kib("RssAnon")}, true
}

// least is the least of each in a time: what is busy for a moment does not count.
func (a *abuse) least(window time.Duration) (low footprint) {
	a.t.Helper()
	poll := time.NewTicker(250 * time.Millisecond)
	defer poll.Stop()
	found := false
	for deadline := time.Now().Add(window); time.Now().Before(deadline) || !found; <-poll.C {
		if time.Now().After(deadline.Add(idleEnd)) {
			a.t.Fatal("metrics do not answer")
		}
		u, ok := a.footprint()
		switch {
		case !ok:
		case !found:
			low, found = u, true
		default:
			low = footprint{min(low.goroutines, u.goroutines), min(low.fds, u.fds), min(low.rss, u.rss), min(low.anon, u.anon)}
		}
	}
	return low
}

// becomes polls until nothing is wrong any more, and tells when that was.
func (a *abuse) becomes(what string, within time.Duration, wrong func() string) {
	a.t.Helper()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for start := time.Now(); ; <-poll.C {
		found := wrong()
		if found == "" {
			a.t.Logf("%s: after %v", what, time.Since(start).Round(10*time.Millisecond))
			return
		}
		if time.Since(start) > within {
			a.t.Fatalf("not within %s: %s: %s\n%s\n%s", within, what, found, a.rules(), a.lastLines())
		}
	}
}

// settled waits until everything is as it should be.
func (a *abuse) settled() {
	a.t.Helper()
	a.becomes("all in order", recovery, func() string {
		if found := a.wrong(); found != "" {
			return found
		}
		for _, args := range [][]string{{"firewall", "diff"}, {"status"}} {
			if out, code := a.run("voipbl", append([]string{"--config", a.cfg}, args...)...); code != exitOK {
				return fmt.Sprintf("%s ends with %d: %s", strings.Join(args, " "), code, out)
			}
		}
		return ""
	})
}

// wrong says what of the sets is not what the last versions and the bans say.
func (a *abuse) wrong() string {
	a.t.Helper()
	a.asked()
	texts := []string{a.far.text(a.served)}
	for _, v := range a.lists {
		texts = append(texts, v.text(v.n))
	}
	for _, b := range a.banned {
		texts = append(texts, b.String())
	}
	want := a.addresses(strings.Fields(strings.Join(texts, "\n")))
	out, code := a.run("ipset", "save")
	if code != 0 {
		return out
	}
	var entries []string
	for line := range strings.Lines(out) {
		switch f := strings.Fields(line); {
		case f[0] == "create" && f[1] != "voip_bl" && f[1] != "voip_bl6":
			return "a set is left over: " + f[1]
		case f[0] == "add":
			entries = append(entries, f[2])
		}
	}
	have := a.addresses(entries)
	var missing, extra []netip.Addr
	for addr := range want {
		if !have[addr] {
			missing = append(missing, addr)
		}
	}
	for addr := range have {
		if !want[addr] {
			extra = append(extra, addr)
		}
	}
	if len(missing)+len(extra) == 0 {
		return ""
	}
	some := func(addrs []netip.Addr) []netip.Addr {
		slices.SortFunc(addrs, netip.Addr.Compare)
		return addrs[:min(len(addrs), 5)]
	}
	return fmt.Sprintf("of %d addresses %d are missing: %v, and %d are too much: %v", len(want), len(missing), some(missing), len(extra), some(extra))
}

// addresses are all those of prefixes, so that it does not matter how they are merged.
func (a *abuse) addresses(texts []string) map[netip.Addr]bool {
	a.t.Helper()
	all := make(map[netip.Addr]bool)
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				a.t.Fatal(err)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().BitLen()-p.Bits() > 16 {
			a.t.Fatalf("%s is no entry of this test", p)
		}
		for addr := p.Masked().Addr(); p.Contains(addr); addr = addr.Next() {
			all[addr] = true
		}
	}
	return all
}

// idleEnds has the agent end the connections that were left to it.
func (a *abuse) idleEnds(stopped time.Time) {
	a.t.Helper()
	open, timeout := 0, net.Error(nil)
	for _, c := range a.kept {
		c.SetReadDeadline(stopped.Add(idleEnd))
		// Before the agent hangs up it may say why.
		if _, err := io.Copy(io.Discard, c); errors.As(err, &timeout) && timeout.Timeout() {
			open++
		}
		c.Close()
	}
	a.t.Logf("%d connections that say nothing, ended by the agent within %v", len(a.kept)-open, time.Since(stopped).Round(time.Second))
	if open > 0 {
		a.t.Errorf("%d of %d connections that say nothing are still open after %v", open, len(a.kept), idleEnd)
	}
	a.kept = nil
}

// sameAgent makes sure that nobody has taken the agent's place.
func (a *abuse) sameAgent() {
	a.t.Helper()
	select {
	case err := <-a.exit:
		a.t.Fatalf("the agent has ended: %v\n%s", err, a.lastLines())
	default:
	}
	if out := a.must("voipbl", "--config", a.cfg, "status", "--json"); !strings.Contains(out, fmt.Sprintf("\"pid\": %d,", a.agent.Process.Pid)) {
		a.t.Errorf("another agent answers than process %d: %s", a.agent.Process.Pid, out)
	}
}

// complaint is what must not be in the log: the agent's own, and the runtime's.
var complaint = regexp.MustCompile(`(?m)^.*(level=ERROR|panic|fatal error|DATA RACE|goroutine \d+).*$`)

func (a *abuse) checkLog() {
	a.t.Helper()
	text, err := os.ReadFile(a.log)
	if err != nil {
		a.t.Fatal(err)
	}
	if found := complaint.FindAllString(string(text), 10); found != nil {
		a.t.Errorf("in the log:\n%s", strings.Join(found, "\n"))
	}
	kinds := make(map[string]int)
	for _, m := range regexp.MustCompile(`level=WARN msg=("(?:[^"\\]|\\.)*"|\S+)`).FindAllStringSubmatch(string(text), -1) {
		kinds[m[1]]++
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		a.t.Logf("warned %d times: %s", kinds[kind], kind)
	}
}

// lastLines are the end of the agent's log.
func (a *abuse) lastLines() string {
	text, _ := os.ReadFile(a.log)
	lines := strings.SplitAfter(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "")
}

// TestManyAgents starts many agents for one run folder at once: one works, and each
// of the others says which that is and ends.
func TestManyAgents(t *testing.T) {
	const agents = 24
	testns.Enter(t)
	h := &host{t: t, backend: "nft", dir: t.TempDir()}
	cfg := filepath.Join(h.dir, "voipbl.yaml")
	writeFile(t, cfg, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\nfirewall: {backend: nft}\n", h.dir))
	writeFile(t, filepath.Join(h.dir, "list"), "5.5.5.5\n")

	type ending struct {
		n   int
		err error
	}
	endings := make(chan ending, agents)
	var started []*exec.Cmd
	logs := func(n int) string { return filepath.Join(h.dir, fmt.Sprint("log.", n)) }
	for n := range agents {
		cmd, exit := startAgent(h, cfg, logs(n))
		started = append(started, cmd)
		go func() { endings <- ending{n, <-exit} }()
	}
	left := make(map[int]bool)
	for n := range agents {
		left[n] = true
	}
	var losers []int
	timeout := time.After(30 * time.Second)
	for len(left) > 1 {
		select {
		case e := <-endings:
			delete(left, e.n)
			losers = append(losers, e.n)
			if exitCode(e.err) != exitNotApplied {
				t.Errorf("agent %d ends with %v", e.n, e.err)
			}
		case <-timeout:
			t.Fatalf("%d agents go on", len(left))
		}
	}
	survivor := slices.Collect(maps.Keys(left))[0]
	pid := started[survivor].Process.Pid
	for _, n := range losers {
		text, err := os.ReadFile(logs(n))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("the agent is running: process %d (voipbl run)", pid); !strings.Contains(string(text), want) {
			t.Errorf("agent %d does not say %q but:\n%s", n, want, text)
		}
	}

	h.eventually("the survivor protects", 15*time.Second, func() bool {
		_, code := h.run("voipbl", "--config", cfg, "status")
		return code == exitOK
	})
	h.must("ipset", "test", "voip_bl", "5.5.5.5")
	h.must("voipbl", "--config", cfg, "firewall", "diff")
	if out := h.must("voipbl", "--config", cfg, "status", "--json"); !strings.Contains(out, fmt.Sprintf("\"pid\": %d,", pid)) {
		t.Errorf("another agent answers than process %d: %s", pid, out)
	}
	select {
	case e := <-endings:
		t.Fatalf("the survivor has ended: %v", e.err)
	default:
	}
	if err := started[survivor].Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-endings:
		if e.err != nil {
			t.Errorf("after SIGTERM the survivor ends with %v", e.err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the survivor does not end")
	}
	h.must("ipset", "test", "voip_bl", "5.5.5.5")
}
