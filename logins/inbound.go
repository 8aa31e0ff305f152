package logins

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/voipbl/voipbl/internal/netdump"
	"golang.org/x/sys/unix"
)

// The states of a TCP socket (include/net/tcp_states.h).
const (
	tcpEstablished = 1
	stateListen    = 10
)

// Inbound are the TCP connections that others have made to this host: one of them
// may be the session of somebody who is at work. That it is so cannot be told from
// a connection, so this is for holding back, and protects nobody. Only listeners of
// root's count: every user of this host can listen, and connect to himself.
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
