// Package testskip is the only place where tests are skipped: if they do not run as root,
// and so can neither use the kernel nor install missing tools. For root a missing tool is a
// failure.
//
// Most tests that use the kernel only need their own namespaces, which an ordinary user can
// have, too: see [github.com/voipbl/voipbl/internal/testns]. Tests that need more, such as
// other users or a whole host, are listed in tools/stages/stages.go, so that "make
// test-unit" does not run them.
package testskip

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// UnlessRoot skips a test that needs root of the machine.
func UnlessRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 || Namespaced() {
		t.Skip("only root can: run the tests as root")
	}
}

// UnlessNamespaces skips a test that needs root, of the machine or of a user namespace.
func UnlessNamespaces(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can, and this user may not be root of a user namespace: run the tests as root")
	}
}

// Namespaced reports whether the process is in a user namespace with only one user,
// such as an ordinary user can make.
func Namespaced() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	fields := bytes.Fields(ids)
	return err == nil && len(fields) == 3 && string(fields[2]) == "1"
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
