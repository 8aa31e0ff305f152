package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
)

func TestLock(t *testing.T) {
	dir := t.TempDir() + "/run"
	unlock, err := Lock(t.Context(), dir, MainLock, "voipbl test", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lock(t.Context(), dir, MainLock, "second", 10*time.Millisecond, nil)
	var locked *LockedError
	if !errors.As(err, &locked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d (voipbl test) since ", os.Getpid())) || locked.Remedy() == "" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(ctx, dir, MainLock, "canceled", time.Minute, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waiting := make(chan error)
	go func() {
		unlock, err := Lock(t.Context(), dir, MainLock, "third", time.Minute, nil)
		if err == nil {
			unlock()
		}
		waiting <- err
	}()
	unlock()
	if err := <-waiting; err != nil {
		t.Errorf("waited for the lock: %v", err)
	}
}

func TestLockIsNotFollowedThroughALink(t *testing.T) {
	dir := t.TempDir()
	target := dir + "/target"
	os.WriteFile(target, []byte("precious"), 0o644)
	os.Symlink(target, dir+"/lock")
	if _, err := Lock(t.Context(), dir, MainLock, "x", 0, nil); err == nil {
		t.Error("a symbolic link was taken for the lock")
	}
	if text, _ := os.ReadFile(target); string(text) != "precious" {
		t.Errorf("the link's target is now %q", text)
	}
}

// TestKeepAgentAway: while sets and rules are removed no agent starts, and the process
// that removes them is not taken for an agent that does not answer.
func TestKeepAgentAway(t *testing.T) {
	cfg := config.Default()
	cfg.RunDir = t.TempDir()
	done, err := KeepAgentAway(t.Context(), cfg, "voipbl remove")
	if err != nil {
		t.Fatal(err)
	}
	if who, runs, err := AgentRuns(cfg); runs || err != nil {
		t.Errorf("agent %q runs: %v, %v", who, runs, err)
	}
	if _, err := HoldAgent(t.Context(), cfg, "voipbl run"); !errors.As(err, new(*AgentRunningError)) {
		t.Errorf("an agent starts: %v", err)
	}
	done()
	hold, err := HoldAgent(t.Context(), cfg, "voipbl run")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	if _, err := KeepAgentAway(t.Context(), cfg, "voipbl remove"); !errors.As(err, new(*AgentRunningError)) {
		t.Errorf("beside an agent: %v", err)
	}
}

// TestAgentHoldsLock: who waits for a lock that an agent holds which does not answer is told
// what ends that, and so is who asks the agent.
func TestAgentHoldsLock(t *testing.T) {
	cfg := config.Default()
	cfg.RunDir = t.TempDir()
	lock := func(name string) (unlock func(), err error) {
		return Lock(t.Context(), cfg.RunDir, name, "voipbl run", time.Millisecond, nil)
	}
	unlock, err := lock(RulesLock)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, err := lock(RulesLock); !errors.As(err, &locked) || locked.Agent || strings.Contains(locked.Remedy(), "systemctl") {
		t.Errorf("without an agent: %v", err)
	}
	hold, err := HoldAgent(t.Context(), cfg, "voipbl run")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	if _, err := lock(RulesLock); !errors.As(err, &locked) || !strings.Contains(locked.Remedy(), "systemctl restart voipbl") {
		t.Errorf("held by the agent: %v", err)
	}
	var silent *SilentAgentError
	if err := Ask(t.Context(), cfg, time.Second, "GET", StatusPath, new(AgentStatus)); !errors.As(err, &silent) || !strings.Contains(err.Error(), "other commands wait for rules.lock") {
		t.Errorf("asked while it holds a lock: %v", err)
	}
	unlock()
	if err := Ask(t.Context(), cfg, time.Second, "GET", StatusPath, new(AgentStatus)); !errors.As(err, &silent) || silent.Holds != nil {
		t.Errorf("asked after that: %v", err)
	}
}
