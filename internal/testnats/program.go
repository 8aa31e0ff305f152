package testnats

import (
	"path/filepath"
	"testing"

	"github.com/voipbl/voipbl/internal/testroot"
	"github.com/voipbl/voipbl/internal/testskip"
)

// path of the program, in each Debian. It is not in the PATH of ordinary users.
const path = "/usr/sbin/nats-server"

// Program is a server's program, with arguments before those of every server.
type Program []string

// Installed is the program of this machine.
func Installed(t testing.TB) Program {
	t.Helper()
	testskip.UnlessTool(t, path)
	return Program{path}
}

// Debian13 is the program of Debian 13, whatever is installed here. Without root the test is skipped.
func Debian13(t testing.TB) Program {
	t.Helper()
	testskip.UnlessRoot(t)
	root, err := testroot.Package("trixie", "nats-server")
	if err != nil {
		t.Fatal("fetch nats-server of Debian 13: ", err)
	}
	return Program{filepath.Join(root, path)} // it needs the C library only, and that of Debian 12 will do
}
