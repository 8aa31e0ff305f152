package firewall_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/iptables"
)

// TestPacketsICMP pings from outside and from the local network.
func TestPacketsICMP(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		for i, c := range []struct {
			name string
			caller
			want bool
		}{
			{"outside", l.fresh(l.roamer), false},
			{"the trunk", caller{l.trunk, l.addr(l.trunk)}, false},
			{"the local network", l.fresh(l.phone), true},
		} {
			number := uint16(i + 1)
			conn, before := l.listenICMP(c.host), l.counted("nothing else")
			l.ping(c.caller, number)
			dropped := l.counted("nothing else") - before
			if got := l.replied(conn, number); got != c.want || dropped != map[bool]int{false: 1, true: 0}[c.want] {
				l.t.Errorf("ping from %s: reply %v, want %v; the last DROP counted %d", c.name, got, c.want, dropped)
			}
		}
	})
}

// TestPacketsNeighbours makes all hosts forget each other's link addresses, and they find each other again
// through the rules: with ARP, which is not IP, and with IPv6 neighbour discovery, which is.
func TestPacketsNeighbours(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.star.Forget()
		l.converse(caller{l.roamer, l.addr(l.roamer)}, 4569)
		l.star.Forget()
		l.callOut(caller{l.roamer, l.addr(l.roamer)})
		if l.family == iptables.IPv4 {
			return
		}
		for _, purpose := range []string{"neighbour discovery: solicitation", "neighbour discovery: advertisement"} {
			if l.counted(purpose) == 0 {
				l.t.Errorf("%q counted nothing: whom did they find?", purpose)
			}
		}
	})
}

// TestPacketsEstablished: answers to what the PBX host has begun get in, of whatever kind, and nothing else
// from the same hosts does.
func TestPacketsEstablished(t *testing.T) {
	inEachLab(t, func(l *lab) {
		l.apply(full())
		host := caller{l.roamer, l.addr(l.roamer)}
		here, there := l.callOut(host)
		if got := l.counted(answers); got != 1 {
			l.t.Errorf("%q counted %d of one answer", answers, got)
		}

		// The same host, from another port, to the same port.
		before := l.counted("nothing else")
		var other *net.UDPConn
		var err error
		l.roamer.Do(func() { other, err = net.DialUDP("udp", udpAddr(host.addr, 0), here.LocalAddr().(*net.UDPAddr)) })
		if err != nil {
			l.t.Fatal(err)
		}
		defer other.Close()
		l.send(other, "unasked")
		if got := l.counted("nothing else") - before; got != 1 {
			l.t.Errorf("the last DROP counted %d of one unasked packet", got)
		}
		// The kernel would not pass it to a connected socket in any case. Whether the sender gets an
		// error shows if it arrived.
		if _, err := testns.Pending(other); !errors.Is(err, unix.EAGAIN) {
			l.t.Errorf("the sender of an unasked packet was told %v", err)
		}

		// Nobody listens at the other end any more; the error is RELATED.
		there.Close()
		if err := refusal(l, here); !errors.Is(err, unix.ECONNREFUSED) {
			l.t.Errorf("of a closed port came %v, want %v", err, unix.ECONNREFUSED)
		}

		l.callOutTCP(host)
	})
}

// refusal asks until a closed port answers that it is closed. A kernel with much to refuse skips some
// answers, for whole machines and not for network namespaces (icmp(7): icmp_msgs_per_sec), so other tests
// may have used them up.
func refusal(l *lab, here *net.UDPConn) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		l.send(here, "are you there?")
		if err := here.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if _, err = here.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return err
}

// answers is the purpose of the rule about connections.
const answers = "answers to what this host has begun"

// callOut has the PBX host ask a host something by UDP, and get the answer. It returns both ends.
func (l *lab) callOut(to caller) (here, there *net.UDPConn) {
	l.t.Helper()
	const port = 3478
	var err error
	if here, err = net.DialUDP("udp", udpAddr(l.pbx(), 0), udpAddr(to.addr, port)); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { here.Close() })
	to.host.Do(func() { there, err = net.DialUDP("udp", udpAddr(to.addr, port), here.LocalAddr().(*net.UDPAddr)) })
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { there.Close() })
	l.exchange(here, there)
	l.exchange(there, here)
	return here, there
}

// callOutTCP has the PBX host connect to a host. It returns both ends.
func (l *lab) callOutTCP(to caller) (here, there net.Conn) {
	l.t.Helper()
	var server *net.TCPListener
	var err error
	to.host.Do(func() { server, err = net.ListenTCP("tcp", tcpAddr(to.addr, 443)) })
	if err != nil {
		l.t.Fatal(err)
	}
	defer server.Close()
	if here, err = net.DialTCP("tcp", tcpAddr(l.pbx(), 0), tcpAddr(to.addr, 443)); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { here.Close() })
	if err := server.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	if there, err = server.Accept(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { there.Close() })
	l.exchange(here, there)
	l.exchange(there, here)
	return here, there
}
