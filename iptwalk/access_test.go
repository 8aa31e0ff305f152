package iptwalk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

func (a Access) text() string {
	if a.Everyone {
		return "everyone"
	}
	var all []string
	for _, p := range a.From {
		all = append(all, p.String())
	}
	if len(all) == 0 {
		return "nobody"
	}
	return strings.Join(all, " ")
}

// TestBaseAccess asks who may begin a connection to a port under base rules.
func TestBaseAccess(t *testing.T) {
	base := *testrules.Full().Base
	base.LocalNetworks, base.Trunks = testvalue.Prefixes("192.168.1.0/24", "fd12::/48"), testvalue.Prefixes("203.0.113.10/32")
	private, tunnels := base, base
	private.SIPPublic = false
	tunnels.Services = append(slices.Clone(base.Services),
		ruleset.Service{Name: "ipsec", Proto: "esp", Ports: nil, Public: true}, ruleset.Service{Name: "gre", Proto: "gre", Ports: nil, Public: false}, ruleset.Service{Name: "wg", Proto: "udp", Ports: []PortRange{{First: 51820, Last: 51820}}, Public: true})
	for _, test := range []struct {
		name   string
		base   ruleset.Base
		family iptables.Family
		proto  string
		port   uint16
		want   string
	}{
		{"ssh", base, iptables.IPv4, "tcp", 22, "192.168.1.0/24"},
		{"ssh over IPv6", base, iptables.IPv6, "tcp", 22, "fd12::/48"},
		{"http", base, iptables.IPv4, "tcp", 80, "everyone"},
		{"http over UDP", base, iptables.IPv4, "udp", 80, "nobody"},
		{"voice", base, iptables.IPv6, "udp", 12000, "everyone"},
		{"voice over TCP", base, iptables.IPv4, "tcp", 12000, "nobody"},
		{"sip, with limits", base, iptables.IPv4, "udp", 5060, "everyone"},
		{"sip that is private", private, iptables.IPv4, "udp", 5060, "192.168.1.0/24 203.0.113.10/32"},
		{"a database", base, iptables.IPv4, "tcp", 3306, "nobody"},
		{"WireGuard", base, iptables.IPv4, "udp", 51820, "nobody"},
		{"WireGuard as a service", tunnels, iptables.IPv6, "udp", 51820, "everyone"},
		{"ESP", base, iptables.IPv4, "esp", 0, "nobody"},
		{"ESP as a service", tunnels, iptables.IPv4, "esp", 0, "everyone"},
		{"GRE as a service of the local networks", tunnels, iptables.IPv4, "gre", 0, "192.168.1.0/24"},
		{"6in4", tunnels, iptables.IPv4, "6in4", 0, "nobody"},
		{"nothing is configured", ruleset.Base{}, iptables.IPv4, "tcp", 22, "nobody"},
	} {
		if got := BaseAccess(test.base, test.family, test.proto, test.port).text(); got != test.want {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
	}
}

// TestSavedAccess asks who certainly reaches UDP 51820, or ESP, by other programs' rules.
func TestSavedAccess(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules string
		want  string
	}{
		{"no rule", "", "nobody"},
		{"the port", "-A INPUT -p udp -m udp --dport 51820 -j ACCEPT", "everyone"},
		{"new connections to the port", "-A INPUT -p udp -m udp --dport 51820 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT", "everyone"},
		{"what is not invalid", "-A INPUT -p udp -m state ! --state INVALID -j ACCEPT", "everyone"},
		{"what is not new", "-A INPUT -p udp -m state ! --state NEW -j ACCEPT", "nobody"},
		{"established connections", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "nobody"},
		{"a range around it", "-A INPUT -p udp -m multiport --dports 1000:2000,51800:51900 -j ACCEPT", "everyone"},
		{"everything", "-A INPUT -j ACCEPT", "everyone"},
		{"another port", "-A INPUT -p udp -m udp --dport 51821 -j ACCEPT", "nobody"},
		{"another protocol", "-A INPUT -p tcp -m tcp --dport 51820 -j ACCEPT", "nobody"},
		{"from networks", "-A INPUT -s 10.0.0.0/8 -p udp -j ACCEPT\n-A INPUT -s 192.0.2.0/24 -p udp -m udp --dport 51820 -j ACCEPT", "10.0.0.0/8 192.0.2.0/24"},
		{"of the loopback interface", "-A INPUT -i lo -j ACCEPT", "nobody"},
		{"of one interface: perhaps", "-A INPUT -i eth0 -p udp -m udp --dport 51820 -j ACCEPT", "nobody"},
		{"to one address: perhaps", "-A INPUT -d 192.0.2.1/32 -p udp -m udp --dport 51820 -j ACCEPT", "nobody"},
		{"to members of a set: perhaps", "-A INPUT -p udp -m set --match-set friends src -j ACCEPT", "nobody"},
		{"dropped before", "-A INPUT -p udp -j DROP\n-A INPUT -p udp -m udp --dport 51820 -j ACCEPT", "nobody"},
		{"rejected after", "-A INPUT -p udp -m udp --dport 51820 -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-port-unreachable", "everyone"},
		{"some dropped before", "-A INPUT -s 192.0.2.9/32 -j DROP\n-A INPUT -m set --match-set bad src -j DROP\n-A INPUT -p udp -m udp --dport 51820 -j ACCEPT", "everyone"},
		{"in a chain", ":mine - [0:0]\n-A INPUT -p udp -j mine\n-A mine -p udp -m udp --dport 51820 -j ACCEPT", "everyone"},
		{"in a chain for a network", ":mine - [0:0]\n-A INPUT -s 10.1.0.0/16 -j mine\n-A mine -s 10.0.0.0/8 -p udp -j ACCEPT\n-A mine -s 192.0.2.0/24 -j ACCEPT", "10.1.0.0/16"},
		{"in a chain that some come to", ":mine - [0:0]\n-A INPUT -m addrtype --dst-type LOCAL -j mine\n-A mine -j ACCEPT", "nobody"},
		{"a chain that drops", ":mine - [0:0]\n-A INPUT -j mine\n-A INPUT -j ACCEPT\n-A mine -j DROP", "nobody"},
		{"a chain that comes back", ":mine - [0:0]\n-A INPUT -j mine\n-A INPUT -p udp -j ACCEPT\n-A mine -j RETURN\n-A mine -j DROP", "everyone"},
		{"in a chain of ours", ":VOIPBL-INPUT - [0:0]\n-A INPUT -j VOIPBL-INPUT\n-A VOIPBL-INPUT -j ACCEPT", "nobody"},
		{"with a comment", `-A INPUT -p udp -m udp --dport 51820 -m comment --comment "the -j DROP of \"mine\"" -j ACCEPT`, "everyone"},
	} {
		chains, rules := "", ""
		for line := range strings.Lines(test.rules + "\n") {
			switch {
			case strings.HasPrefix(line, ":"):
				chains += line
			case line != "\n":
				rules += "[0:0] " + line
			}
		}
		saved, err := iptables.ParseSaved(iptables.IPv4, fmt.Appendf(nil, "*filter\n:INPUT ACCEPT [0:0]\n%s%sCOMMIT\n", chains, rules))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := AccessOf(saved, "udp", 51820).text(); got != test.want {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
	}
	for _, name := range []string{"esp", "50"} {
		saved, err := iptables.ParseSaved(iptables.IPv4, []byte("*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -p "+name+" -j ACCEPT\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := AccessOf(saved, "esp", 0).text() + " " + AccessOf(saved, "gre", 0).text(); got != "everyone nobody" {
			t.Errorf("-p %s: %s", name, got)
		}
	}
}
