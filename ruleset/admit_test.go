package ruleset_test

import (
	"net/netip"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestAdmits: who can certainly open a TCP connection to this host. It decides whether admins are about to
// lock themselves out.
func TestAdmits(t *testing.T) {
	base := *testrules.Full().Base
	base.LocalNetworks = testvalue.Prefixes("192.168.1.0/24", "10.1.2.3/16", "fd12:3456:789a::/48")
	sipPrivate, many, open := base, base, base
	sipPrivate.SIPPublic = false
	many.Services = []ruleset.Service{{Name: "ssh", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}, {First: 2200, Last: 2299}}, Public: false}, {Name: "web", Proto: "tcp", Ports: []iptables.PortRange{{First: 80, Last: 80}, {First: 8000, Last: 8999}}, Public: true}, {Name: "udp", Proto: "udp", Ports: []iptables.PortRange{{First: 3000, Last: 3000}}, Public: true}}
	open.LocalNetworks, open.Services = testvalue.Prefixes("0.0.0.0/0", "::/0"), []ruleset.Service{{Name: "ssh", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}}, Public: false}}
	for _, test := range []struct {
		name string
		base ruleset.Base
		from string
		port uint16
		want bool
	}{
		{"ssh from the LAN", base, "192.168.1.77", 22, true},
		{"ssh from the first address of the LAN", base, "192.168.1.0", 22, true},
		{"ssh from the last address of the LAN", base, "192.168.1.255", 22, true},
		{"ssh from next to the LAN", base, "192.168.2.0", 22, false},
		{"ssh from a LAN with host bits", base, "10.1.200.200", 22, true},
		{"ssh from the LAN, IPv6", base, "fd12:3456:789a:1::1", 22, true},
		{"ssh from the LAN, mapped", base, "::ffff:192.168.1.77", 22, true},
		{"ssh from outside", base, "198.51.100.7", 22, false},
		{"ssh from outside, IPv6", base, "2001:db8:7::7", 22, false},
		{"ssh from outside, mapped", base, "::ffff:198.51.100.7", 22, false},
		{"ssh from a neighbour on the link", base, "fe80::1%wire0", 22, false},
		{"ssh from a trunk", base, "203.0.113.10", 22, false},
		{"ssh, to the port above", base, "192.168.1.77", 23, false},
		{"ssh, to the port below", base, "192.168.1.77", 21, false},
		{"a closed port from the LAN", base, "192.168.1.77", 8080, false},
		{"a closed port from outside", base, "198.51.100.7", 8080, false},
		{"http from outside", base, "198.51.100.7", 80, true},
		{"http from outside, IPv6", base, "2001:db8:7::7", 80, true},
		{"http from outside, mapped", base, "::ffff:198.51.100.7", 80, true},
		{"http from the LAN", base, "192.168.1.77", 80, true},
		{"webmin from outside", base, "198.51.100.7", 10000, false},
		{"a port that is open for UDP alone", base, "198.51.100.7", 4569, false},
		{"a port of RTP, which is UDP", base, "198.51.100.7", 12000, false},
		{"sip from the LAN", base, "192.168.1.77", 5060, true},
		{"sip from outside, which has a limit", base, "198.51.100.7", 5060, false},
		{"sip from a trunk", base, "203.0.113.10", 5060, true},
		{"sip from next to a trunk, which has a limit", base, "203.0.113.11", 5060, false},
		{"sip that is private from the LAN", sipPrivate, "192.168.1.77", 5061, true},
		{"sip that is private from outside", sipPrivate, "198.51.100.7", 5060, false},
		{"ssh on a second port", many, "192.168.1.77", 2222, true},
		{"ssh on the last port of a range", many, "192.168.1.77", 2299, true},
		{"ssh behind the last port of a range", many, "192.168.1.77", 2300, false},
		{"ssh on a second port from outside", many, "198.51.100.7", 2222, false},
		{"a public range from outside", many, "198.51.100.7", 8500, true},
		{"a public UDP service from outside", many, "198.51.100.7", 3000, false},
		{"everybody is local", open, "198.51.100.7", 22, true},
		{"everybody is local, IPv6", open, "2001:db8:7::7", 22, true},
		{"nobody is local", ruleset.Base{Services: []ruleset.Service{{Name: "ssh", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}}, Public: false}}}, "192.168.1.77", 22, false},
		{"nothing is configured", ruleset.Base{}, "192.168.1.77", 22, false},
		{"no address", base, "", 22, false},
	} {
		var from netip.Addr
		if test.from != "" {
			from = netip.MustParseAddr(test.from)
		}
		if got := test.base.Admits(from, test.port); got != test.want {
			t.Errorf("%s (%s to %d): %v", test.name, test.from, test.port, got)
		}
	}
}
