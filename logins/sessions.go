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

// SessionPeers returns the addresses from which somebody is logged in on this host now, so that no
// feed can cut off an admin at work. They come from sources that neither a peer nor a local user
// can write. Only logins count: if an open TCP connection were enough, attackers could exempt
// themselves by connecting.
func SessionPeers() []netip.Addr {
	return peersOf(sshSessions())
}

// peersOf adds the addresses of recorded sessions to those of others.
func peersOf(sessions []Connection) (peers []netip.Addr) {
	for _, c := range sessions {
		peers = append(peers, c.Client.Addr())
	}
	return append(peers, RecordedPeers()...)
}

// sshSessions returns the sessions that processes and connections show.
func sshSessions() []Connection { return shellConnections("/proc", nil) }

// RecordedPeers returns the addresses of the sessions that logind and utmp have recorded.
func RecordedPeers() []netip.Addr {
	return slices.Concat(logindPeers(logindSessions, alive), utmpPeers(utmpFile, alive))
}

// Login is an SSH session: the address it comes from, and the port of this host it goes to.
type Login struct {
	From netip.Addr
	Port uint16
}

// sshPort is sshd's default port (IANA).
const sshPort = 22

// SSH returns all sessions, including what the caller's environment says about its own. That is
// good enough for holding back rules that could lock the caller out, but exempts nobody. Processes
// show most, but only to those who may look into them, unlike voipbl's own service. Not all systems
// have logind and utmp, and these do not record the port: it is assumed to be the caller's.
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

// CallerConnection returns the SSH connection through which the caller typed its command: the first
// of those that the caller has inherited. On a console there is none.
func CallerConnection() Connection {
	all := callerConnections("/proc", os.Getpid())
	if len(all) == 0 {
		return Connection{}
	}
	return all[len(all)-1]
}

// maxAncestors limits the walk from this process up to init.
const maxAncestors = 32

// Connection is the content of SSH_CONNECTION, and since when the process that has it is running,
// as time since the boot.
type Connection struct {
	Client, Server netip.AddrPort
	Since          time.Duration
}

// Name identifies a connection; it is empty for none.
func (c Connection) Name() string {
	if !c.Client.IsValid() {
		return ""
	}
	return c.Client.String() + " " + c.Server.String()
}

// callerConnections reads SSH_CONNECTION, which sshd sets at the login (ssh(1)), from the
// environments of this process and its ancestors, since sudo and su remove it. The nearest process
// comes first.
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

// parseConnection parses "SSH_CONNECTION=client port server port".
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
