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
	"github.com/voipbl/voipbl/internal/procself"
)

// An SSH login is a shell or command that root's sshd has started for a TCP connection of its own.
// This cannot be forged: the kernel reports which connections exist, which process has each, who
// owns a process and which process started it. A connection alone is no login, since sshd has it
// before the client has authenticated. The environment of a process alone proves nothing either,
// since its owner can set it.

// ends are the two ends of a TCP connection of this host.
type ends struct{ Client, server netip.AddrPort }

// Established returns the TCP connections of this network namespace by inode. It returns none if
// they cannot be read; then there are still the records of logins.
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

// shellConnections returns the connections of all shells and commands started by root's sshd,
// outside containers. Unlike utmp it knows the port, and it works without utmp. A process that may
// not look into others, such as voipbl's own service, finds none. early are processes that have
// been looked at before, or nil.
func shellConnections(proc string, early map[int]process) []Connection {
	all, err := processes(proc, early)
	if err != nil {
		return nil
	}
	h := sshHost{proc: proc, stats: all, sockets: sync.OnceValue(Established)}
	var found []Connection
	for pid := range h.stats {
		if c, ok := h.session(pid); ok {
			found = append(found, c)
		}
	}
	return found
}

// sshHost gives access to the processes and connections of a host.
type sshHost struct {
	proc    string
	stats   map[int]process
	sockets func() map[uint64]ends // called only when needed: a busy host has many
}

func (h sshHost) path(pid int, name string) string {
	return filepath.Join(h.proc, strconv.Itoa(pid), name)
}

// session returns the connection of a process, if an sshd among its ancestors has that connection.
// Between the two there may be sshd processes with the user's rights.
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

// A process that is just starting another program has no environment for a moment (execve(2)), for
// example a shell at login that runs "exec". So the environment is read again.
const (
	environTries = 50
	environPause = time.Millisecond
)

// environ returns the environment of a process; it is empty if the process has ended.
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

// runsSSHD reports whether a process runs an SSH server. It checks the program's file, since
// processes can choose their own name.
func (h sshHost) runsSSHD(pid int) bool {
	if !h.stats[pid].sshd() {
		return false // most processes end here, which saves work
	}
	exe, err := os.Readlink(h.path(pid, "exe"))
	return err == nil && strings.HasPrefix(filepath.Base(exe), "sshd")
}

// ofRoot reports whether both a process and its program belong to root.
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

// here reports whether a process is in the same namespaces as this one, and so in no container.
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

// holds reports whether a process has the connection open.
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
