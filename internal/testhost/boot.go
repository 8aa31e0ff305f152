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
	notify *net.UnixConn          // where systemd-nspawn reports
	leader atomic.Pointer[leader] // nil until the host is up
	done   chan struct{}          // closed when it has ended
	state  *os.ProcessState       // for after done
}

// leader is the container's init.
type leader struct {
	pid   int      // as the machine counts
	group *os.File // its control group
}

// rebootCode is what systemd-nspawn --keep-unit ends with when the container
// asks for a reboot: whoever started it is to do so again.
const rebootCode = 133

// killLimit is how long the kernel may take to end a process.
const killLimit = 10 * time.Second

// startBoot starts the root that is mounted for th.
func startBoot(th *testroot.Thread, name string, number int, denied []string, out *testroot.Console) (*boot, error) {
	b := &boot{done: make(chan struct{})}
	var err error
	// A group that has been used once has controllers, and then no process may
	// be put into it: each boot has a new one.
	if b.group, err = newCgroup(fmt.Sprintf("%s.%d", name, number)); err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	if err = th.Do(func() error { return b.start(name, denied, out) }); err != nil {
		return nil, errors.Join(err, removeCgroup(b.group))
	}
	go func() {
		_ = b.cmd.Wait() // the state says the same
		b.state = b.cmd.ProcessState
		b.notify.Close()
		close(b.done)
	}()
	return b, nil
}

// start is for the thread that has the mounts. The socket has to be made there
// too: an abstract one belongs to a network namespace, and the caller may be in
// another than systemd-nspawn is.
func (b *boot) start(name string, denied []string, out *testroot.Console) error {
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
		// No system bus is asked for a unit, so none needs to run here. The
		// container lives in the group that we are in.
		"--register=no", "--keep-unit",
		"--notify-ready=yes", "--console=read-only",
		// Nothing of the machine's configuration gets in.
		"--settings=no", "--resolv-conf=off", "--timezone=off", "--link-journal=no")
	if len(denied) > 0 {
		// What systemd itself would mount is there already.
		b.cmd.Args = append(append(b.cmd.Args, "--tmpfs=/run/lock"), denied...)
	}
	b.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NOTIFY_SOCKET=" + address}
	b.cmd.Stdout, b.cmd.Stderr = out, out
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, // an interrupt from the terminal is for the test
		// It passes this on as a request to power off. If it were killed, the
		// container would live on without it.
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

// waitUp returns when the container's init has told that it has started
// everything.
func (b *boot) waitUp(ctx context.Context) error {
	// Nobody reads after this, and a full socket would block systemd-nspawn.
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
		// sd_notify(3): lines of NAME=value. The number comes before READY.
		for line := range strings.Lines(string(message[:n])) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			switch name {
			case "X_NSPAWN_LEADER_PID":
				if l.pid, err = strconv.Atoi(value); err != nil {
					return fmt.Errorf("the number of the container's init: %w", err)
				}
			case "READY":
				// This is how systemd-nspawn and systemd name the groups.
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

// up is the container's init, or nil if that has not started everything yet or
// has ended.
func (b *boot) up() *leader {
	select {
	case <-b.done:
		return nil
	default:
		return b.leader.Load()
	}
}

// powerOff stops the container's services, or kills everything in it after
// limit, and removes what is left of it.
func (b *boot) powerOff(limit time.Duration) error {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // see Pdeathsig
	if !b.endsIn(limit) {
		if l := b.leader.Load(); l != nil {
			_ = syscall.Kill(l.pid, syscall.SIGKILL) // and all others with it
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

// clean removes what is left after the end.
func (b *boot) clean() error {
	if l := b.leader.Load(); l != nil {
		l.group.Close()
	}
	return removeCgroup(b.group)
}
