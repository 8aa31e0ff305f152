package host

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SessionPeers are the addresses from which somebody is logged in on this host now, so
// that no feed can cut off the admin who is at work. They come from what no peer and no
// local user can write. A login is what counts: were an open TCP connection enough, an
// attacker could protect himself by connecting.
func SessionPeers() []netip.Addr {
	var peers []netip.Addr
	for _, c := range sshSessions() {
		peers = append(peers, c.Client.Addr())
	}
	return append(peers, RecordedPeers()...)
}

// sshSessions are the sessions that can be seen in processes and connections.
func sshSessions() []Connection { return shellConnections("/proc") }

// RecordedPeers are where the sessions come from that logind and utmp have written down.
func RecordedPeers() []netip.Addr {
	return slices.Concat(logindPeers(logindSessions, alive), utmpPeers(utmpFile, alive))
}

// Login is an SSH session: where it comes from, and which port of this host it
// goes to.
type Login struct {
	From netip.Addr
	Port uint16
}

// sshPort is where sshd listens if nothing says otherwise (IANA).
const sshPort = 22

// SSHLogins are all sessions, and with them what the caller's environment says about its
// own: that is good enough for holding back what could lock the caller out, and exempts
// nobody. Processes tell most, but only to whoever may look into them, which our own
// service may not. logind and utmp, which not all systems have, do not tell the port: it
// is taken to be the caller's.
func SSHLogins() []Login {
	var logins []Login
	port := uint16(sshPort)
	for _, c := range sshSessions() {
		logins = append(logins, Login{c.Client.Addr(), c.Server.Port()})
	}
	for _, c := range callerConnections("/proc", os.Getpid()) {
		logins = append(logins, Login{c.Client.Addr(), c.Server.Port()})
		port = c.Server.Port()
	}
	for _, a := range RecordedPeers() {
		if !slices.ContainsFunc(logins, func(l Login) bool { return l.From == a }) {
			logins = append(logins, Login{a, port})
		}
	}
	return logins
}

// CallerConnection is the SSH connection that the caller typed its command in, or
// none on a console: of those that it has been handed down, the first.
func CallerConnection() Connection {
	all := callerConnections("/proc", os.Getpid())
	if len(all) == 0 {
		return Connection{}
	}
	return all[len(all)-1]
}

// maxAncestors bounds the walk from this process up to init.
const maxAncestors = 32

// Connection is what SSH_CONNECTION tells, and since when the process that has it
// is running, in time since the boot.
type Connection struct {
	Client, Server netip.AddrPort
	Since          time.Duration
}

// Name is what tells one connection from another, empty for none.
func (c Connection) Name() string {
	if !c.Client.IsValid() {
		return ""
	}
	return c.Client.String() + " " + c.Server.String()
}

// callerConnections reads SSH_CONNECTION, which sshd sets for the login (ssh(1)),
// from the environment of this process and of those that started it: sudo and
// su take it out of the environment. The nearest comes first.
func callerConnections(proc string, pid int) []Connection {
	var found []Connection
	for range maxAncestors {
		if pid <= 1 {
			break
		}
		dir := filepath.Join(proc, strconv.Itoa(pid))
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		stat, statErr := readStat(filepath.Join(dir, "stat"))
		if statErr != nil {
			break
		}
		if c, ok := parseConnection(environ); err == nil && ok {
			c.Since = stat.start
			found = append(found, c)
		}
		pid = stat.parent
	}
	return found
}

// parseConnection finds "SSH_CONNECTION=client port server port".
func parseConnection(environ []byte) (c Connection, ok bool) {
	for v := range bytes.SplitSeq(environ, []byte{0}) {
		rest, found := strings.CutPrefix(string(v), "SSH_CONNECTION=")
		words := strings.Fields(rest)
		if !found || len(words) != 4 {
			continue
		}
		client, errC := parseEnd(words[0], words[1])
		server, errS := parseEnd(words[2], words[3])
		if errC == nil && errS == nil {
			return Connection{Client: client, Server: server}, true
		}
	}
	return Connection{}, false
}

func parseEnd(addr, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(n)), err
}

// procStat is what we need of /proc/PID/stat (proc_pid_stat(5)).
type procStat struct {
	name   string
	parent int
	start  time.Duration // since the boot
}

// statBytes is room for all of it: about fifty numbers and a name.
const statBytes = 2048

func readStat(file string) (procStat, error) {
	return readStatAt(unix.AT_FDCWD, file, make([]byte, statBytes))
}

// readStatAt reads it with as few calls as can be: for a ban those of all processes are
// read.
func readStatAt(dir int, file string, buf []byte) (procStat, error) {
	fd, err := ignoringEINTR(func() (int, error) { return unix.Openat(dir, file, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return procStat{}, err
	}
	defer unix.Close(fd)
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf) })
	if err != nil {
		return procStat{}, err
	}
	return parseStat(buf[:n])
}

// ignoringEINTR repeats a system call that a signal of the runtime's has broken off.
func ignoringEINTR(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// parseStat reads the second, fourth and twenty-second field. The second is the
// program's name in parentheses and may hold anything.
func parseStat(text []byte) (procStat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return procStat{}, os.ErrInvalid
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 20 {
		return procStat{}, os.ErrInvalid
	}
	ppid, errP := strconv.Atoi(fields[1])
	ticks, errT := strconv.ParseInt(fields[19], 10, 64)
	return procStat{string(text[open+1 : end]), ppid, time.Duration(ticks) * time.Second / userHZ}, errors.Join(errP, errT)
}

// Uptime is the time since the boot, as processes' start times count it.
func Uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
