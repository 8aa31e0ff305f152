package main

import (
	"testing"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestSyncCalls counts what a sync costs whatever the clock says: messages to the kernel,
// and runs of tools. Fewer are welcome; more need a reason.
func TestSyncCalls(t *testing.T) {
	testskip.UnlessRoot(t)
	v := faultVerb{name: "sync", args: []string{"sync"}, config: "old"}
	h := newFaultHost(t, v) // with an older list in force
	for _, c := range []struct {
		what         string
		before       string
		sends, execs int // at most
	}{
		{"changed", "", 61, 4},
		{"unchanged", "", 49, 4},
		{"cold", "remove", 94, 6},
	} {
		if c.before != "" {
			h.must("old", c.before)
		}
		r := h.run(v, testfault.Fault{})
		if r.code != exit.OK {
			t.Fatalf("%s: it ends with %d: %s", c.what, r.code, r.text)
		}
		if sends, execs := r.calls[testfault.Send], r.calls[testfault.Exec]; sends > c.sends || execs > c.execs {
			t.Errorf("%s: %d messages to the kernel and %d tools, not at most %d and %d", c.what, sends, execs, c.sends, c.execs)
		}
	}
}
