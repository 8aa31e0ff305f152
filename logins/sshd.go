package logins

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/netdump"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/procself"
)

// A login over SSH is a shell or command that a daemon of root's has started for a TCP
// connection of its own. That cannot be made up: the kernel tells which connections
// there are and which process has each, who owns a process and who has started it. A
// connection alone is no login, for before one has proved who he is sshd has it too; and
// the environment of a process alone is whatever its owner likes.

// ends are the two ends of a TCP connection of this host.
type ends struct{ Client, server netip.AddrPort }

// Established are the TCP connections of this network namespace by their inodes. What
// cannot be read has none: then the records of logins are left.
func Established() map[uint64]ends {
	found := make(map[uint64]ends)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netdump.Steady(func() ([]*netlink.Socket, error) { return netlink.SocketDiagTCP(family) })
		if err != nil {
			continue
		}
		for _, s := range sockets {
			local, okLocal := netip.AddrFromSlice(s.ID.Source)
			remote, okRemote := netip.AddrFromSlice(s.ID.Destination)
			if s.State == tcpEstablished && s.INode != 0 && okLocal && okRemote {
				found[uint64(s.INode)] = ends{
					netip.AddrPortFrom(remote.Unmap(), s.ID.DestinationPort),
					netip.AddrPortFrom(local.Unmap(), s.ID.SourcePort),
				}
			}
		}
	}
	return found
}

// shellConnections are those of all shells and commands that an sshd of root's, here and
// in no container, has started. Other than utmp it tells the port, and there are systems
// without utmp. Who may not look into other processes, as our own service, finds none.
func shellConnections(proc string) []Connection {
	dir, err := os.Open(proc)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	buf := make([]byte, probe.StatBytes)
	h := sshHost{proc: proc, stats: make(map[int]probe.Stat), sockets: sync.OnceValue(Established)}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if stat, err := probe.ReadStatAt(int(dir.Fd()), name+"/stat", buf); err == nil {
			h.stats[pid] = stat
		}
	}
	var found []Connection
	for pid := range h.stats {
		if c, ok := h.session(pid); ok {
			found = append(found, c)
		}
	}
	return found
}

// sshHost is the processes and connections of a host.
type sshHost struct {
	proc    string
	stats   map[int]probe.Stat
	sockets func() map[uint64]ends // a busy host has many, and they are seldom needed
}

func (h sshHost) path(pid int, name string) string {
	return filepath.Join(h.proc, strconv.Itoa(pid), name)
}

// session is the connection of a process that an sshd has started, if that one has it.
// Between them there may be processes of sshd's that have the user's rights.
func (h sshHost) session(pid int) (Connection, bool) {
	parent := h.stats[pid].Parent
	if !h.runsSSHD(parent) || h.runsSSHD(pid) {
		return Connection{}, false
	}
	c, ok := parseConnection(h.environ(pid))
	if !ok {
		return Connection{}, false
	}
	for range maxAncestors {
		if !h.runsSSHD(parent) {
			break
		}
		if h.ofRoot(parent) && h.here(parent) && h.holds(parent, ends{c.Client, c.Server}) {
			return c, true
		}
		parent = h.stats[parent].Parent
	}
	return Connection{}, false
}

// A process that is about to run another program has no environment for a moment
// (execve(2)), as a shell has at each login by "exec". It is asked for again.
const (
	environTries = 50
	environPause = time.Millisecond
)

// environ is the environment of a process; of one that has ended it is empty.
func (h sshHost) environ(pid int) []byte {
	for range environTries {
		environ, err := os.ReadFile(h.path(pid, "environ"))
		if err != nil || len(environ) > 0 {
			return environ
		}
		if _, err := os.Readlink(h.path(pid, "exe")); err != nil {
			return nil
		}
		time.Sleep(environPause)
	}
	return nil
}

// runsSSHD reports whether a process runs the program of an SSH server: not by its name,
// which a process gives itself, but by its file.
func (h sshHost) runsSSHD(pid int) bool {
	if !strings.HasPrefix(h.stats[pid].Name, "sshd") {
		return false // as the most, for less work
	}
	exe, err := os.Readlink(h.path(pid, "exe"))
	return err == nil && strings.HasPrefix(filepath.Base(exe), "sshd")
}

// ofRoot reports whether a process belongs to root, and its program too.
func (h sshHost) ofRoot(pid int) bool {
	var file unix.Stat_t
	if err := unix.Stat(h.path(pid, "exe"), &file); err != nil || file.Uid != 0 || file.Mode&0o022 != 0 {
		return false
	}
	status, err := os.ReadFile(h.path(pid, "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "Uid:" { // the real one first
			return f[1] == "0"
		}
	}
	return false
}

// here reports whether a process is in our own namespaces, and so in no container.
func (h sshHost) here(pid int) bool {
	for _, ns := range []string{"net", "pid", "user"} {
		own, err := os.Readlink(filepath.Join(h.proc, procself.Name(), "ns", ns))
		if err != nil {
			return false
		}
		if its, err := os.Readlink(h.path(pid, "ns/"+ns)); err != nil || its != own {
			return false
		}
	}
	return true
}

// holds reports whether a process has that connection open.
func (h sshHost) holds(pid int, want ends) bool {
	dir := h.path(pid, "fd")
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		link, _ := os.Readlink(filepath.Join(dir, fd.Name()))
		text, ok := strings.CutPrefix(link, "socket:[")
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64)
		if got, there := h.sockets()[inode]; err == nil && there && got == want {
			return true
		}
	}
	return false
}
