package testfault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

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
	case nr == unix.SYS_SOCKET:
		return Socket, true
	case nr == unix.SYS_RECVFROM, nr == unix.SYS_RECVMSG:
		return Receive, netlink(p.pidfd, int(q.args[0]))
	case nr == unix.SYS_EPOLL_PWAIT:
		return Wait, int32(q.args[3]) != 0 // else the thread only looks, and goes on
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
	header := memoryOf(pid, address, unix.NLMSG_HDRLEN)
	if len(header) < unix.NLMSG_HDRLEN {
		return ""
	}
	if kind := binary.NativeEndian.Uint16(header[4:]); kind>>8 == unix.NFNL_SUBSYS_IPSET {
		return ipsetCommands[uint8(kind)]
	}
	return ""
}

// These are added to the name of a set of which only the header, or one entry, is asked for.
const (
	headerOnly = " (header)"
	oneEntry   = " (entry)"
)

// listedSet returns the set that a netlink message asks for; "" if it asks for none.
func listedSet(pid int, address, length uint64) string {
	const cmdList, cmdTest, attrSetname, attrFlags, flagHeader = 7, 11, 2, 6, 1 << 2 // linux/netfilter/ipset/ip_set.h
	const begin = unix.NLMSG_HDRLEN + 4                                              // after struct nfgenmsg
	message := memoryOf(pid, address, int(min(length, 256)))
	if len(message) < begin {
		return ""
	}
	var set, only string
	switch binary.NativeEndian.Uint16(message[4:]) {
	case unix.NFNL_SUBSYS_IPSET<<8 | cmdList:
	case unix.NFNL_SUBSYS_IPSET<<8 | cmdTest:
		only = oneEntry
	default:
		return ""
	}
	for b := message[begin:]; len(b) >= unix.NLA_HDRLEN; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.NLA_HDRLEN || size > len(b) {
			break
		}
		value := b[unix.NLA_HDRLEN:size]
		switch typ := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER); {
		case typ == attrSetname:
			set = string(bytes.TrimRight(value, "\x00"))
		case typ == attrFlags && len(value) == 4 && binary.BigEndian.Uint32(value)&flagHeader != 0:
			only = headerOnly
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	if set == "" {
		return ""
	}
	return set + only
}

func (p *process) text(address uint64) string { return textOf(p.pid, address) }

// textOf reads a string of another process.
func textOf(pid int, address uint64) string {
	var text []byte
	for len(text) < unix.PathMax {
		// Never read across the end of a page: the next one may not exist.
		part := memoryOf(pid, address, int(256-address%256))
		if len(part) == 0 {
			break
		}
		text = append(text, part...)
		if i := bytes.IndexByte(text, 0); i >= 0 {
			return string(text[:i])
		}
		address += uint64(len(part))
	}
	return string(text)
}

// memoryOf reads up to n bytes of another process.
func memoryOf(pid int, address uint64, n int) []byte {
	buf := make([]byte, n)
	local := []unix.Iovec{{Base: unsafe.SliceData(buf), Len: uint64(n)}}
	n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: n}}, 0)
	if err != nil {
		return nil
	}
	return buf[:n]
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
