package firewall_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/iptables"
)

// message is an ICMP message, starting with its type.
type message []byte

// The types by family: RFC 792 and RFC 4443.
var (
	echoRequest     = [2]byte{8, 128}
	echoReply       = [2]byte{0, 129}
	portUnreachable = [2][2]byte{{3, 3}, {1, 4}} // type and code
)

const icmpHeader = 8 // bytes

// listenICMP opens a socket on a host that receives all ICMP for it.
func (l *lab) listenICMP(h *testns.Host) *net.IPConn {
	l.t.Helper()
	var conn *net.IPConn
	var err error
	h.Do(func() { conn, err = net.ListenIP([...]string{"ip4:icmp", "ip6:ipv6-icmp"}[l.family], nil) })
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { conn.Close() })
	return conn
}

// messages returns what a socket of listenICMP has already received.
func (l *lab) messages(conn *net.IPConn) []message {
	l.t.Helper()
	var all []message
	for {
		text, err := testns.Pending(conn)
		if errors.Is(err, unix.EAGAIN) {
			return all
		}
		if err != nil {
			l.t.Fatal(err)
		}
		m := []byte(text)
		if l.family == iptables.IPv4 { // there a raw socket has the IP header too
			m = m[4*(m[0]&0xf):]
		}
		all = append(all, m)
	}
}

// packet is the start of one, which "port unreachable" quotes.
type packet struct {
	proto    string
	src, dst netip.AddrPort
}

// unreachable returns the packets quoted by the "port unreachable" messages that a socket of listenICMP has
// received since the last call.
func (l *lab) unreachable(conn *net.IPConn) []packet {
	l.t.Helper()
	var all []packet
	for _, m := range l.messages(conn) {
		if len(m) >= icmpHeader && [2]byte(m[:2]) == portUnreachable[l.family] {
			all = append(all, l.quoted(m[icmpHeader:]))
		}
	}
	return all
}

// quoted reads an IP header without options (RFC 791, RFC 8200) and the ports
// after it.
func (l *lab) quoted(p []byte) packet {
	l.t.Helper()
	header, proto, src, dst := 40, 6, 8, 24
	if l.family == iptables.IPv4 {
		header, proto, src, dst = 20, 9, 12, 16
	}
	if len(p) < header+4 {
		l.t.Fatalf("port unreachable without the packet: %x", p)
	}
	end := func(at, port int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(p[at : at+dst-src])
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(p[header+port:]))
	}
	return packet{map[byte]string{unix.IPPROTO_UDP: "udp", unix.IPPROTO_TCP: "tcp"}[p[proto]], end(src, 0), end(dst, 2)}
}

// ping sends a numbered echo request from the caller's address.
func (l *lab) ping(c caller, number uint16) {
	l.t.Helper()
	m := make(message, icmpHeader)
	m[0] = echoRequest[l.family]
	binary.BigEndian.PutUint16(m[4:], number)
	if l.family == iptables.IPv4 { // for IPv6 the kernel does it
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	var err error
	c.host.Do(func() {
		var conn *net.IPConn
		conn, err = net.DialIP([...]string{"ip4:icmp", "ip6:ipv6-icmp"}[l.family], &net.IPAddr{IP: c.addr.AsSlice()}, &net.IPAddr{IP: l.pbx().AsSlice()})
		if err == nil {
			_, err = conn.Write(m)
			conn.Close()
		}
	})
	if err != nil {
		l.t.Fatal("ping: ", err)
	}
}

// checksum returns that of RFC 1071, for a message of even length.
func checksum(m message) uint16 {
	var sum uint32
	for i := 0; i < len(m); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(m[i:]))
	}
	return ^uint16(sum>>16 + sum&0xffff)
}

// replied reports whether the reply to a ping has come.
func (l *lab) replied(conn *net.IPConn, number uint16) bool {
	l.t.Helper()
	for _, m := range l.messages(conn) {
		if len(m) >= icmpHeader && m[0] == echoReply[l.family] && binary.BigEndian.Uint16(m[4:]) == number {
			return true
		}
	}
	return false
}
