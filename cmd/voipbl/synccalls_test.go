package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testskip"
)

// callsGuarded are the kinds of system calls that tests bound, in the order of callLimits. Others, such as
// a thread's sleep until it may go on, depend on what else the machine does.
var callsGuarded = []testfault.Kind{
	testfault.Open, testfault.Write, testfault.Fsync, testfault.Rename, testfault.Socket,
	testfault.Send, testfault.Receive, testfault.Fork, testfault.Exec, testfault.Tool,
}

// callLimits is how many calls of each kind there may be.
type callLimits [10]int

// hold holds a command to limits, for its calls since before.
func (most callLimits) hold(t *testing.T, what string, cmd *testfault.Command, before callLimits) {
	t.Helper()
	now := callsOf(cmd)
	for i, k := range callsGuarded {
		if n := now[i] - before[i]; n > most[i] {
			t.Errorf("%s: %d calls of the kind %q, not at most %d", what, n, k, most[i])
		}
	}
}

// callsOf is how many calls there were up to now.
func callsOf(cmd *testfault.Command) (n callLimits) {
	for i, k := range callsGuarded {
		n[i] = cmd.Calls(k)
	}
	return n
}

// TestSyncCalls counts what a sync costs whatever the clock says: the system calls of the whole process,
// its messages to the kernel among them, and the tools that it runs. Fewer are welcome; more need a reason.
func TestSyncCalls(t *testing.T) {
	testskip.UnlessRoot(t)
	h := newFaultHost(t, faultVerb{name: "sync", config: "old"}) // with an older list in force
	for _, c := range []struct {
		what   string
		before string
		most   callLimits // some more than there are; of files without those of other processes
	}{
		{"changed", "", callLimits{150, 14, 11, 7, 13, 61, 135, 4, 4, 20}},
		{"unchanged", "", callLimits{150, 8, 3, 2, 13, 49, 120, 4, 4, 20}},
		{"cold", "remove", callLimits{175, 12, 11, 6, 13, 96, 205, 8, 6, 66}},
	} {
		if c.before != "" {
			h.must("old", c.before)
		}
		cmd := testfault.Counting("voipbl", h.arguments("old", []string{"sync"})...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, h.environment(false)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%s: %v: %s", c.what, err, &out)
		}
		t.Logf("%s: %v: %v", c.what, callsGuarded, callsOf(cmd))
		c.most[slices.Index(callsGuarded, testfault.Open)] += lookedAt(t)
		c.most.hold(t, c.what, cmd, callLimits{})
	}
}
