package testns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/voipbl/voipbl/internal/testskip"
)

// init starts the test program of an ordinary user again, as root of a user namespace and of
// a network namespace in it. Where the user may not have one it goes on, and tests that need
// it are skipped.
func init() {
	// "go test" gives this to each test program. Those that tests start are left alone.
	if !testing.Testing() || !slices.Contains(os.Args, "-test.paniconexit0") {
		return
	}
	if os.Geteuid() != 0 {
		becomeRoot()
	} else if testskip.Namespaced() {
		if _, err := linkUp("lo"); err != nil {
			fmt.Fprintln(os.Stderr, "bring loopback up:", err)
			os.Exit(1)
		}
	}
}

func becomeRoot() {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	args := []string{unshare, "--user", "--map-root-user", "--net", "--"}
	if exec.Command(unshare, append(args[1:], "true")...).Run() != nil {
		return
	}
	// Debian has iptables, ipset and nft where only root's PATH leads to.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	// iptables' own is root's.
	dir, err := os.UserCacheDir()
	if err != nil || os.MkdirAll(dir, 0o700) != nil {
		dir = os.TempDir()
	}
	os.Setenv("XTABLES_LOCKFILE", filepath.Join(dir, "voipbl-xtables.lock"))
	err = syscall.Exec(unshare, slices.Concat(args, []string{self}, os.Args[1:]), os.Environ())
	fmt.Fprintf(os.Stderr, "start again by %s: %v\n", unshare, err)
	os.Exit(1)
}
