package logins

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/voipbl/voipbl/internal/netdump"
	"golang.org/x/sys/unix"
)

// States of a TCP socket (include/net/tcp_states.h).
const (
	tcpEstablished = 1
	stateListen    = 10
)

// Inbound returns the TCP connections that others have made to this host. Any of them may be the
// session of somebody at work, but a connection alone does not show that; so they may hold rules
// back, but exempt nobody. Only root's listeners count: every local user can listen, and connect to
// that port.
func Inbound() ([]Login, error) {
	var sockets []*netlink.Socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		family, err := netdump.Steady(func() ([]*netlink.Socket, error) { return netlink.SocketDiagTCP(family) })
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, family...)
	}
	return inboundOf(sockets), nil
}

func inboundOf(sockets []*netlink.Socket) []Login {
	listening := make(map[uint16]bool)
	for _, s := range sockets {
		if s.State == stateListen && s.UID == 0 {
			listening[s.ID.SourcePort] = true
		}
	}
	var found []Login
	for _, s := range sockets {
		from, ok := netip.AddrFromSlice(s.ID.Destination)
		from = from.Unmap()
		if s.State == tcpEstablished && ok && listening[s.ID.SourcePort] && !from.IsLoopback() {
			found = append(found, Login{from, s.ID.SourcePort})
		}
	}
	return found
}
