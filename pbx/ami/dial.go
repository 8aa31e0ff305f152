package ami

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/user"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/netdump"
)

// dialLimit is how long the kernel may take to connect.
const dialLimit = 5 * time.Second

// established is the state of a connection that neither end has closed (include/net/tcp_states.h).
const established = 1

func (s Settings) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialLimit}
	return d.DialContext(ctx, "tcp", s.Address.String())
}

// believe returns an error if the other end of a connection is not a socket of root or of the user
// that runs Asterisk: while it does not run, any user of this host can listen at its port. It is
// to be called when the other end has sent something; before that the socket has no owner.
func (s Settings) believe(conn net.Conn) error {
	owner, err := ownerOfOther(conn)
	if err != nil {
		return fmt.Errorf("find out whose program has answered: %w", err)
	}
	if owner == 0 {
		return nil
	}
	asterisk, err := s.runsAs()
	if err != nil {
		return err
	}
	if owner != asterisk {
		return fmt.Errorf("not Asterisk has answered, but a program of the user with the number %d", owner)
	}
	return nil
}

// ownerOfOther returns the number of the user who has the other end of a connection within this host.
func ownerOfOther(conn net.Conn) (uint32, error) {
	own, other := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	// A socket that is bound to :: is one of IPv6, also with an IPv4 client.
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netdump.Steady(func() ([]*netlink.Socket, error) { return netlink.SocketDiagTCP(family) })
		if err != nil {
			return 0, err
		}
		for _, s := range sockets {
			if s.State == established && addrPort(s.ID.Source, s.ID.SourcePort) == unmapped(other) && addrPort(s.ID.Destination, s.ID.DestinationPort) == unmapped(own) {
				return s.UID, nil
			}
		}
	}
	return 0, errors.New("the kernel does not list its socket")
}

func addrPort(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return unmapped(netip.AddrPortFrom(a, port))
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// runsAs returns the number of the user that runs Asterisk.
func (s Settings) runsAs() (uint32, error) {
	name := s.RunsAs
	if name == "" {
		name = "asterisk"
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("the user that runs Asterisk: %w", err)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}
