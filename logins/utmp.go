package logins

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
)

// utmpLayout has the offsets of struct utmp (utmp(5), glibc's bits/utmp.h). Its size depends on
// whether its time has 32 or 64 bits.
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

// utmpFile is the file of login records (utmp(5)).
const utmpFile = "/run/utmp"

// utmpPeers returns the addresses of the sessions in the file. A missing file means no sessions.
func utmpPeers(file string, alive func(pid int) bool) []netip.Addr {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return parseUtmp(text, utmpFormat(), alive)
}

// parseUtmp returns the addresses in records of sessions whose process is alive, since a crash
// leaves records behind.
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

// utmpAddr parses ut_addr_v6: "IPv4 address uses just ut_addr_v6[0]".
func utmpAddr(b [16]byte) (netip.Addr, bool) {
	if [12]byte(b[4:]) == [12]byte{} {
		a := netip.AddrFrom4([4]byte(b[:4]))
		return a, !a.IsUnspecified()
	}
	return netip.AddrFrom16(b).Unmap(), true
}
