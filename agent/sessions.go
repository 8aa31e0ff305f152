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
	peers := callerPeers("/proc", os.Getpid())
	if text, err := os.ReadFile("/run/utmp"); err == nil {
		peers = append(peers, parseUtmp(text, utmpFormat(), alive)...)
	}
	return peers
}

// maxAncestors bounds the walk from this process up to init.
const maxAncestors = 32

// callerPeers reads SSH_CONNECTION, which sshd sets for the login (ssh(1)),
// from the environment of this process and of those that started it: sudo and
// su take it out of the environment.
func callerPeers(proc string, pid int) []netip.Addr {
	var peers []netip.Addr
	for range maxAncestors {
		if pid <= 1 {
			break
		}
		dir := filepath.Join(proc, strconv.Itoa(pid))
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err == nil {
			peers = append(peers, connectionPeer(environ)...)
		}
		if pid, err = parent(filepath.Join(dir, "stat")); err != nil {
			break
		}
	}
	return peers
}

// connectionPeer finds "SSH_CONNECTION=client port server port".
func connectionPeer(environ []byte) []netip.Addr {
	for v := range bytes.SplitSeq(environ, []byte{0}) {
		rest, ok := strings.CutPrefix(string(v), "SSH_CONNECTION=")
		if !ok {
			continue
		}
		client, _, _ := strings.Cut(rest, " ")
		if a, err := netip.ParseAddr(client); err == nil {
			return []netip.Addr{a.Unmap().WithZone("")}
		}
	}
	return nil
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
