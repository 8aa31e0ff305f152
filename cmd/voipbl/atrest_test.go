package main

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestAtRest counts what an agent does, of which nobody wants anything, from one of its checks to the
// next: how often it wakes up, and its system calls. Something that wakes it each second is found.
func TestAtRest(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	h := newFaultHost(t, faultVerb{name: "run", config: "old"})
	cmd, _ := h.startCounted("old")
	checks := func() int {
		entries, header := cmd.Asked("voip_bl")
		return entries + header
	}
	if !testpoll.Until(time.Minute, func() bool { return h.answers("old") }) {
		t.Fatal("the agent does not start")
	}
	next := func() (wakes int, calls callLimits) {
		t.Helper()
		last := checks()
		if !testpoll.Until(time.Minute, func() bool { return checks() > last }) {
			t.Fatal("the agent does not check the sets")
		}
		return cmd.Calls(testfault.Wait), callsOf(cmd)
	}
	wakes, before := next()
	again, calls := next()
	t.Logf("%d wake-ups, %v: %v to %v", again-wakes, callsGuarded, before, calls)
	if again-wakes > 8 {
		t.Errorf("it has woken up %d times for one check", again-wakes)
	}
	callLimits{25, 0, 0, 0, 10, 10, 20, 0, 0, 0}.hold(t, "a check", cmd, before)
}
