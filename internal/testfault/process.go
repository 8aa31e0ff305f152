package testfault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is the program under test, with what is needed to sort its calls.
type process struct {
	pid      int
	pidfd    int
	launched bool // the launcher has executed the program
}

func newProcess(pid int) *process {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		fd = -1
	}
	return &process{pid: pid, pidfd: fd}
}

func (p *process) close() { unix.Close(p.pidfd) }

// kind returns the kind of a call. It returns false for a call that does not count: one
// of another process if only the program's own count, and one to standard output, a
// pipe or a socket other than netlink.
func (p *process) kind(q question) (Kind, bool) {
	own := p.owns(q.pid)
	if !p.launched {
		p.launched = own && q.nr == unix.SYS_EXECVE
		return 0, false
	}
	switch nr := q.nr; {
	case nr == unix.SYS_EXECVE:
		return Exec, p.child(q.pid)
	case nr == unix.SYS_SENDTO, nr == unix.SYS_SENDMSG:
		if own {
			return Send, netlink(p.pidfd, int(q.args[0]))
		}
		return Tool, p.child(q.pid) && netlinkOf(int(q.pid), int(q.args[0]))
	case !own:
		return 0, false
	case nr == unix.SYS_CLONE:
		return Fork, true
	case nr == unix.SYS_OPENAT, nr == unix.SYS_OPENAT2, isOldOpen(nr):
		return Open, true
	case nr == unix.SYS_RENAMEAT, nr == unix.SYS_RENAMEAT2, isOldRename(nr):
		return Rename, true
	case nr == unix.SYS_FSYNC, nr == unix.SYS_FDATASYNC:
		return Fsync, true
	}
	target := p.target(q.args[0]) // of a write
	return Write, q.args[0] > 2 && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/dev/") && !strings.HasPrefix(target, "/proc/")
}

// owns reports whether a thread belongs to the program.
func (p *process) owns(tid uint32) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", p.pid, tid))
	return err == nil
}

// child reports whether a process was started by the program itself.
func (p *process) child(pid uint32) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(status, []byte("\nPPid:\t"))
	parent, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(parent) == strconv.Itoa(p.pid)
}

func (p *process) target(fd uint64) string {
	target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", p.pid, int32(fd)))
	return target
}

// describe returns a call in words.
func (p *process) describe(q question) string {
	switch nr := q.nr; {
	case nr == unix.SYS_OPENAT, nr == unix.SYS_OPENAT2, nr == unix.SYS_RENAMEAT, nr == unix.SYS_RENAMEAT2:
		return p.text(q.args[1])
	case isOldOpen(nr), isOldRename(nr):
		return p.text(q.args[0])
	case nr == unix.SYS_EXECVE:
		return textOf(int(q.pid), q.args[0])
	case nr == unix.SYS_SENDTO:
		return ipsetCommand(int(q.pid), q.args[1])
	case nr == unix.SYS_CLONE, nr == unix.SYS_SENDMSG:
		return ""
	}
	return p.target(q.args[0])
}

// ipsetCommands are the names of the commands that change a set or ask for its type (enum
// ipset_cmd).
var ipsetCommands = map[uint8]string{2: "create", 3: "destroy", 4: "flush", 5: "rename", 6: "swap", 9: "add", 10: "del", 12: "header"}

// ipsetCommand returns the command in a netlink message that is about to be sent; "" if it
// is not for ipset.
func ipsetCommand(pid int, address uint64) string {
	var header [unix.NLMSG_HDRLEN]byte
	local := []unix.Iovec{{Base: &header[0], Len: uint64(len(header))}}
	if n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(header)}}, 0); err != nil || n < len(header) {
		return ""
	}
	if kind := binary.NativeEndian.Uint16(header[4:]); kind>>8 == unix.NFNL_SUBSYS_IPSET {
		return ipsetCommands[uint8(kind)]
	}
	return ""
}

func (p *process) text(address uint64) string { return textOf(p.pid, address) }

// textOf reads a string of another process.
func textOf(pid int, address uint64) string {
	var text []byte
	for len(text) < unix.PathMax {
		// Never read across the end of a page: the next one may not exist.
		buf := make([]byte, 256-address%256)
		local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
		n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(buf)}}, 0)
		if err != nil || n == 0 {
			break
		}
		text = append(text, buf[:n]...)
		if i := bytes.IndexByte(text, 0); i >= 0 {
			return string(text[:i])
		}
		address += uint64(n)
	}
	return string(text)
}

func netlinkOf(pid, fd int) bool {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(pidfd)
	return netlink(pidfd, fd)
}

// netlink reports whether a descriptor is a netlink socket.
func netlink(pidfd, fd int) bool {
	copied, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return false
	}
	defer unix.Close(copied)
	domain, err := unix.GetsockoptInt(copied, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_NETLINK
}
