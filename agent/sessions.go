package agent

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// sessionPeers are the addresses from which somebody is logged in on this host
// now, so that no feed can cut off the admin who is at work. A login is what
// counts: were an open TCP connection enough, an attacker could protect himself
// by connecting.
func sessionPeers() []netip.Addr {
	var peers []netip.Addr
	for _, l := range sshLogins() {
		peers = append(peers, l.from)
	}
	return peers
}

// login is an SSH session: where it comes from, and which port of this host it
// goes to.
type login struct {
	from netip.Addr
	port uint16
}

// sshPort is where sshd listens if nothing says otherwise (IANA).
const sshPort = 22

// sshLogins are the caller's own sessions and those of everybody else who is
// logged in. utmp does not tell the port: it is taken to be the caller's.
func sshLogins() []login {
	var logins []login
	port := uint16(sshPort)
	for _, c := range callerConnections("/proc", os.Getpid()) {
		logins = append(logins, login{c.client.Addr(), c.server.Port()})
		port = c.server.Port()
	}
	if text, err := os.ReadFile("/run/utmp"); err == nil {
		for _, a := range parseUtmp(text, utmpFormat(), alive) {
			logins = append(logins, login{a, port})
		}
	}
	return logins
}

// callerConnection is the SSH connection that the caller typed its command in,
// such as "203.0.113.5:50022 192.0.2.1:22", or empty on a console.
func callerConnection() string {
	for _, c := range callerConnections("/proc", os.Getpid()) {
		return c.client.String() + " " + c.server.String()
	}
	return ""
}

// maxAncestors bounds the walk from this process up to init.
const maxAncestors = 32

// connection is what SSH_CONNECTION tells.
type connection struct{ client, server netip.AddrPort }

// callerConnections reads SSH_CONNECTION, which sshd sets for the login (ssh(1)),
// from the environment of this process and of those that started it: sudo and
// su take it out of the environment. The nearest comes first.
func callerConnections(proc string, pid int) []connection {
	var found []connection
	for range maxAncestors {
		if pid <= 1 {
			break
		}
		dir := filepath.Join(proc, strconv.Itoa(pid))
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if c, ok := parseConnection(environ); err == nil && ok {
			found = append(found, c)
		}
		if pid, err = parent(filepath.Join(dir, "stat")); err != nil {
			break
		}
	}
	return found
}

// parseConnection finds "SSH_CONNECTION=client port server port".
func parseConnection(environ []byte) (c connection, ok bool) {
	for v := range bytes.SplitSeq(environ, []byte{0}) {
		rest, found := strings.CutPrefix(string(v), "SSH_CONNECTION=")
		words := strings.Fields(rest)
		if !found || len(words) != 4 {
			continue
		}
		client, errC := parseEnd(words[0], words[1])
		server, errS := parseEnd(words[2], words[3])
		if errC == nil && errS == nil {
			return connection{client, server}, true
		}
	}
	return connection{}, false
}

func parseEnd(addr, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(n)), err
}

// parent reads the fourth field of /proc/PID/stat (proc_pid_stat(5)). The
// second is the program's name in parentheses and may hold anything.
func parent(stat string) (int, error) {
	text, err := os.ReadFile(stat)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return 0, os.ErrInvalid
	}
	return strconv.Atoi(fields[1])
}

// utmpLayout is where struct utmp (utmp(5), glibc's bits/utmp.h) has its
// fields. Its size depends on whether time is 32 or 64 bits in it.
type utmpLayout struct{ size, addr int }

const (
	utmpType    = 0
	utmpPID     = 4
	userProcess = 7 // USER_PROCESS
)

func utmpFormat() utmpLayout {
	if runtime.GOARCH == "arm64" {
		return utmpLayout{size: 400, addr: 360}
	}
	return utmpLayout{size: 384, addr: 348}
}

// parseUtmp returns the peers of the records that stand for a session whose
// process is alive; a crash leaves records behind.
func parseUtmp(text []byte, layout utmpLayout, alive func(pid int) bool) []netip.Addr {
	var peers []netip.Addr
	for ; len(text) >= layout.size; text = text[layout.size:] {
		typ := binary.NativeEndian.Uint16(text[utmpType:])
		pid := int(int32(binary.NativeEndian.Uint32(text[utmpPID:])))
		if typ != userProcess || !alive(pid) {
			continue
		}
		if a, ok := utmpAddr([16]byte(text[layout.addr:])); ok {
			peers = append(peers, a)
		}
	}
	return peers
}

// utmpAddr reads ut_addr_v6: "IPv4 address uses just ut_addr_v6[0]".
func utmpAddr(b [16]byte) (netip.Addr, bool) {
	if [12]byte(b[4:]) == [12]byte{} {
		a := netip.AddrFrom4([4]byte(b[:4]))
		return a, !a.IsUnspecified()
	}
	return netip.AddrFrom16(b).Unmap(), true
}

func alive(pid int) bool {
	_, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid)))
	return err == nil
}
