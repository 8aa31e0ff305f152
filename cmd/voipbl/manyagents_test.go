package main

import (
	"fmt"
	"maps"
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

// TestManyAgents starts many agents for one run folder at once: one works, and each
// of the others says which that is and ends.
func TestManyAgents(t *testing.T) {
	t.Parallel()
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
	timeout := time.After(2 * time.Minute)
	for len(left) > 1 {
		select {
		case e := <-endings:
			delete(left, e.n)
			losers = append(losers, e.n)
			if exitCode(e.err) != exit.NotApplied {
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
		return code == exit.OK
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
	case <-time.After(time.Minute):
		t.Error("the survivor does not end")
	}
	h.must("ipset", "test", "voip_bl", "5.5.5.5")
}
