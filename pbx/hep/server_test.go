package hep

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/pbx"
)

// limit is how long a busy machine may take.
const limit = time.Minute

func isPBX(a netip.Addr) bool { return a == thePBX.Addr() }

// watched is a server with its observations.
type watched struct {
	*Server
	saw  chan pbx.Observation
	end  func()
	done chan error
}

func watch(t *testing.T) *watched {
	t.Helper()
	s, err := Listen(ap("127.0.0.1:0"), testKey, isPBX)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	w := &watched{s, make(chan pbx.Observation, 1000), end, make(chan error, 1)}
	go func() { w.done <- s.Watch(ctx, func(o pbx.Observation) { w.saw <- o }) }()
	return w
}

// next returns the next observation.
func (w *watched) next(t *testing.T) pbx.Observation {
	t.Helper()
	select {
	case o := <-w.saw:
		return o
	case <-time.After(limit):
		t.Fatal("no observation")
		return pbx.Observation{}
	}
}

// to opens a socket that sends to an address.
func to(t *testing.T, a netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, b []byte) {
	t.Helper()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestServer(t *testing.T) {
	w := watch(t)
	conn := to(t, w.Addr())
	in := Packet{t0, attacker, thePBX, "udp", []byte(ask1("OPTIONS", "6001").text())}
	out := Packet{t0, thePBX, attacker, "udp", []byte(ask1("OPTIONS", "6001").answer(200))}
	send(t, conn, datagram(chunksOf(in, "wrong")...))
	send(t, conn, []byte("garbage"))
	send(t, conn, datagram(chunksOf(Packet{t0, attacker, thePBX, "", nil}, testKey)...))
	send(t, conn, datagram(chunksOf(Packet{t0, attacker, phone, "udp", in.SIP}, testKey)...))
	send(t, conn, datagram(chunksOf(in, testKey)...))
	send(t, conn, datagram(chunksOf(out, testKey)...))
	if o := w.next(t); as(o) != "203.0.113.66:5060 scanned 6001 by OPTIONS" || o.Agent != "tester" || !o.At.Equal(t0) {
		t.Errorf("%+v", o)
	}
	if got, want := w.Stats(), (Stats{Packets: 3, WrongKey: 1, Damaged: 1, Other: 1, Foreign: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	w.end()
	if err := <-w.done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := w.conn.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the port is open: %v", err)
	}
	var _ pbx.Source = w.Server
}

func TestListenRefuses(t *testing.T) {
	for _, c := range []struct{ at, key, says string }{
		{"0.0.0.0:0", testKey, "not a loopback address"},
		{"[::]:0", testKey, "not a loopback address"},
		{"192.0.2.1:0", testKey, "not a loopback address"},
		{"127.0.0.1:0", "", "no password"},
	} {
		if _, err := Listen(ap(c.at), c.key, isPBX); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.at, err)
		}
	}
	w := watch(t)
	if _, err := Listen(w.Addr(), testKey, isPBX); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a port that is taken: %v", err)
	}
}

// TestLost: what the kernel drops is told before the next packet, and nonces from before prove nothing.
func TestLost(t *testing.T) {
	s, err := Listen(ap("127.0.0.1:0"), testKey, isPBX)
	if err != nil {
		t.Fatal(err)
	}
	conn := to(t, s.Addr())
	register := ask1("REGISTER", "6001")
	for _, p := range []Packet{
		{t0, attacker, thePBX, "udp", []byte(register.text())},
		{t0, thePBX, attacker, "udp", []byte(register.answer(401, challenge("n")))},
	} {
		send(t, conn, datagram(chunksOf(p, testKey)...))
	}
	raw, err := s.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// Nobody reads yet: the buffer is made small, and runs over.
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<12) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		send(t, conn, datagram(chunksOf(Packet{t0, attacker, thePBX, "udp", make([]byte, 1000)}, testKey)...))
	}
	saw := make(chan pbx.Observation, 1000)
	done := make(chan error, 1)
	ctx, end := context.WithCancel(t.Context())
	go func() { done <- s.Watch(ctx, func(o pbx.Observation) { saw <- o }) }()
	w := &watched{Server: s, saw: saw}
	var lost bool
	guess := register.with("n")
	if !testpoll.Until(limit, func() bool {
		for _, p := range []Packet{
			{t0, attacker, thePBX, "udp", []byte(guess.text())},
			{t0, thePBX, attacker, "udp", []byte(guess.answer(401, challenge("m")))},
		} {
			send(t, conn, datagram(chunksOf(p, testKey)...))
		}
		for {
			select {
			case o := <-saw:
				switch o.What {
				case pbx.Lost:
					lost = true
				case pbx.WrongPassword:
					if !lost || o.Proved {
						t.Fatalf("lost: %v, and then %+v", lost, o)
					}
					return true
				}
			default:
				return false
			}
		}
	}) {
		t.Fatal("no wrong password is seen")
	}
	if n := w.Stats().Lost; n == 0 {
		t.Error("nothing is lost")
	}
	end()
	<-done
}
