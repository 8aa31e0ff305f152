package logins

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/probe"
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

// SSH are all sessions, and with them what the caller's environment says about its
// own: that is good enough for holding back what could lock the caller out, and exempts
// nobody. Processes tell most, but only to whoever may look into them, which our own
// service may not. logind and utmp, which not all systems have, do not tell the port: it
// is taken to be the caller's.
func SSH() []Login {
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
		stat, statErr := probe.ReadStat(filepath.Join(dir, "stat"))
		if statErr != nil {
			break
		}
		if c, ok := parseConnection(environ); err == nil && ok {
			c.Since = stat.Start
			found = append(found, c)
		}
		pid = stat.Parent
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
