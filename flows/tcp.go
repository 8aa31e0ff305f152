package flows

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/procself"
	"github.com/voipbl/voipbl/internal/sockdiag"
)

// askTCP is [Ask] for the established TCP connections of this host. It asks for none where there is
// none: to list them, the kernel walks through all places that one could have.
func askTCP() (listing, error) {
	if n, err := established(); err == nil && n == 0 {
		return listing{}, nil
	}
	var reqs []*nl.NetlinkRequest
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		reqs = append(reqs, sockdiag.Request(family, sockdiag.Established))
	}
	return open("list TCP connections", unix.NETLINK_INET_DIAG, func(m []byte, see func(Flow)) error {
		if s, ok := sockdiag.Parse(m); ok && s.Local.Addr() != s.Peer.Addr() {
			see(Flow{Peer: s.Peer.Addr(), TCP: true, Own: true, Port: s.Local.Port(), PeerPort: s.Peer.Port()})
		}
		return nil
	}, reqs...)
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
