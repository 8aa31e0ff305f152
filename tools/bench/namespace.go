package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// restart runs this program again in namespaces of its own, with a folder for its files, which ends
// with it.
func restart(ctx context.Context, args []string) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can measure: it needs namespaces, ipset and iptables (sudo make bench)")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "voipbl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	cmd := exec.Command("unshare", append([]string{"--net", "--mount", self, "-work", work}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread() // the death of the thread that starts a process counts as its parent's
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		cmd.Process.Signal(syscall.SIGTERM)
	}()
	return cmd.Wait()
}

// enter mounts what the namespaces need: files in memory, so that no disk is measured, and a /run
// of their own for names of namespaces and for locks.
func enter(work string) error {
	for _, dir := range []string{work, "/run"} {
		if err := unix.Mount("bench", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("cannot mount a tmpfs at %s: %w", dir, err)
		}
	}
	return command("ip", "link", "set", "lo", "up")
}

// within runs a function on a thread in a network namespace. Sockets that it opens stay there.
func within(name string, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		result <- func() error {
			ns, err := os.Open(filepath.Join("/run/netns", name))
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("cannot enter the namespace %s: %w", name, err)
			}
			return f()
		}()
	}()
	return <-result
}
