// Package testfault makes system calls of a program fail, for tests: the n-th call of a
// kind, or that and all later ones. The program runs under a seccomp filter that asks
// the test before each of these calls (seccomp_unotify(2)). So the program needs no
// change, may be linked statically, and the calls of all its threads are counted.
package testfault

import "golang.org/x/sys/unix"

// A Kind is a kind of system calls.
type Kind int

const (
	Open   Kind = iota // of files, for reading and writing
	Write              // to files
	Fsync              // of files and folders
	Rename             // of files
	Send               // to the kernel, by netlink
	Fork               // of a tool
	Exec               // of a tool
	Tool               // a tool's own messages to the kernel

	// These are only counted, and only by [Counting].
	Socket  // opened
	Receive // from the kernel, by netlink
	Wait    // of a thread for whatever comes next: each ends with a wake-up
	numKinds
)

// Kinds lists those that can fail.
var Kinds = []Kind{Open, Write, Fsync, Rename, Send, Fork, Exec, Tool}

var kindNames = [numKinds]string{"open", "write", "fsync", "rename", "send", "fork", "exec", "tool", "socket", "receive", "wait"}

func (k Kind) String() string { return kindNames[k] }

// Errnos returns the errors with which a call of the kind may fail on a host in
// trouble.
func (k Kind) Errnos() []unix.Errno {
	switch k {
	case Open:
		return []unix.Errno{unix.EMFILE, unix.EIO, unix.ENOSPC}
	case Write, Rename:
		return []unix.Errno{unix.ENOSPC, unix.EIO}
	case Fsync:
		return []unix.Errno{unix.EIO}
	case Fork, Exec:
		return []unix.Errno{unix.EAGAIN, unix.ENOMEM}
	}
	return []unix.Errno{unix.ENOMEM, unix.ENOBUFS}
}

// calls are the system calls that the filter asks about.
var calls = append(oldCalls,
	unix.SYS_OPENAT, unix.SYS_OPENAT2,
	unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_WRITEV,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC,
	unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
	unix.SYS_SENDTO, unix.SYS_SENDMSG,
	unix.SYS_CLONE, unix.SYS_EXECVE,
)

// counted are those that it asks about for [Counting], too.
var counted = []uint32{unix.SYS_SOCKET, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_EPOLL_PWAIT}
