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

// socket is a line of /proc/net/tcp and the like, of a socket without a particular peer.
type socket struct {
	local netip.AddrPort
	inode uint64 // 0: none, for example while it is being closed
}

// These are the states of sockets that accept packets from anybody, as the files show them
// (include/net/tcp_states.h): a listening TCP socket, and "closed" for an unconnected UDP socket.
const (
	tcpListen = "0A"
	udpBound  = "07"
)

// maxLine is the longest accepted line of the tables: the kernel pads lines to 150 or 180 bytes.
const maxLine = 4096

// parseSockets reads one of the kernel's tables (proc(5), /proc/net/tcp) and returns the sockets in
// a state. A malformed line is an error; the other lines still count.
func parseSockets(table io.Reader, state string) ([]socket, error) {
	var all []socket
	var errs []error
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			continue // the header
		}
		f := strings.Fields(lines.Text())
		if len(f) >= 4 && f[3] != state {
			continue // on a busy host, most of them
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

// parseSocket parses the fields of a line: number, local and remote address, state, queues, timer,
// retransmits, user, timeout, inode, and more.
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

// parseHexAddrPort parses "0100007F:13C4". The address is in 32-bit words, each in the machine's
// byte order.
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
