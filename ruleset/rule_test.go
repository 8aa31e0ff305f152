package ruleset

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
)

func TestRuleString(t *testing.T) {
	for want, r := range map[string]Rule{
		`-m comment --comment "voipbl: x"`: {For: "x"},
		`-s 10.0.0.0/8 -i lo -p tcp -m tcp --dport 22 -m comment --comment "voipbl: x" -j ACCEPT`:     {For: "x", From: testvalue.Prefixes("10.0.0.0/8")[0], In: "lo", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}}, Target: "ACCEPT"},
		`-p udp -m multiport --dports 1,2,5:9,7 -m comment --comment "voipbl: x"`:                     {For: "x", Proto: "udp", Multi: true, Ports: []iptables.PortRange{{First: 1, Last: 2}, {First: 5, Last: 9}, {First: 7, Last: 7}}},
		`-p ipv6-icmp -m a -m b --c d -m comment --comment "voipbl: x" -j REJECT --reject-with other`: {For: "x", Proto: "ipv6-icmp", Matches: []string{"-m a", "-m b --c d"}, Target: "REJECT --reject-with other"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
