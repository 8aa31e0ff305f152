// Package testskip is the only place where tests are skipped: if they do not run as root,
// and so can neither use the kernel nor install missing tools. For root a missing tool is a
// failure.
package testskip

import (
	"os"
	"os/exec"
	"testing"
)

// UnlessRoot skips a test that needs root.
func UnlessRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can: run the tests as root")
	}
}

// Missing ends a test because something is missing that root can install.
func Missing(t testing.TB, what string) {
	t.Helper()
	UnlessRoot(t)
	t.Fatalf("%s: testdata/install.sh installs it", what)
}

// UnlessTool ends a test that needs a program if it is not installed.
func UnlessTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(t, err.Error())
	}
}
