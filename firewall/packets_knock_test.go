package firewall_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
)

// verdict is the result of knocking at a port, as seen by the caller.
type verdict string

const (
	accepted verdict = "accepted" // it arrived, and the answer came back
	refused  verdict = "refused"  // it did not arrive, and "port unreachable" came back
	silent   verdict = "silent"   // it did not arrive, and nothing came back
)

// patience bounds the wait for what has to come.
const patience = 10 * time.Second

// knock sends one packet, or begins one connection, to a port where the PBX host has a server that
// answers.
func (l *lab) knock(c caller, proto string, port uint16) verdict {
	l.t.Helper()
	if proto == "tcp" {
		return l.knockTCP(c, port)
	}
	return l.knockUDP(c, port)
}

func (l *lab) knockUDP(c caller, port uint16) verdict {
	l.t.Helper()
	l.udpServer(port)
	client := l.dialUDP(c, port)
	defer client.Close()
	token := l.token()
	l.send(client, token)
	if l.answer(port, token) {
		l.expect(client, token)
		return accepted
	}
	switch _, err := testns.Pending(client); {
	case errors.Is(err, unix.ECONNREFUSED):
		return refused
	case !errors.Is(err, unix.EAGAIN):
		l.t.Fatal("the client's socket: ", err)
	}
	return silent
}

// answer sends a text back if it has arrived at a UDP port of the PBX host, and reports whether it has.
func (l *lab) answer(port uint16, text string) bool {
	l.t.Helper()
	for _, d := range l.arrived(port) {
		if d.text != text {
			continue
		}
		if _, err := l.udpServer(port).WriteToUDPAddrPort([]byte(text), d.from); err != nil {
			l.t.Fatal("answer: ", err)
		}
		return true
	}
	return false
}

// datagram is what came to a UDP server.
type datagram struct {
	text string
	from netip.AddrPort
}

// arrived returns what has arrived at a UDP port of the PBX host since the last call. To know that nothing
// more will come, it sends a packet of its own to that port over the loopback interface: the server
// receives packets in order.
func (l *lab) arrived(port uint16) []datagram {
	l.t.Helper()
	server := l.udpServer(port)
	own, err := net.DialUDP("udp", udpAddr(l.pbx(), 0), udpAddr(l.pbx(), port))
	if err != nil {
		l.t.Fatal(err)
	}
	defer own.Close()
	last := l.token()
	l.send(own, last)
	if err := server.SetReadDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	var all []datagram
	buf := make([]byte, 2048)
	for {
		n, from, err := server.ReadFromUDPAddrPort(buf)
		if err != nil {
			l.t.Fatalf("the server at UDP port %d: %v", port, err)
		}
		if string(buf[:n]) == last {
			return all
		}
		all = append(all, datagram{string(buf[:n]), from})
	}
}

// converse sends a packet and waits for it and for the answer.
func (l *lab) converse(c caller, port uint16) {
	l.t.Helper()
	server, client := l.udpServer(port), l.dialUDP(c, port)
	defer client.Close()
	token := l.token()
	l.send(client, token)
	l.expectFrom(server, token, client.LocalAddr())
	if _, err := server.WriteTo([]byte(token), client.LocalAddr()); err != nil {
		l.t.Fatal(err)
	}
	l.expect(client, token)
}

func (l *lab) knockTCP(c caller, port uint16) verdict {
	l.t.Helper()
	l.tcpServer(port)
	// Without any delay on the wire, the refusal comes before the client waits for it, and TCP does not
	// report it. So it is read by a second socket.
	icmp := l.listenICMP(c.host)
	defer icmp.Close()
	a := l.connect(c, port)
	defer a.close()
	for _, conn := range l.connected(port) {
		defer conn.Close()
		if peerOf(conn) == a.local {
			client := l.established(a)
			defer client.Close()
			l.exchange(client, conn)
			l.exchange(conn, client)
			return accepted
		}
	}
	if slices.Contains(l.unreachable(icmp), packet{"tcp", a.local, netip.AddrPortFrom(l.pbx(), port)}) {
		return refused
	}
	if err := a.state(); !errors.Is(err, unix.EAGAIN) {
		l.t.Fatalf("a connection that the server has not: %v", err)
	}
	return silent
}

// connected returns the connections to a TCP port of the PBX host that were established since the last
// call. As in arrived, the last one is its own.
func (l *lab) connected(port uint16) []net.Conn {
	l.t.Helper()
	server := l.tcpServer(port)
	own, err := net.DialTCP("tcp", tcpAddr(l.pbx(), 0), tcpAddr(l.pbx(), port))
	if err != nil {
		l.t.Fatal(err)
	}
	defer own.Close()
	if err := server.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	var all []net.Conn
	for {
		c, err := server.Accept()
		if err != nil {
			l.t.Fatalf("the server at TCP port %d: %v", port, err)
		}
		if c.RemoteAddr().String() == own.LocalAddr().String() {
			c.Close()
			return all
		}
		all = append(all, c)
	}
}

// exchange sends a token from one end of a connection and waits for it at the other.
func (l *lab) exchange(from, to net.Conn) {
	l.t.Helper()
	token := l.token()
	l.send(from, token)
	l.expect(to, token)
}

func (l *lab) send(c net.Conn, text string) {
	l.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		l.t.Fatalf("send from %s to %s: %v", c.LocalAddr(), c.RemoteAddr(), err)
	}
}

// sendFrom sends one packet, in a flow of its own.
func (l *lab) sendFrom(c caller, port uint16, text string) {
	l.t.Helper()
	client := l.dialUDP(c, port)
	defer client.Close()
	l.send(client, text)
}

// expect waits until a text has come.
func (l *lab) expect(c net.Conn, text string) {
	l.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, err := c.Read(buf)
	if err != nil || string(buf[:n]) != text {
		l.t.Fatalf("%s expects %q of %s, and has %q, %v", c.LocalAddr(), text, c.RemoteAddr(), buf[:n], err)
	}
}

// expectFrom waits until a packet has come to a server.
func (l *lab) expectFrom(server *net.UDPConn, text string, from net.Addr) {
	l.t.Helper()
	if err := server.SetReadDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, who, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != text || who.String() != from.String() {
		l.t.Fatalf("%s expects %q of %s, and has %q of %v, %v", server.LocalAddr(), text, from, buf[:n], who, err)
	}
}

// token returns a text that no packet had before.
func (l *lab) token() string {
	l.knocks++
	return fmt.Sprintf("knock %d", l.knocks)
}

// burst sends packets to a UDP port of the PBX host as fast as it can: in turn a REGISTER, an INVITE and a
// scanner's request.
func (l *lab) burst(c caller, port uint16, packets int) (sent int) {
	l.t.Helper()
	l.udpServer(port)
	client := l.dialUDP(c, port)
	defer client.Close()
	texts := []string{"REGISTER sip:pbx SIP/2.0", "INVITE sip:100@pbx SIP/2.0", "OPTIONS sip:pbx SIP/2.0\r\nUser-Agent: friendly-scanner", "OPTIONS sip:pbx SIP/2.0\r\nUser-Agent: VaxSIPUserAgent"}
	for n := range packets {
		l.send(client, texts[n%len(texts)])
	}
	return packets
}
