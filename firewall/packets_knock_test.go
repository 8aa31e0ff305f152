package firewall_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// verdict is what the one who knocks at a port sees.
type verdict string

const (
	accepted verdict = "accepted" // it arrived, and the answer came back
	refused  verdict = "refused"  // it did not, and "port unreachable" came back
	silent   verdict = "silent"   // it did not, and nothing came back
)

// patience bounds the wait for what has to come.
const patience = 10 * time.Second

// servers are the open sockets of the PBX host, by port.
type servers struct {
	udp map[uint16]*net.UDPConn
	tcp map[uint16]*net.TCPListener
}

func (l *lab) udpServer(port uint16) *net.UDPConn {
	l.t.Helper()
	if s := l.servers.udp[port]; s != nil {
		return s
	}
	s, err := net.ListenUDP("udp", udpAddr(l.pbx(), port))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.Close() })
	if l.servers.udp == nil {
		l.servers.udp = make(map[uint16]*net.UDPConn)
	}
	l.servers.udp[port] = s
	return s
}

func (l *lab) tcpServer(port uint16) *net.TCPListener {
	l.t.Helper()
	if s := l.servers.tcp[port]; s != nil {
		return s
	}
	s, err := net.ListenTCP("tcp", tcpAddr(l.pbx(), port))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.Close() })
	if l.servers.tcp == nil {
		l.servers.tcp = make(map[uint16]*net.TCPListener)
	}
	l.servers.tcp[port] = s
	return s
}

// knock sends one packet, or begins one connection, to a port at which the PBX
// host has a server that answers.
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
	switch _, err := pending(client); {
	case errors.Is(err, unix.ECONNREFUSED):
		return refused
	case !errors.Is(err, unix.EAGAIN):
		l.t.Fatal("the client's socket: ", err)
	}
	return silent
}

// answer sends a text back if it has arrived at a UDP port of the PBX host, and
// reports whether it has.
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

// arrived returns what has come to a UDP port of the PBX host and was not
// returned before. It knows that there is no more by a packet of its own, which it
// sends to that port over the loopback interface: the server has packets in the
// order in which they came.
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
	// On a wire without any delay the refusal comes before the client waits for
	// it, and then TCP does not tell; so it is read beside the client.
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

// attempt is a connection that was begun.
type attempt struct {
	l     *lab
	fd    int
	local netip.AddrPort
}

// connect begins a TCP connection and does not wait for the answer.
func (l *lab) connect(c caller, port uint16) *attempt {
	l.t.Helper()
	a := &attempt{l: l}
	var err error
	c.host.Do(func() {
		family := [...]int{unix.AF_INET, unix.AF_INET6}[l.family]
		if a.fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		if err = unix.Bind(a.fd, sockaddr(c.addr, 0)); err != nil {
			return
		}
		// An answer of "port unreachable" may be there before the call returns.
		if err = unix.Connect(a.fd, sockaddr(l.pbx(), port)); errors.Is(err, unix.EINPROGRESS) {
			err = nil
		}
	})
	if err != nil {
		l.t.Fatal("connect: ", err)
	}
	local, err := unix.Getsockname(a.fd)
	if err != nil {
		l.t.Fatal("getsockname: ", err)
	}
	a.local = addrPort(local)
	return a
}

func (a *attempt) close() {
	if a.fd >= 0 {
		unix.Close(a.fd)
		a.fd = -1
	}
}

// state is nil for a connection that stands, EAGAIN for one without an answer,
// and otherwise what the answer was.
func (a *attempt) state() error {
	a.l.t.Helper()
	fds := []unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	if err != nil {
		a.l.t.Fatal("poll: ", err)
	}
	if n == 0 {
		return unix.EAGAIN
	}
	code, err := unix.GetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		a.l.t.Fatal("SO_ERROR: ", err)
	}
	if code != 0 {
		return unix.Errno(code)
	}
	return nil
}

// established turns an attempt that the server has accepted into a connection.
func (l *lab) established(a *attempt) net.Conn {
	l.t.Helper()
	if err := a.state(); err != nil {
		l.t.Fatal("the server has the connection, and the client has not: ", err)
	}
	f := os.NewFile(uintptr(a.fd), "client")
	a.fd = -1
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// connected returns the connections to a TCP port of the PBX host that stand and
// were not returned before. The last one is its own, as in arrived.
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

// exchange sends a token from one end of a connection and waits for it at the
// other.
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

// token is a text that no packet had before.
func (l *lab) token() string {
	l.knocks++
	return fmt.Sprintf("knock %d", l.knocks)
}

// dialUDP opens a client's socket on the caller's host.
func (l *lab) dialUDP(c caller, port uint16) *net.UDPConn {
	l.t.Helper()
	var client *net.UDPConn
	var err error
	c.host.Do(func() { client, err = net.DialUDP("udp", udpAddr(c.addr, 0), udpAddr(l.pbx(), port)) })
	if err != nil {
		l.t.Fatal(err)
	}
	return client
}

// pending returns what a socket has got already: a text or an error, and EAGAIN
// if it has got neither.
func pending(c syscall.Conn) (string, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	buf := make([]byte, 2048)
	var n int
	var got error
	err = raw.Read(func(fd uintptr) bool {
		n, _, got = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
		return true
	})
	if got == nil {
		got = err
	}
	return string(buf[:max(0, n)]), got
}

func udpAddr(a netip.Addr, port uint16) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, port))
}

func tcpAddr(a netip.Addr, port uint16) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, port))
}

func sockaddr(a netip.Addr, port uint16) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4(), Port: int(port)}
	}
	return &unix.SockaddrInet6{Addr: a.As16(), Port: int(port)}
}

func addrPort(s unix.Sockaddr) netip.AddrPort {
	switch s := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), uint16(s.Port))
	}
	return netip.AddrPort{}
}

// peerOf is the other end of a TCP connection.
func peerOf(c net.Conn) netip.AddrPort { return c.RemoteAddr().(*net.TCPAddr).AddrPort() }

// burst sends packets to a UDP port of the PBX host, each a REGISTER, an INVITE or
// a scanner's in turn, as fast as it can.
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
