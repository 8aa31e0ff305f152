package logins

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/probe"
)

// Early is a look at the processes that is made while the caller does something else. What
// [Early.SessionPeers] returns is as of its call all the same, but takes little time then.
type Early struct {
	done chan struct{}
	all  map[int]process
}

// LookEarly begins a look.
func LookEarly() *Early {
	e := &Early{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		e.all, _ = processes("/proc", nil)
	}()
	return e
}

// SessionPeers is [SessionPeers] now. It looks again at each process that was not there early, or
// that may have become a session since.
func (e *Early) SessionPeers() []netip.Addr {
	<-e.done
	return peersOf(shellConnections("/proc", e.all))
}

// process is a process and the number of its folder in /proc, which no other process has, also
// if it gets the same PID.
type process struct {
	probe.Stat
	inode uint64
}

// processes returns all processes. Those that were there early are not looked at again, except
// where that matters: a session's process is a child of an sshd, and was an sshd itself before it
// became the user's shell (execve(2)). So what was neither an sshd nor a child of one cannot be a
// session unless it is new, and its parents are looked at if it is.
func processes(proc string, early map[int]process) (map[int]process, error) {
	dir, err := os.Open(proc)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd := int(dir.Fd())
	all := make(map[int]process, len(early))
	buf := make([]byte, probe.StatBytes)
	fresh := make(map[int]bool)
	look := func(pid int, inode uint64) {
		fresh[pid] = true
		if stat, err := probe.ReadStatAt(fd, strconv.Itoa(pid)+"/stat", buf); err == nil {
			all[pid] = process{stat, inode}
		} else {
			delete(all, pid) // it has ended
		}
	}
	err = entries(fd, func(name []byte, inode uint64) {
		pid, err := strconv.Atoi(string(name))
		if err != nil {
			return
		}
		if p, known := early[pid]; known && p.inode == inode && !p.sshd() && !early[p.Parent].sshd() {
			all[pid] = p
			return
		}
		look(pid, inode)
	})
	if err != nil {
		return nil, err
	}
	if len(early) == 0 {
		return all, nil // all are fresh
	}
	for pid := range all {
		for range maxAncestors {
			if !fresh[pid] {
				break
			}
			if pid = all[pid].Parent; !fresh[pid] {
				look(pid, all[pid].inode)
			}
			if !all[pid].sshd() {
				break
			}
		}
	}
	return all, nil
}

// sshd reports whether the process may run an SSH server, by its name.
func (p process) sshd() bool { return strings.HasPrefix(p.Name, "sshd") }

// entries lists an open folder, with the number of each entry, by getdents64(2).
func entries(fd int, each func(name []byte, inode uint64)) error {
	const header = 8 + 8 + 2 + 1 // of struct linux_dirent64, before the name
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || n == 0:
			return err
		}
		for rest := buf[:n]; len(rest) > header; {
			length := int(binary.NativeEndian.Uint16(rest[16:]))
			name, _, _ := bytes.Cut(rest[header:length], []byte{0})
			each(name, binary.NativeEndian.Uint64(rest))
			rest = rest[length:]
		}
	}
}
