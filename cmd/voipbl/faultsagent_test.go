package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestFaultsInAgent is TestFaults for run: an agent starts after its local list
// and the place of its rules have changed, and one of its system calls fails, or that and all that follow.
// While it runs what is listed is dropped all the time. One failure costs no more
// than a repair: the new list is in force after it, by this agent. If calls fail on and on
// and it has ended, the one that systemd starts in its place does it. Whatever it could not do, a
// ban is in the kernel, and one sync mends all.
func TestFaultsInAgent(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	n := picks(t)
	var dry agentOutcome
	t.Run("none", func(t *testing.T) {
		dry = agentWithFault(t, testfault.Fault{}, nil)
	})
	if dry.calls == nil {
		t.FailNow()
	}
	eachFault(t, shareOfFaults(t, "run", dry.calls, n), func(t *testing.T, fault testfault.Fault) bool {
		return agentWithFault(t, fault, dry.healed).failed != ""
	})
}

type agentOutcome struct {
	calls  map[testfault.Kind]int
	failed string
	healed kernelText
}

func agentWithFault(t *testing.T, fault testfault.Fault, healed kernelText) agentOutcome {
	h := newFaultHost(t, faultVerb{name: "run", config: "moved"})
	cmd, exit := h.startUnder(fault)
	tell := func(format string, args ...any) {
		t.Helper()
		log, _ := os.ReadFile(filepath.Join(h.dir, "out"))
		t.Errorf("%s failed: "+format+"\n%s", append(append([]any{cmd.Failed()}, args...), log)...)
	}
	ended := false
	wait, most := testpoll.Until, time.Minute
	if fault.On { // it may never be
		wait, most = testpoll.For, 2*time.Second
	}
	inForce := wait(most, func() bool {
		now := h.kernel()
		if !now.drops() {
			tell("nothing is dropped")
			return true
		}
		select {
		case <-exit:
			ended = true
		default:
		}
		return ended || strings.Contains(now["set voip_bl"], "6.6.6.9")
	})
	if !inForce && !fault.On {
		tell("the agent goes on, and the new list is not in force")
	}
	if ended && !fault.On && !isKill(fault) {
		tell("one failing call has ended the agent")
	}
	if ended {
		// As systemd does.
		again, over := h.startUnder(testfault.Fault{})
		if !testpoll.Until(time.Minute, func() bool { return strings.Contains(h.kernel()["set voip_bl"], "6.6.6.9") }) {
			tell("the next agent does not put the new list in force")
		}
		defer func() { again.Process.Kill(); <-over }()
	}
	if out, _ := h.voipbl("moved", "ban", "--json", "8.8.8.8"); !strings.Contains(h.kernel()["set voip_ban"], "8.8.8.8") {
		tell("a ban is not in the kernel: %s", out)
	}
	if !ended {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := <-exit; err != nil && fault.N == 0 {
			t.Errorf("the agent ends with %v", err)
		}
	}
	if log, _ := os.ReadFile(filepath.Join(h.dir, "out")); strings.Contains(string(log), "\ngoroutine ") {
		tell("it crashed")
	}
	if !h.kernel().drops() {
		tell("nothing is dropped after its end")
	}
	o := agentOutcome{failed: cmd.Failed(), calls: map[testfault.Kind]int{}}
	for _, k := range testfault.Kinds {
		o.calls[k] = cmd.Calls(k)
	}
	if !ended {
		h.must("moved", "sync")
		o.healed = h.kernel()
		if diff := o.healed.beside(healed); healed != nil && diff != "" {
			tell("after a sync: %s", diff)
		}
	}
	return o
}

// startCounted starts an agent whose system calls are counted. exit gives what it ends with.
func (h *faultHost) startCounted(config string) (cmd *testfault.Command, exit chan error) {
	cmd = testfault.Counting("voipbl", h.arguments(config, []string{"run"})...)
	return cmd, h.start(cmd)
}

// answers reports whether the agent answers status.
func (h *faultHost) answers(config string) bool {
	text, _ := h.voipbl(config, "status")
	return strings.Contains(text, "running since")
}

// startUnder starts an agent under a fault. exit gives what it ends with.
func (h *faultHost) startUnder(fault testfault.Fault) (cmd *testfault.Command, exit chan error) {
	started := make(chan bool)
	if isKill(fault) {
		fault.At = func() { <-started; cmd.Process.Kill() }
	}
	cmd = testfault.New(fault, "voipbl", h.arguments("moved", []string{"run"})...)
	exit = h.start(cmd)
	close(started)
	return cmd, exit
}

func (h *faultHost) start(cmd *testfault.Command) (exit chan error) {
	cmd.Env = h.environment(false)
	out, err := os.OpenFile(filepath.Join(h.dir, "out"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { cmd.Process.Kill() })
	exit = make(chan error, 1)
	go func() { exit <- cmd.Wait() }()
	return exit
}
