// Package testskip is the only place where tests are skipped: for callers that are not root
// and so can neither use the kernel as the tests do nor install what they need. For root
// what is missing is a failure.
package testskip

import (
	"os"
	"os/exec"
	"testing"
)

// UnlessRoot skips a test of which only root can do all.
func UnlessRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can: run the tests as root")
	}
}

// Missing ends a test for want of something that root can install.
func Missing(t testing.TB, what string) {
	t.Helper()
	UnlessRoot(t)
	t.Fatalf("%s: testdata/install.sh installs it", what)
}

// UnlessTool ends a test that needs a program which is not there.
func UnlessTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(t, err.Error())
	}
}
