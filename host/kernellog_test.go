package host

import (
	"os"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
)

func TestLogsByLeaveIsCertain(t *testing.T) {
	for _, c := range []struct {
		release          string
		loggers, noLeave bool
		want             bool
	}{
		{"6.1.0-18-amd64", true, true, true},
		{"6.1.0-18-amd64", true, false, false},  // the first network namespace
		{"6.1.0-18-amd64", false, true, false},  // /proc shows nothing of netfilter
		{"6.1.0-18-amd64", false, false, false}, // nor can it be looked at
		{"4.11.0", true, true, true},
		{"4.10.17", true, true, false}, // too old to have it anywhere
		{"3.10.0-1160.el7.x86_64", true, true, false},
		{"5.4", true, true, true},
		{"odd", true, true, false},
		{"", true, true, false},
	} {
		if got := logsByLeave(c.release, c.loggers, c.noLeave); got != c.want {
			t.Errorf("%q, nf_log %t, no nf_log_all_netns %t: %t", c.release, c.loggers, c.noLeave, got)
		}
	}
}

// TestLogsByLeaveInANamespace: it is certain in a namespace that the test has entered, whoever
// mounted /proc. It is not in the first namespace, that of the kernel's threads.
func TestLogsByLeaveInANamespace(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if first, err := os.Readlink("/proc/2/ns/net"); err == nil && own == first && LogsByLeave() {
		t.Error("the first network namespace is taken for another one")
	}
	testns.Enter(t)
	if !LogsByLeave() {
		t.Error("a network namespace of its own is not seen")
	}
}
