// Package testhost gives a test a whole Debian with a real systemd, so that it
// can use units, timers and reboots. Where a network namespace is enough,
// testns is cheaper.
//
// The host has its own processes, network, firewall, sets and files, and no way
// out. Its disk is in memory, above a root that is built once and kept. It
// shares the kernel with the machine, so the clock and the kernel's modules are
// the machine's; commands have no right to change them.
//
// All of it is tied to the test's process, even to one that is killed: only an
// empty control group stays, which the next Boot removes.
package testhost

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testroot"
	"github.com/voipbl/voipbl/internal/testskip"
)

// Limits for what a busy machine may take; an idle one boots in a second, and is
// off in half of one. powerOffLimit is also what a service that does not stop
// costs before its host is killed.
const (
	bootLimit     = 2 * time.Minute
	commandLimit  = 2 * time.Minute
	rebootLimit   = 2 * time.Minute
	powerOffLimit = 20 * time.Second
)

// Host is a running Debian. Its methods are for the goroutine of the test, but
// for Command, which is for any.
type Host struct {
	t       testing.TB
	name    string
	thread  *testroot.Thread // holds the mounts, and is the parent of every boot
	boots   int
	denied  []string // options of systemd-nspawn that take rights away
	current atomic.Pointer[boot]
	console testroot.Console
}

// hosts counts the hosts of this process, for their names.
var hosts atomic.Int32

// Boot starts a Debian 12 with iptables, ipset and the packages named, and
// returns when systemd in it is up. The host goes when the test ends; if the test
// failed by then, the end of the host's journal is logged.
//
// The first Boot for a list of packages downloads them, which takes a minute or
// more, and keeps the root in a folder of the temporary one: delete it to have
// newer packages. Without root the test is skipped; as root a failure is a
// failure.
func Boot(t testing.TB, packages ...string) *Host {
	t.Helper()
	return BootSuite(t, suite, packages...)
}

// BootSuite is Boot for a suite of Debian, such as [Debian13].
func BootSuite(t testing.TB, suite string, packages ...string) *Host {
	t.Helper()
	return bootDenied(t, suite, nil, packages)
}

// BootWithoutMounts is BootSuite for a host on which nobody may mount anything, as in
// LXC without nesting: a namespace for mounts can be had, and nothing can be mounted there.
// systemd 257 does not boot so.
func BootWithoutMounts(t testing.TB, suite string, packages ...string) *Host {
	t.Helper()
	return bootDenied(t, suite, []string{"--system-call-filter=~@mount"}, packages)
}

// BootWithoutAdmin is BootSuite for a host on which nobody has CAP_SYS_ADMIN, and so no
// namespaces and no mounts.
func BootWithoutAdmin(t testing.TB, suite string, packages ...string) *Host {
	t.Helper()
	return bootDenied(t, suite, []string{"--drop-capability=CAP_SYS_ADMIN"}, packages)
}

func bootDenied(t testing.TB, suite string, denied, packages []string) *Host {
	t.Helper()
	testskip.UnlessRoot(t)
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		t.Fatal("systemd-nspawn is missing: install the package systemd-container")
	}
	lower, err := image(t.Logf, suite, packages)
	if err != nil {
		t.Fatal("build the host's root:", err)
	}
	h := &Host{
		t:      t,
		name:   fmt.Sprintf("%s%d-%d", namePrefix, os.Getpid(), hosts.Add(1)),
		thread: testroot.NewThread(),
		denied: denied,
	}
	t.Cleanup(h.thread.End)
	if err := h.thread.Do(func() error { return mount(lower) }); err != nil {
		t.Fatal("mount the host's root:", err)
	}
	if err := sweepCgroups(); err != nil {
		t.Fatal("remove the control groups of tests that were killed:", err)
	}
	t.Cleanup(h.powerOff)
	h.start()
	return h
}

// Reboot does what reboot(8) does and returns when the host is up again: its
// files are there, the kernel's sets and rules are not. A host that is down is
// only started.
func (h *Host) Reboot() {
	h.t.Helper()
	b := h.current.Load()
	if b.up() != nil {
		h.goDown(b)
	}
	if err := b.clean(); err != nil {
		h.t.Fatal("clean up after the host went down:", err)
	}
	h.start()
}

func (h *Host) goDown(b *boot) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), rebootLimit)
	defer cancel()
	// The command may be killed by its own success, so only the end counts.
	out, err := h.Command(ctx, "systemctl", "reboot").CombinedOutput()
	select {
	case <-b.done:
	case <-ctx.Done():
		h.t.Fatalf("the host did not go down in %v; systemctl reboot: %v\n%s", rebootLimit, err, out)
	}
	if code := b.state.ExitCode(); code != rebootCode {
		h.t.Fatalf("the host ended with %v instead of a reboot; its console:\n%s", b.state, h.console.Tail())
	}
}

// start boots and waits until systemd has nothing more to start.
func (h *Host) start() {
	h.t.Helper()
	h.boots++
	b, err := startBoot(h.thread, h.name, h.boots, h.denied, &h.console)
	if err != nil {
		h.t.Fatal("start the host:", err)
	}
	h.current.Store(b)
	ctx, cancel := context.WithTimeout(context.Background(), bootLimit)
	defer cancel()
	if err := b.waitUp(ctx); err != nil {
		h.t.Fatalf("boot the host: %v; its console:\n%s", err, h.console.Tail())
	}
	// It prints a state and fails with "degraded", which is up all the same.
	out, err := h.Command(ctx, "systemctl", "is-system-running", "--wait").CombinedOutput()
	switch state := strings.TrimSpace(string(out)); state {
	case "running":
	case "degraded":
		h.t.Logf("the host is up, without these units:\n%s", h.Must("systemctl", "--failed", "--plain", "--no-legend"))
	default:
		h.t.Fatalf("the host is %q, not running (%v); its console:\n%s", state, err, h.console.Tail())
	}
}

// powerOff ends the host in order, and by force if it takes too long.
func (h *Host) powerOff() {
	b := h.current.Load()
	if b == nil {
		return
	}
	if h.t.Failed() && b.up() != nil {
		h.t.Logf("the end of the host's journal:\n%s", h.journal())
	}
	if err := b.powerOff(powerOffLimit); err != nil {
		h.t.Error("power the host off:", err)
	}
}

func (h *Host) journal() string {
	ctx, cancel := context.WithTimeout(context.Background(), powerOffLimit)
	defer cancel()
	out, err := h.Command(ctx, "journalctl", "--no-pager", "--lines=60").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v; the console:\n%s", out, err, h.console.Tail())
	}
	return string(out)
}
