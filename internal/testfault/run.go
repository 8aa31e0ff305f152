package testfault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Launcher is the name of the command by which a test binary calls [Launch].
const Launcher = "testfault-launch"

// countFlag tells it that nothing is to fail, and more is to be counted.
const countFlag = "--count"

// Fault is what is to fail. The zero value only counts calls.
type Fault struct {
	Kind  Kind
	N     int        // the n-th call, from 1; 0: none
	Errno unix.Errno // what it fails with
	On    bool       // also all later calls of the kind
	File  string     // if set, only calls about a file, or an ipset command, whose name ends with it count

	// At is called before the n-th call, while the process waits. The call then succeeds if
	// Errno is 0.
	At func()
}

func (f Fault) String() string {
	if f.N == 0 {
		return "no fault"
	}
	words := fmt.Sprintf("%s %d", f.Kind, f.N)
	if f.File != "" {
		words += " of " + path.Base(f.File)
	}
	if f.On {
		words += " and on"
	}
	if f.Errno == 0 {
		return "at " + words
	}
	return words + ": " + unix.ErrnoName(f.Errno)
}

// Command is a program that runs under a filter.
type Command struct {
	*exec.Cmd
	fault  Fault
	counts bool

	mu    sync.Mutex
	calls [numKinds]int
	asked map[string]int
	what  string
}

// New prepares a command; its fields may be set before [Command.Start].
func New(fault Fault, name string, args ...string) *Command {
	return &Command{Cmd: exec.Command(Launcher, append([]string{name}, args...)...), fault: fault}
}

// Counting prepares a command of which nothing fails, and all kinds of calls are counted.
func Counting(name string, args ...string) *Command {
	c := New(Fault{}, countFlag, append([]string{name}, args...)...)
	c.counts, c.asked = true, make(map[string]int)
	return c
}

// Asked returns how often the program has asked the kernel for a set with its entries, how often for
// its header alone, and how often whether an entry is in it. [Counting] counts that.
func (c *Command) Asked(set string) (entries, header, one int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[set], c.asked[set+headerOnly], c.asked[set+oneEntry]
}

// Calls returns how many calls of a kind there were.
func (c *Command) Calls(k Kind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[k]
}

// Failed describes the first call that was made to fail; "" if there was none.
func (c *Command) Failed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.what
}

// Start starts the program.
func (c *Command) Start() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "control")
	c.ExtraFiles = []*os.File{theirs} // the first is number 3, control
	err = c.Cmd.Start()
	theirs.Close()
	defer unix.Close(pair[0])
	if err != nil {
		return err
	}
	listener, err := take(pair[0], c.Process.Pid)
	if err != nil {
		c.Process.Kill()
		c.Cmd.Wait()
		return err
	}
	go c.answer(listener)
	_, err = unix.Write(pair[0], []byte{1})
	return err
}

// take gets the descriptor that the launcher names.
func take(control, pid int) (int, error) {
	var number [1]byte
	if n, err := unix.Read(control, number[:]); err != nil || n != 1 {
		return 0, fmt.Errorf("the program was not launched: %w", errors.Join(err, errors.New("see its standard error")))
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, int(number[0]), 0)
	if err != nil {
		return 0, fmt.Errorf("pidfd_getfd: %w", err)
	}
	return fd, nil
}

// question and reply are struct seccomp_notif and seccomp_notif_resp.
type question struct {
	id   uint64
	pid  uint32
	_    uint32
	nr   int32
	arch uint32
	_    uint64 // instruction pointer
	args [6]uint64
}

type reply struct {
	id    uint64
	_     int64
	errno int32
	flags uint32
}

// answer answers questions until no process is left under the filter, including those
// that the program has left behind.
func (c *Command) answer(listener int) {
	defer unix.Close(listener)
	p := newProcess(c.Process.Pid)
	defer p.close()
	poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); err != nil && err != unix.EINTR {
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 { // no process is left
				return
			}
			continue
		}
		var q question
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&q))); errno != 0 {
			continue // the process that asked was killed
		}
		r := reply{id: q.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if c.fails(p, q) {
			if c.fault.At != nil {
				c.fault.At()
			}
			if c.fault.Errno != 0 {
				r.flags, r.errno = 0, -int32(c.fault.Errno)
			}
		}
		unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
	}
}

// fails counts a call and decides whether it fails.
func (c *Command) fails(p *process, q question) bool {
	k, ok := p.kind(q)
	if !ok || c.fault.File != "" && !strings.HasSuffix(p.describe(q), c.fault.File) {
		return false
	}
	var set string
	if c.counts && k == Send && q.nr == unix.SYS_SENDTO {
		set = listedSet(int(q.pid), q.args[1], q.args[2])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if set != "" {
		c.asked[set]++
	}
	c.calls[k]++
	n := c.calls[k]
	if c.fault.N == 0 || k != c.fault.Kind || n < c.fault.N || n > c.fault.N && !c.fault.On {
		return false
	}
	if c.what == "" {
		c.what = strings.TrimSpace(fmt.Sprintf("%s %s", k, p.describe(q)))
	}
	return true
}
