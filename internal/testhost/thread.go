package testhost

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// thread is an operating system's thread that does only what it is given. It
// can have mounts of its own, and a process that it starts can be bound to its
// life. It has the machine's network namespace even if the goroutine that asks
// for it has entered another: the runtime makes new threads from a clean one.
type thread struct {
	work chan func()
}

func newThread() *thread {
	th := &thread{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the work
		for f := range th.work {
			f()
		}
	}()
	return th
}

// do runs f in the thread and waits for it.
func (th *thread) do(f func() error) error {
	err := make(chan error)
	th.work <- func() { err <- f() }
	return <-err
}

// end ends the thread, and with it all that is bound to it.
func (th *thread) end() { close(th.work) }

// The machine's /run is hidden from systemd-nspawn: it refuses to work without
// /run/systemd/system, and making that on the machine itself would let package
// scripts there believe that systemd runs.
const (
	runDir      = "/run"
	hostDir     = runDir + "/testhost"
	mountedRoot = hostDir + "/root"
)

// mountRoot gives the calling thread mounts of its own, in which mountedRoot is
// lower with a writable layer in memory. They go with the last process in them,
// however that ends.
func mountRoot(lower string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("new mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", runDir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("tmpfs on %s: %w", runDir, err)
	}
	upper, work := filepath.Join(hostDir, "upper"), filepath.Join(hostDir, "work")
	for _, dir := range []string{runDir + "/systemd/system", upper, work, mountedRoot} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)
	if err := unix.Mount("overlay", mountedRoot, "overlay", 0, options); err != nil {
		return fmt.Errorf("overlay with %s: %w", options, err)
	}
	return nil
}
