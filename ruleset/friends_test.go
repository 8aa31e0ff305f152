package ruleset

import (
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
)

// TestSSHPorts finds the ports for which fail2ban's chain is used, and which the local network may always
// use: the TCP ports of the service called ssh, and none that the services leave closed.
func TestSSHPorts(t *testing.T) {
	ssh := func(proto string, port uint16) Service {
		return Service{Name: "ssh", Proto: proto, Ports: []iptables.PortRange{{First: port, Last: port}}}
	}
	for _, test := range []struct {
		name            string
		services        []Service
		asked, friendly []string
	}{
		{"as usual", []Service{ssh("tcp", 22)}, []string{"22"}, []string{"22"}},
		{"elsewhere", []Service{ssh("tcp", 2022)}, []string{"2022"}, []string{"2022"}},
		{"beside one by UDP", []Service{ssh("udp", 2222), ssh("tcp", 2022)}, []string{"2022"}, []string{"2022"}},
		{"by UDP alone", []Service{ssh("udp", 2222)}, []string{"22"}, nil},
		{"closed", nil, []string{"22"}, nil},
	} {
		b := Base{LocalNetworks: testvalue.Prefixes("192.168.1.0/24"), SIP: Ports{{First: 5060, Last: 5061}}, RTP: iptables.PortRange{First: 10000, Last: 20000}, Services: test.services}
		var asked, friendly []string
		for _, r := range b.Rules(iptables.IPv4) {
			switch ports := iptables.Option(r.String(), "--dports"); {
			case r.Target == iptables.SSHChain:
				asked = append(asked, ports)
			case strings.HasPrefix(r.For, addition+"ssh "):
				friendly = append(friendly, ports)
			}
		}
		if !slices.Equal(asked, test.asked) || !slices.Equal(friendly, test.friendly) {
			t.Errorf("%s: fail2ban's chain is asked about %q, want %q; the local network may use %q, want %q", test.name, asked, test.asked, friendly, test.friendly)
		}
	}
}
