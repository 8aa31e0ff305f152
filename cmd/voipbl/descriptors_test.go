package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestHalfOpenRequests leaves many requests to the metrics port half sent, under a limit
// of descriptors that is smaller than their number, and many connections to the socket.
// The agent goes on: it bans, repairs and answers, and takes little memory for them.
func TestHalfOpenRequests(t *testing.T) {
	testskip.UnlessRoot(t)
	const limit, half = 48, 2000
	h := newFaultHost(t, faultVerb{name: "run", config: "old"})
	cmd := exec.Command("prlimit", append([]string{fmt.Sprintf("--nofile=%d", limit), "voipbl"}, h.arguments("old", []string{"run"})...)...)
	cmd.Env = h.environment(false)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	answers := func() bool { return h.answers("old") }
	if !testpoll.Until(time.Minute, answers) {
		t.Fatal("the agent does not start")
	}
	idle := residentKiB(t, cmd.Process.Pid)

	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range half {
		c, err := net.DialTimeout("tcp", metricsAt, time.Second)
		if err != nil {
			break // the kernel's queue is full, too
		}
		io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: half")
		open = append(open, c)
	}
	if len(open) < 500 {
		t.Fatalf("only %d requests are half open", len(open))
	}
	if out, code := h.voipbl("old", "ban", "8.8.8.8"); code != exit.OK {
		t.Errorf("ban: exit %d: %s", code, out)
	}
	last, same := 0, 0
	if !testpoll.Until(time.Minute, func() bool { // it has taken as many as it will
		now := descriptors(t, cmd.Process.Pid)
		if same++; now != last {
			last, same = now, 0
		}
		return same == 20
	}) {
		t.Errorf("the agent goes on opening descriptors, and has %d", last)
	}
	h.do("iptables -F INPUT; ip6tables -F INPUT; ipset del voip_bl 5.5.5.5")
	if !testpoll.Until(time.Minute, func() bool {
		now := h.kernel()
		return now.drops() && strings.Contains(now["set voip_bl"], "5.5.5.5")
	}) {
		t.Errorf("nothing is put right:\n%s", out.String())
	}
	if !answers() {
		t.Error("status has no answer")
	}
	select {
	case err := <-end:
		t.Fatalf("the agent has ended: %v\n%s", err, out.String())
	default:
	}
	// With 12 KB for each it would be 24 MB.
	if more := residentKiB(t, cmd.Process.Pid) - idle; more > 16<<10 {
		t.Errorf("%d half-open requests take %d KiB", len(open), more)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := <-end; err != nil {
		t.Errorf("the agent ends with %v\n%s", err, out.String())
	}
}

// descriptors is how many descriptors a process has.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// residentKiB is how much memory a process has.
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// TestStartTriesAgain has the files fail that a start needs, once or for ever. Once costs
// nothing; for ever ends the agent with what failed, and never with "another is running".
func TestStartTriesAgain(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	for _, file := range []string{"agent.lock", "sets.lock", "rules.lock", "moved.yaml", "firewall.json", "near"} {
		for _, on := range []bool{false, true} {
			if on && file == "near" { // a list, whose last good copy is in force then
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", file, on), func(t *testing.T) {
				t.Parallel()
				fault := testfault.Fault{Kind: testfault.Open, N: 1, Errno: syscall.EMFILE, File: file, On: on}
				startWithFault(t, fault)
			})
		}
	}
}

func startWithFault(t *testing.T, fault testfault.Fault) {
	h := newFaultHost(t, faultVerb{name: "run", config: "moved"})
	cmd, exit := h.startUnder(fault)
	ended := false
	inForce := func() bool { return strings.Contains(h.kernel()["set voip_bl"], "6.6.6.9") }
	over := testpoll.Until(2*time.Minute, func() bool {
		select {
		case <-exit:
			ended = true
		default:
		}
		return ended || cmd.Failed() != "" && inForce()
	})
	log, err := os.ReadFile(filepath.Join(h.dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(log)
	switch {
	case cmd.Failed() == "":
		t.Errorf("nothing failed: %s", text)
	case !over:
		t.Errorf("%s: it neither protects nor ends: %s", cmd.Failed(), text)
	case ended && !fault.On:
		t.Errorf("%s: it has ended: %s", cmd.Failed(), text)
	case ended && (!strings.Contains(text, "too many open files") || !strings.Contains(text, "LimitNOFILE")):
		t.Errorf("%s: it does not say why: %s", cmd.Failed(), text)
	case strings.Contains(text, "is running:") || strings.Contains(text, "the agent's lock is gone"):
		t.Errorf("%s: it says that another runs: %s", cmd.Failed(), text)
	case !h.kernel().drops():
		t.Errorf("%s: nothing is dropped: %s", cmd.Failed(), text)
	}
	if !ended {
		cmd.Process.Signal(syscall.SIGTERM)
		<-exit
	}
}
