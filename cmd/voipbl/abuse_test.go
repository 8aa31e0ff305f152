package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testns"
)

const (
	warmUp      = 6 * time.Second
	abuseLength = 15 * time.Second
	abuseTick   = 20 * time.Millisecond // so SIGHUP comes fifty times a second
	recovery    = time.Minute           // the agent promises 15 s, on a machine that is not busy

	// idleEnd is when the agent must have ended a connection that says nothing:
	// it waits ten seconds for a request, and this machine may be busy.
	idleEnd = 40 * time.Second

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
		if exitCode(err) != exit.OK {
			t.Errorf("after SIGTERM the agent ends with %v:\n%s", err, a.lastLines())
		}
	case <-time.After(time.Minute):
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

// startAgent starts "voipbl run". The channel gets its error when it has ended. It does not outlive
// the test, even if the test is killed.
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
