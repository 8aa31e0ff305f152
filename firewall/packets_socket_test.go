package firewall_test

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

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
		// The answer "port unreachable" may arrive before the call returns.
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

// state returns nil for an established connection, EAGAIN without an answer, and otherwise the error of the
// answer.
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

// stream is a connection to the SIP port: the client's end and the server's.
func (l *lab) stream(c caller) (client, server net.Conn) {
	l.t.Helper()
	l.tcpServer(5060)
	a := l.connect(c, 5060)
	l.t.Cleanup(a.close)
	accepted := l.connected(5060)
	if len(accepted) != 1 {
		l.t.Fatalf("%d connections stand", len(accepted))
	}
	client, server = l.established(a), accepted[0]
	l.t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
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
