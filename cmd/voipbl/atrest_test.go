package main

import (
	"os/exec"
	"testing"
	"time"

	"github.com/voipbl/voipbl/blocklist"
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
		entries, header, _ := cmd.Asked("voip_bl")
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
	callLimits{25, 0, 0, 0, 0, 10, 20, 0, 0, 0}.hold(t, "a check", cmd, before)
}

// TestAtRestLarge: of a large set an agent at rest reads neither the entries nor the header at each
// check, for which the kernel goes through all entries. It asks for some of them, and so still sees that
// the set was emptied.
func TestAtRestLarge(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	h := newFaultHost(t, faultVerb{name: "run", config: "old"})
	h.offer("5.5.5.5\n", manyAddresses(blocklist.CheapHeader+1)+"6.6.6.9\n")
	cmd, _ := h.startCounted("old")
	asked := func(more int) bool {
		_, _, before := cmd.Asked("voip_bl")
		return testpoll.Until(time.Minute, func() bool { _, _, one := cmd.Asked("voip_bl"); return one >= before+more })
	}
	if !asked(1) {
		t.Fatal("it never asks for an entry")
	}
	entries, header, _ := cmd.Asked("voip_bl")
	if !asked(40) { // there are fewer in one check
		t.Fatal("it does not ask for entries again")
	}
	nowEntries, nowHeader, _ := cmd.Asked("voip_bl")
	if nowEntries != entries || nowHeader != header {
		t.Errorf("from a check to the next it has asked for %d sets of entries and %d headers", nowEntries-entries, nowHeader-header)
	}
	has := func() bool { return exec.Command("ipset", "test", "voip_bl", "6.6.6.9").Run() == nil }
	if !has() {
		t.Fatal("the set is not filled")
	}
	h.do("ipset flush voip_bl")
	if !testpoll.Until(time.Minute, has) {
		t.Error("nobody fills the set that was emptied")
	}
}
