package testroot

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testskip"
)

// Enter builds a root, and returns a thread that has it mounted, in the network namespace of the
// calling goroutine, with this machine's /dev and /proc and with binds (the path here: the path
// in the root). Then it calls prepare in the thread, which ends with the test. Without root the test
// is skipped.
func Enter(t testing.TB, recipe Recipe, binds map[string]string, prepare func() error) *Thread {
	t.Helper()
	testskip.UnlessRoot(t)
	lower, err := Build(t.Logf, recipe)
	if err != nil {
		t.Fatal("build a root: ", err)
	}
	namespace, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer namespace.Close()
	thread := NewThread()
	t.Cleanup(thread.End)
	err = thread.Do(func() error {
		return errors.Join(netns.Set(namespace), mountWith(lower, binds), prepare())
	})
	if err != nil {
		t.Fatal("prepare the root: ", err)
	}
	return thread
}

// mountWith is Mount with binds.
func mountWith(lower string, binds map[string]string) error {
	if err := Mount(lower); err != nil {
		return err
	}
	bind := func(from, to string) error {
		if err := unix.Mount(from, Mounted+to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mount %s: %w", to, err)
		}
		return nil
	}
	err := errors.Join(bind("/dev", "/dev"), bind("/proc", "/proc"))
	for from, to := range binds {
		err = errors.Join(err, bind(from, to))
	}
	return err
}
