package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testskip"
)

// TestPBXSocketGroup: one group can connect to the socket, others cannot, and root need not have the
// right to give files away.
func TestPBXSocketGroup(t *testing.T) {
	testskip.UnlessRoot(t)
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	old := unix.Umask(0o177)
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket := listener.Addr().String()
	if err := letIn(socket, "nobody-is-in-this-group"); err != nil {
		t.Error(err)
	}
	connects := func(gid int) error {
		return as(gid, func() error {
			c, err := net.Dial("unix", socket)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	const nogroup = 65534
	if err := connects(nogroup); !errors.Is(err, unix.EACCES) {
		t.Errorf("before: %v", err)
	}
	let := make(chan error)
	go func() {
		runtime.LockOSThread() // its rights end with the goroutine
		var none [2]unix.CapUserData
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
		let <- errors.Join(err, letIn(socket, "nogroup"))
	}()
	if err := <-let; err != nil {
		t.Fatal(err)
	}
	if err := connects(nogroup); err != nil {
		t.Errorf("the group: %v", err)
	}
	if err := connects(nogroup - 1); !errors.Is(err, unix.EACCES) {
		t.Errorf("another group: %v", err)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
}

// as runs something as a user and group without any rights.
func as(gid int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
			done <- fmt.Errorf("setgroups: %w", e)
			return
		}
		for _, call := range [][2]uintptr{{unix.SYS_SETRESGID, uintptr(gid)}, {unix.SYS_SETRESUID, 65533}} {
			if _, _, e := unix.RawSyscall(call[0], call[1], call[1], call[1]); e != 0 {
				done <- fmt.Errorf("system call %d: %w", call[0], e)
				return
			}
		}
		done <- f()
	}()
	return <-done
}
