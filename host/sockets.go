package host

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// socket is a line of /proc/net/tcp and the like, of a socket that nobody in
// particular is at the other end of.
type socket struct {
	local netip.AddrPort
	inode uint64 // 0: none, as while it is closed
}

// The states of a socket that waits for everybody, as the files have them
// (include/net/tcp_states.h): a TCP socket listens, and a UDP socket that is not
// connected is "closed".
const (
	tcpListen = "0A"
	udpBound  = "07"
)

// maxLine bounds a line of the tables: the kernel pads them to 150 or 180 bytes.
const maxLine = 4096

// parseSockets reads a table of the kernel (proc(5), /proc/net/tcp) and keeps the
// sockets in a state. A line that is none is an error, and the others count.
func parseSockets(table io.Reader, state string) ([]socket, error) {
	var all []socket
	var errs []error
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			continue // the heading
		}
		f := strings.Fields(lines.Text())
		if len(f) >= 4 && f[3] != state {
			continue // most of a busy host's
		}
		s, err := parseSocket(f)
		if err != nil {
			if len(errs) == 0 {
				errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			}
			continue
		}
		if s.local.Port() != 0 {
			all = append(all, s)
		}
	}
	return all, errors.Join(append(errs, lines.Err())...)
}

// parseSocket reads the fields of a line: number, local and remote address, state,
// queues, timer, retransmits, user, timeout, inode, and more.
func parseSocket(f []string) (socket, error) {
	if len(f) < 10 {
		return socket{}, fmt.Errorf("%d fields, not 10 or more", len(f))
	}
	local, err := parseHexAddrPort(f[1])
	if err != nil {
		return socket{}, err
	}
	inode, err := strconv.ParseUint(f[9], 10, 64)
	if err != nil {
		return socket{}, fmt.Errorf("inode %q: %w", f[9], err)
	}
	return socket{local, inode}, nil
}

// parseHexAddrPort reads "0100007F:13C4". An address is printed as 32-bit words in
// the machine's byte order, each from its number.
func parseHexAddrPort(s string) (netip.AddrPort, error) {
	addr, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(addr)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q is not 8 or 32 hexadecimal digits", addr)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, _ := netip.AddrFromSlice(b)
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q: %w", port, err)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), nil
}
