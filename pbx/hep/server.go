package hep

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/pbx"
)

// receiveBuffer is what the kernel is asked to keep of datagrams that wait to be read: some
// thousands. Without CAP_NET_ADMIN it keeps no more than net.core.rmem_max, some two hundred.
const receiveBuffer = 4 << 20

// maxDatagram is the most bytes of a UDP datagram.
const maxDatagram = 64 << 10

// Server receives what a PBX copies to it. It implements [pbx.Source].
type Server struct {
	conn  *net.UDPConn
	key   string
	local func(netip.Addr) bool
	stats counters
}

type counters struct{ packets, wrongKey, damaged, other, foreign, lost atomic.Uint64 }

// Stats counts what a server has received.
type Stats struct {
	Packets  uint64 // SIP messages
	WrongKey uint64 // datagrams without the right password: forged, or the PBX has another
	Damaged  uint64 // datagrams that are not HEP3
	Other    uint64 // datagrams of something else than SIP
	Foreign  uint64 // SIP messages between others, or within this host
	Lost     uint64 // datagrams that have come while too many waited
}

// Listen opens a port of this host for datagrams with the password key.
// It refuses addresses that others can reach. local is that of [NewTracker].
func Listen(at netip.AddrPort, key string, local func(netip.Addr) bool) (*Server, error) {
	if !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("listen for HEP packets at %s: it is not a loopback address", at)
	}
	if key == "" {
		return nil, fmt.Errorf("listen for HEP packets at %s: there is no password for them", at)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("listen for HEP packets: %w", err)
	}
	if err := prepare(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for HEP packets at %s: %w", at, err), conn.Close())
	}
	return &Server{conn: conn, key: key, local: local}, nil
}

// prepare makes the receive buffer large, and has the kernel say how many datagrams were lost.
func prepare(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
		set = errors.Join(set, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1))
	})
	return errors.Join(err, set)
}

// Addr returns where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Close closes the port. [Server.Watch] does that too.
func (s *Server) Close() error { return s.conn.Close() }

// Stats returns what was received so far.
func (s *Server) Stats() Stats {
	c := &s.stats
	return Stats{c.packets.Load(), c.wrongKey.Load(), c.damaged.Load(), c.other.Load(), c.foreign.Load(), c.lost.Load()}
}

// Watch makes observations until ctx ends; then it closes the port and returns the context's error. If
// datagrams were lost, it says so by [pbx.Lost].
func (s *Server) Watch(ctx context.Context, see func(pbx.Observation)) error {
	defer s.conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	tracker := NewTracker(s.local)
	datagram, control := make([]byte, maxDatagram), make([]byte, unix.CmsgSpace(4))
	var dropped uint32
	for {
		n, cn, _, _, err := s.conn.ReadMsgUDPAddrPort(datagram, control)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read HEP packets: %w", err)
		}
		// The packet that tells of a loss may use what was in a lost one. So the loss comes first.
		if d, ok := overflow(control[:cn]); ok && d != dropped {
			s.stats.lost.Add(uint64(d - dropped))
			dropped = d
			tracker.Lost()
			see(pbx.Observation{At: time.Now(), What: pbx.Lost})
		}
		p, err := Decode(datagram[:n], s.key)
		if !s.count(err) {
			continue
		}
		o, ok := tracker.See(p)
		s.stats.foreign.Store(uint64(tracker.foreign))
		if ok {
			see(o)
		}
	}
}

// count counts a datagram, and returns whether it is a packet.
func (s *Server) count(err error) bool {
	switch {
	case err == nil:
		s.stats.packets.Add(1)
	case errors.Is(err, ErrKey):
		s.stats.wrongKey.Add(1)
	case errors.Is(err, ErrOther):
		s.stats.other.Add(1)
	default:
		s.stats.damaged.Add(1)
	}
	return err == nil
}

// overflow returns how many datagrams the socket has lost since it was opened, from the control
// message SO_RXQ_OVFL (socket(7)). The kernel sends none before the first loss.
func overflow(control []byte) (uint32, bool) {
	if len(control) == 0 {
		return 0, false
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			return binary.NativeEndian.Uint32(m.Data), true
		}
	}
	return 0, false
}
