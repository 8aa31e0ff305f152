package testhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/voipbl/voipbl/internal/testroot"
)

// boot is one run of systemd-nspawn: from power on to power off or reboot.
type boot struct {
	cmd    *exec.Cmd
	group  string                 // the folder of its own control group
	notify *net.UnixConn          // systemd-nspawn reports here
	leader atomic.Pointer[leader] // nil until the host is up
	done   chan struct{}          // closed at the end
	state  *os.ProcessState       // valid after done
}

// leader is the container's init.
type leader struct {
	pid   int      // in the machine's PID namespace
	group *os.File // its control group
}

// rebootCode is the exit code of systemd-nspawn --keep-unit when the container asks for
// a reboot; the caller has to start it again.
const rebootCode = 133

// killLimit is how long the kernel may take to end a process.
const killLimit = 10 * time.Second

// startBoot boots the root that is mounted for th.
func startBoot(th *testroot.Thread, name string, number int, denied, more []string, out *testroot.Console) (*boot, error) {
	b := &boot{done: make(chan struct{})}
	var err error
	// A used group has controllers, and then takes no more processes, so each boot has
	// a new group.
	if b.group, err = newCgroup(fmt.Sprintf("%s.%d", name, number)); err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	if err = th.Do(func() error { return b.start(name, denied, more, out) }); err != nil {
		return nil, errors.Join(err, removeCgroup(b.group))
	}
	go func() {
		_ = b.cmd.Wait() // state has the result
		b.state = b.cmd.ProcessState
		b.notify.Close()
		close(b.done)
	}()
	return b, nil
}

// start must run in the thread that has the mounts. The socket is made there, too: an
// abstract socket belongs to a network namespace, and the caller may be in another one
// than systemd-nspawn.
func (b *boot) start(name string, denied, more []string, out *testroot.Console) error {
	address := "@" + name
	var err error
	b.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return err
	}
	group, err := os.Open(b.group)
	if err != nil {
		b.notify.Close()
		return err
	}
	defer group.Close()
	b.cmd = exec.Command("systemd-nspawn",
		"--quiet", "--boot", "--directory="+testroot.Mounted, "--machine="+name, "--hostname=pbx",
		"--private-network",
		// Use no system bus, because none may run here. The container stays in our
		// control group.
		"--register=no", "--keep-unit",
		"--notify-ready=yes", "--console=read-only",
		// Take nothing from the machine's configuration.
		"--settings=no", "--resolv-conf=off", "--timezone=off", "--link-journal=no")
	b.cmd.Args = append(b.cmd.Args, more...)
	if len(denied) > 0 {
		// These are the mounts that systemd itself would make.
		b.cmd.Args = append(append(b.cmd.Args, "--tmpfs=/run/lock"), denied...)
	}
	b.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NOTIFY_SOCKET=" + address}
	b.cmd.Stdout, b.cmd.Stderr = out, out
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, // an interrupt from the terminal goes to the test only
		// systemd-nspawn passes this on as a request to power off. If it were killed,
		// the container would survive it.
		Pdeathsig:   syscall.SIGTERM,
		UseCgroupFD: true,
		CgroupFD:    int(group.Fd()),
	}
	if err := b.cmd.Start(); err != nil {
		b.notify.Close()
		return err
	}
	return nil
}

// waitUp waits until the container's init reports that it has started everything.
func (b *boot) waitUp(ctx context.Context) error {
	// Nothing reads the socket after this, and a full one would block systemd-nspawn.
	defer b.notify.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := b.notify.SetReadDeadline(deadline); err != nil {
			return err
		}
	}
	var l leader
	message := make([]byte, 4096)
	for {
		n, err := b.notify.Read(message)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errors.New("not up in time")
		case errors.Is(err, net.ErrClosed):
			return errors.New("it ended while booting")
		case err != nil:
			return err
		}
		// sd_notify(3): lines of NAME=value. The PID comes before READY.
		for line := range strings.Lines(string(message[:n])) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			switch name {
			case "X_NSPAWN_LEADER_PID":
				if l.pid, err = strconv.Atoi(value); err != nil {
					return fmt.Errorf("the number of the container's init: %w", err)
				}
			case "READY":
				// These are the names that systemd-nspawn and systemd give the groups.
				l.group, err = os.Open(filepath.Join(b.group, "payload", "init.scope"))
				if err != nil {
					return err
				}
				b.leader.Store(&l)
				return nil
			}
		}
	}
}

// up returns the container's init, or nil if it has not started everything yet, or has
// ended.
func (b *boot) up() *leader {
	select {
	case <-b.done:
		return nil
	default:
		return b.leader.Load()
	}
}

// powerOff shuts the container down, or kills everything in it after limit, and then
// cleans up.
func (b *boot) powerOff(limit time.Duration) error {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // see Pdeathsig
	if !b.endsIn(limit) {
		if l := b.leader.Load(); l != nil {
			_ = syscall.Kill(l.pid, syscall.SIGKILL) // kills all its processes
		}
	}
	if !b.endsIn(killLimit) {
		if err := killCgroup(b.group); err != nil {
			return err
		}
	}
	if !b.endsIn(killLimit) {
		return fmt.Errorf("process %d cannot be killed", b.cmd.Process.Pid)
	}
	return b.clean()
}

func (b *boot) endsIn(limit time.Duration) bool {
	select {
	case <-b.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// clean removes what the container has left.
func (b *boot) clean() error {
	if l := b.leader.Load(); l != nil {
		l.group.Close()
	}
	return removeCgroup(b.group)
}
