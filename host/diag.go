package host

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/netdump"
)

// From linux/inet_diag.h: struct inet_diag_req_v2 and struct inet_diag_msg, in both of which the
// socket's two ends begin with the local port and, after the other's, the local address.
const (
	diagRequest = 56
	diagAnswer  = 72

	diagStates = 4 // of the request
	diagPort   = 4 // of the answer
	diagAddr   = 8
	diagInode  = 68

	tcpListenState = 10 // TCP_LISTEN, linux/tcp_states.h
)

// tcpListeners asks the kernel for the listening TCP sockets of a family. /proc/net/tcp has the
// same, but for that the kernel walks all places that a connection could have: 3 ms a family on a
// host without any.
func tcpListeners(family uint8) ([]socket, error) {
	request := make([]byte, diagRequest)
	request[0], request[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[diagStates:], 1<<tcpListenState)
	return netdump.Steady(func() (all []socket, err error) {
		req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.AddRawData(request)
		answers, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, err
		}
		for _, m := range answers {
			if len(m) < diagAnswer {
				return nil, unix.EBADMSG
			}
			ip, _ := netip.AddrFromSlice(m[diagAddr : diagAddr+16])
			if m[0] == unix.AF_INET {
				ip, _ = netip.AddrFromSlice(m[diagAddr : diagAddr+4])
			}
			port := binary.BigEndian.Uint16(m[diagPort:])
			all = append(all, socket{netip.AddrPortFrom(ip.Unmap(), port), uint64(binary.NativeEndian.Uint32(m[diagInode:]))})
		}
		return all, err
	})
}
