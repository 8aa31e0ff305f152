package asterisk

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/distinct"
)

// iaxPort is IAX_DEFAULT_PORTNO of channels/chan_iax2.c, and iaxLowest the lowest port that it
// accepts in "bindport".
const iaxPort, iaxLowest = 4569, 1024

// iax2 reads iax.conf. Without that file the module does not load.
func (r *astReader) iax2(modules *astConfig) *IAX2 {
	if !r.hasModule(modules, "chan_iax2") || !r.Exists(Folder+"/iax.conf") {
		return nil
	}
	return readIAX2(r.astConfig("iax.conf"))
}

func readIAX2(c *astConfig) *IAX2 {
	general := c.section("general")
	x := &IAX2{Ports: iaxPorts(general), AuthDebug: astTrue(general.get("authdebug")), Custom: c.custom("general")}
	var names []string
	for _, r := range general.all("register") {
		names = append(names, iaxRegisterHost(r))
	}
	x.Accounts = len(names) > 0
	for _, s := range c.ofType("peer", "friend") {
		if h := s.get("host"); !strings.EqualFold(h, "dynamic") {
			names = append(names, h)
		}
	}
	x.Accounts = x.Accounts || len(c.ofType("user", "peer", "friend")) > 0
	x.Trunks = trunkNames(names)
	return x
}

// iaxPorts returns the ports that IAX2 listens on. A "bindaddr" without a port uses the "bindport"
// above it. Without any "bindaddr" it listens on all addresses (set_config of chan_iax2.c).
func iaxPorts(general *astSection) []host.Port {
	port := uint16(iaxPort)
	var ports []host.Port
	bound := false
	for _, v := range general.vars {
		switch strings.ToLower(v.name) {
		case "bindport":
			n, err := strconv.ParseUint(v.value, 10, 16)
			if port = uint16(n); err != nil || n < iaxLowest {
				port = iaxPort
			}
		case "bindaddr":
			addr, own, err := bindAddr(v.value, port)
			if err != nil {
				continue // Asterisk warns and continues
			}
			bound = true
			if !addr.IsLoopback() {
				ports = append(ports, host.Port{Proto: "udp", Port: own})
			}
		}
	}
	if !bound {
		ports = append(ports, host.Port{Proto: "udp", Port: port})
	}
	return append([]host.Port{}, distinct.Of(ports)...)
}

// iaxRegisterHost returns the host of "register => user[:secret]@host[:port]".
func iaxRegisterHost(s string) string {
	parts := strings.SplitN(s, "@", 3)
	if len(parts) < 2 {
		return ""
	}
	host, _, _ := strings.Cut(parts[1], "?")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String()
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}

// IAX2 are the facts of iax.conf.
type IAX2 struct {
	Ports     []host.Port `json:"ports"`
	Trunks    []string    `json:"trunks"`           // peers and registrations: hosts, addresses and networks
	Accounts  bool        `json:"accounts"`         // there are accounts to log in or to call
	AuthDebug bool        `json:"authdebug"`        // failed logins are logged
	Custom    string      `json:"custom,omitempty"` // the file for lines of [general], if not iax.conf
}
