package host

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// hexAddrPort formats an address as the kernel does.
func hexAddrPort(ap netip.AddrPort) string {
	b := ap.Addr().AsSlice()
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	return fmt.Sprintf("%s:%04X", strings.ToUpper(hex.EncodeToString(b)), ap.Port())
}

// socketLine formats a line of a table.
func socketLine(n int, local netip.AddrPort, state string, inode uint64) string {
	return fmt.Sprintf("%4d: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 2 0000000000000000 0\n",
		n, hexAddrPort(local), state, inode)
}

func TestParseSockets(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		name, table string
		want        []socket
		problem     string
	}{
		{"nothing", heading, nil, ""},
		{"states", heading + socketLine(0, at("0.0.0.0:5060"), "0A", 7) + socketLine(1, at("192.0.2.1:5060"), "01", 8), []socket{{at("0.0.0.0:5060"), 7}}, ""},
		{"IPv6", heading + socketLine(0, at("[2001:db8::1]:5061"), "0A", 7) + socketLine(1, at("[::]:22"), "0A", 8),
			[]socket{{at("[2001:db8::1]:5061"), 7}, {at("[::]:22"), 8}}, ""},
		{"mapped", heading + socketLine(0, at("[::ffff:127.0.0.1]:80"), "0A", 7), []socket{{at("127.0.0.1:80"), 7}}, ""},
		{"the kernel's own", heading + socketLine(0, at("0.0.0.0:51820"), "0A", 0), []socket{{at("0.0.0.0:51820"), 0}}, ""},
		{"no port yet", heading + socketLine(0, at("0.0.0.0:0"), "0A", 7), nil, ""},
		{"a broken line among others", heading + "x\n" + socketLine(1, at("0.0.0.0:1"), "0A", 7) + "   2: XYZ:0 0:0 0A 0 0 0 0 0 0\n", []socket{{at("0.0.0.0:1"), 7}}, "line 2: 1 fields"},
		{"an address", heading + "   0: 0000:0001 0:0 0A 0 0 0 0 0 7\n", nil, "32 hexadecimal"},
		{"a port", heading + "   0: 00000000:10000 0:0 0A 0 0 0 0 0 7\n", nil, "out of range"},
		{"an inode", heading + "   0: 00000000:0001 0:0 0A 0 0 0 0 0 -7\n", nil, "inode"},
		{"a line too long", heading + strings.Repeat("x", maxLine+1), nil, "too long"},
	} {
		got, err := parseSockets(strings.NewReader(c.table), tcpListen)
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(socket{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: error %v, not %q", c.name, err, c.problem)
		}
	}
}

// FuzzSockets: each parsed socket, formatted again, has the address, state and inode of a line of
// the table.
func FuzzSockets(f *testing.F) {
	f.Add(heading + socketLine(0, netip.MustParseAddrPort("10.0.0.1:5060"), "0A", 7) + socketLine(1, netip.MustParseAddrPort("[::1]:22"), "0A", 8))
	f.Add("\n: 0:0 0 0A 1 2 3 4 5 6\n")
	f.Fuzz(func(t *testing.T, table string) {
		sockets, _ := parseSockets(strings.NewReader(table), tcpListen)
	next:
		for _, s := range sockets {
			if s.local.Port() == 0 {
				t.Errorf("%q: port 0", table)
			}
			ap := []string{hexAddrPort(s.local)}
			if s.local.Addr().Is4() {
				ap = append(ap, hexAddrPort(netip.AddrPortFrom(netip.AddrFrom16(s.local.Addr().As16()), s.local.Port())))
			}
			for line := range strings.Lines(table) {
				f := strings.Fields(line)
				if len(f) < 10 || f[3] != tcpListen {
					continue
				}
				addr, port, _ := strings.Cut(f[1], ":")
				for len(port) < 4 {
					port = "0" + port
				}
				for len(port) > 4 && port[0] == '0' {
					port = port[1:]
				}
				inode := strings.TrimLeft(f[9], "0")
				for _, want := range ap {
					if strings.EqualFold(addr+":"+port, want) && (inode == fmt.Sprint(s.inode) || inode == "" && s.inode == 0) {
						continue next
					}
				}
			}
			t.Errorf("%q: socket %v is in no line", table, s)
		}
	})
}

func TestListenersOf(t *testing.T) {
	at := netip.MustParseAddrPort
	in := func(proto, local, program string, inode uint64) boundSocket {
		return boundSocket{socket: socket{at(local), inode}, proto: proto, program: program}
	}
	got := listenersOf([]boundSocket{
		in("udp", "0.0.0.0:5060", "asterisk", 1),
		in("udp", "0.0.0.0:51145", "asterisk", 2), // a resolver's query
		in("udp", "[::]:38800", "asterisk", 3),
		in("udp", "0.0.0.0:41641", "tailscaled", 4), // both families: asked for
		in("udp", "[::]:41641", "tailscaled", 5),
		in("udp", "0.0.0.0:41642", "one", 6), // two programs: chance
		in("udp", "[::]:41642", "two", 7),
		{socket{at("0.0.0.0:51820"), 20}, "udp", "", true}, // WireGuard's
		in("udp", "0.0.0.0:51821", "", 8),                  // of a process that this one may not look into
		in("tcp", "0.0.0.0:40000", "sshd", 9),              // TCP always listens
		in("tcp", "127.0.0.1:5038", "asterisk", 10),
		in("tcp", "[::1]:25", "exim4", 11),
		in("tcp", "0.0.0.0:80", "nginx", 12),
		in("tcp", "0.0.0.0:80", "nginx", 13), // a worker on the same port
		in("tcp", "192.0.2.1:80", "other", 14),
	}, 32768, 60999)
	var lines []string
	for _, l := range got {
		lines = append(lines, fmt.Sprint(l.Proto, " ", netip.AddrPortFrom(l.Addr, l.Port), " ", l.Program))
	}
	want := []string{
		"tcp 0.0.0.0:80 nginx", "tcp 192.0.2.1:80 other", "udp 0.0.0.0:5060 asterisk", "tcp 0.0.0.0:40000 sshd",
		"udp 0.0.0.0:41641 tailscaled", "udp [::]:41641 tailscaled", "udp 0.0.0.0:51820 ",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
}
