// Package testhost boots a whole Debian with a real systemd for a test, with units,
// timers and reboots. If a network namespace is enough, testns is cheaper.
//
// The host has its own processes, network, firewall, sets and files, and no way out.
// Its disk is in memory, above a root that is built once and kept. It shares the kernel
// with the machine, and so the clock and the kernel modules; commands cannot change
// those.
//
// The host ends with the test's process, even if that is killed. Only an empty control
// group stays, which the next Boot removes.
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

// Time limits for a busy machine; an idle one boots in a second and powers off in half
// a second. powerOffLimit is also how long a service that does not stop delays the end
// of its host.
const (
	bootLimit     = 2 * time.Minute
	commandLimit  = 2 * time.Minute
	rebootLimit   = 2 * time.Minute
	powerOffLimit = 20 * time.Second
)

// Host is a running Debian. Its methods are for the goroutine of the test, except
// Command, which any goroutine may call.
type Host struct {
	t       testing.TB
	name    string
	thread  *testroot.Thread // holds the mounts, and is the parent of every boot
	boots   int
	denied  []string // options of systemd-nspawn that remove rights
	more    []string // other options of systemd-nspawn
	current atomic.Pointer[boot]
	console testroot.Console
}

// hosts counts the hosts of this process, for their names.
var hosts atomic.Int32

// Boot starts a Debian 12 with iptables, ipset and the given packages, and returns when
// its systemd is up. The host ends with the test; if the test has failed, the end of
// the host's journal is logged.
//
// The first Boot with a list of packages downloads them, which takes a minute or more,
// and keeps the root in the temporary folder: delete it to get newer packages. Without
// root the test is skipped.
func Boot(t testing.TB, packages ...string) *Host {
	t.Helper()
	return BootSuite(t, suite, packages...)
}

// BootSuite is Boot for a suite of Debian, such as [Debian13].
func BootSuite(t testing.TB, suite string, packages ...string) *Host {
	t.Helper()
	return bootWith(t, suite, nil, nil, packages)
}

// BootWithoutMounts is BootSuite for a host that allows no mounts, like LXC without
// nesting: processes can have mount namespaces, but cannot mount anything there. systemd
// 257 does not boot on such a host.
func BootWithoutMounts(t testing.TB, suite string, packages ...string) *Host {
	t.Helper()
	return bootWith(t, suite, []string{"--system-call-filter=~@mount"}, nil, packages)
}

// BootWithoutAdmin is BootSuite for a host without CAP_SYS_ADMIN, and so without
// namespaces and mounts.
func BootWithoutAdmin(t testing.TB, suite string, packages ...string) *Host {
	t.Helper()
	return bootWith(t, suite, []string{"--drop-capability=CAP_SYS_ADMIN"}, nil, packages)
}

// BootBeside is Boot for a host that has a folder of the machine, such as the root of another suite,
// at a path of its own, and cannot write to it.
func BootBeside(t testing.TB, folder, at string, packages ...string) *Host {
	t.Helper()
	return bootWith(t, suite, nil, []string{"--bind-ro=" + folder + ":" + at}, packages)
}

func bootWith(t testing.TB, suite string, denied, more, packages []string) *Host {
	t.Helper()
	testskip.UnlessRoot(t)
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		t.Fatal("systemd-nspawn is missing: install the package systemd-container")
	}
	lower, err := testroot.Build(t.Logf, Recipe(suite, packages...))
	if err != nil {
		t.Fatal("build the host's root:", err)
	}
	h := &Host{
		t:      t,
		name:   fmt.Sprintf("%s%d-%d", namePrefix, os.Getpid(), hosts.Add(1)),
		thread: testroot.NewThread(),
		denied: denied,
		more:   more,
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

// Reboot reboots the host like reboot(8) and returns when it is up again, with its
// files, but without sets and rules. A host that is down is only started.
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
	// The reboot may kill the command, so only the end of the host counts.
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

// start boots the host and waits until systemd has started everything.
func (h *Host) start() {
	h.t.Helper()
	h.boots++
	b, err := startBoot(h.thread, h.name, h.boots, h.denied, h.more, &h.console)
	if err != nil {
		h.t.Fatal("start the host:", err)
	}
	h.current.Store(b)
	ctx, cancel := context.WithTimeout(context.Background(), bootLimit)
	defer cancel()
	if err := b.waitUp(ctx); err != nil {
		h.t.Fatalf("boot the host: %v; its console:\n%s", err, h.console.Tail())
	}
	// It prints a state, and fails with "degraded", in which the host is up, too.
	out, err := h.Command(ctx, "systemctl", "is-system-running", "--wait").CombinedOutput()
	switch state := strings.TrimSpace(string(out)); state {
	case "running":
	case "degraded":
		h.t.Logf("the host is up, without these units:\n%s", h.Must("systemctl", "--failed", "--plain", "--no-legend"))
	default:
		h.t.Fatalf("the host is %q, not running (%v); its console:\n%s", state, err, h.console.Tail())
	}
}

// powerOff shuts the host down, by force if that takes too long.
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
