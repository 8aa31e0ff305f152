// Package sockdiag is the kernel's listing of TCP sockets (sock_diag(7)): a request, and each answer as
// a value. /proc/net/tcp has the same, but for that the kernel walks all places that a connection could
// have: 3 ms a family on a host without any.
package sockdiag

import (
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// State is one of linux/tcp_states.h.
type State uint8

// The states that are asked for.
const (
	Established State = 1
	Listen      State = 10
)

// From linux/inet_diag.h: struct inet_diag_req_v2 and struct inet_diag_msg.
const (
	requestSize = 56
	answerSize  = 72

	states    = 4 // of the request
	localPort = 4 // of the answer
	peerPort  = 6
	localAddr = 8
	peerAddr  = 24
	inode     = 68
)

// Request returns a request for the sockets of a family (AF_INET, AF_INET6) in a state.
func Request(family uint8, s State) *nl.NetlinkRequest {
	r := make([]byte, requestSize)
	r[0], r[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(r[states:], 1<<s)
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	req.AddRawData(r)
	return req
}

// Socket is one of them. IPv4 addresses are never mapped into IPv6.
type Socket struct {
	Local, Peer netip.AddrPort
	Inode       uint32
}

// Parse parses an answer.
func Parse(m []byte) (s Socket, ok bool) {
	if len(m) < answerSize {
		return s, false
	}
	end := func(addr, port int) netip.AddrPort {
		ip, _ := netip.AddrFromSlice(m[addr : addr+16])
		if m[0] == unix.AF_INET {
			ip, _ = netip.AddrFromSlice(m[addr : addr+4])
		}
		return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(m[port:]))
	}
	return Socket{end(localAddr, localPort), end(peerAddr, peerPort), binary.NativeEndian.Uint32(m[inode:])}, true
}
