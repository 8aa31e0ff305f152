package host

import (
	"errors"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/netdump"
	"github.com/voipbl/voipbl/internal/sockdiag"
)

// tcpListeners asks the kernel for the listening TCP sockets of a family.
func tcpListeners(family uint8) ([]socket, error) {
	return netdump.Steady(func() (all []socket, err error) {
		answers, err := sockdiag.Request(family, sockdiag.Listen).Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, err
		}
		for _, m := range answers {
			s, ok := sockdiag.Parse(m)
			if !ok {
				return nil, unix.EBADMSG
			}
			all = append(all, socket{s.Local, uint64(s.Inode)})
		}
		return all, err
	})
}
