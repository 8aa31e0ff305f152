// Package testns gives a test a network namespace of its own, so that it can
// use the real kernel and never touches the machine's firewall or sets.
package testns

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/procself"
	"github.com/voipbl/voipbl/internal/testskip"
)

// Enter moves the calling test into a new network namespace in which only the
// loopback interface exists, and it is up. Programs that the test starts and
// sockets that it opens are in it too. The namespace goes when the test ends.
//
// It holds for the calling goroutine alone: a subtest or a goroutine calls it
// itself. An ordinary user's test is in a user namespace, too, and skipped if there can be
// none; as root a failure is a failure.
func Enter(t testing.TB) {
	t.Helper()
	testskip.UnlessNamespaces(t)
	if err := Unshare(); err != nil {
		t.Fatal(err)
	}
}

// Unshare is Enter for those who have no [testing.TB].
func Unshare() error {
	// Never unlocked, so the thread ends with the goroutine and nothing
	// else ever runs in the namespace.
	runtime.LockOSThread()
	procself.Mixed()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new network namespace: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	return nil
}
