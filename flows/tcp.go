package flows

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/procself"
)

// From linux/inet_diag.h: struct inet_diag_req_v2 and struct inet_diag_msg.
const (
	diagRequest = 56
	diagAnswer  = 72

	diagStates   = 4 // of the request
	diagPort     = 4 // of the answer
	diagPeerPort = 6
	diagOwn      = 8
	diagPeer     = 24

	stateEstablished = 1 // TCP_ESTABLISHED, linux/tcp_states.h
)

// askTCP is [Ask] for the established TCP connections of this host. It asks for none where there is
// none: to list them, the kernel walks through all places that one could have.
func askTCP() (listing, error) {
	if n, err := established(); err == nil && n == 0 {
		return listing{}, nil
	}
	var reqs []*nl.NetlinkRequest
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, diagRequest)
		request[0], request[1] = family, unix.IPPROTO_TCP
		binary.NativeEndian.PutUint32(request[diagStates:], 1<<stateEstablished)
		req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.AddRawData(request)
		reqs = append(reqs, req)
	}
	return open("list TCP connections", unix.NETLINK_INET_DIAG, func(m []byte, see func(Flow)) error {
		if f, ok := parseDiag(m); ok {
			see(f)
		}
		return nil
	}, reqs...)
}

// parseDiag parses a struct inet_diag_msg.
func parseDiag(m []byte) (f Flow, ok bool) {
	if len(m) < diagAnswer {
		return f, false
	}
	f = Flow{TCP: true, Own: true, Port: binary.BigEndian.Uint16(m[diagPort:]), PeerPort: binary.BigEndian.Uint16(m[diagPeerPort:])}
	f.Peer, _ = netip.AddrFromSlice(m[diagPeer : diagPeer+16])
	if m[0] == unix.AF_INET {
		f.Peer, _ = netip.AddrFromSlice(m[diagPeer : diagPeer+4])
	}
	f.Peer = f.Peer.Unmap()
	return f, !bytes.Equal(m[diagOwn:diagOwn+16], m[diagPeer:diagPeer+16])
}

// established returns how many TCP connections there are, of both families (RFC 4022,
// tcpCurrEstab).
func established() (int, error) {
	text, err := os.ReadFile("/proc/" + procself.Name() + "/net/snmp")
	if err != nil {
		return 0, err
	}
	return parseEstablished(string(text))
}

// parseEstablished reads two lines: the names of the counters, and their values.
func parseEstablished(snmp string) (int, error) {
	var names []string
	for line := range strings.Lines(snmp) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] != "Tcp:":
		case names == nil:
			names = words
		default:
			if at := slices.Index(names, "CurrEstab"); at > 0 && at < len(words) {
				return strconv.Atoi(words[at])
			}
		}
	}
	return 0, errors.New("/proc/net/snmp has no CurrEstab")
}
