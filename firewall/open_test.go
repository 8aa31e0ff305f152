package firewall

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// TestOpen: which ports are reachable for an address that is in one set, and that nothing else names.
func TestOpen(t *testing.T) {
	const drop = "-A INPUT -m set --match-set bad src -j DROP"
	in := iptwalk.Sources{
		Set: func(of iptwalk.SetMatch, source netip.Prefix) iptwalk.SetMember {
			if of.Name == "bad" && !of.Exceptions {
				return iptwalk.SetMember{Share: iptwalk.AllOf}
			}
			return iptwalk.SetMember{}
		},
		Recent: func(string, netip.Prefix) iptwalk.Share { return iptwalk.NoneOf },
	}
	for _, c := range []struct {
		rules []string
		open  string // of udp 5060 to 5063
		mine  string // without voipbl's own rules, if that differs
	}{
		{[]string{drop}, "[]", ""},
		{nil, "[5060:5063]", ""},
		{[]string{"-A INPUT -j ACCEPT", drop}, "[5060:5063]", ""},
		{[]string{"-A INPUT -p udp -m udp --dport 5061 -j ACCEPT", drop}, "[5061]", ""},
		{[]string{"-A INPUT -p tcp -m tcp --dport 5061 -j ACCEPT", drop}, "[]", ""},
		{[]string{"-A INPUT -s 192.0.2.0/24 -j ACCEPT", drop}, "[]", ""},
		{[]string{"-A INPUT -m set --match-set friends src -j ACCEPT", drop}, "[]", ""},
		{[]string{"-A INPUT -m set ! --match-set friends src -j ACCEPT", drop}, "[5060:5063]", ""},
		{[]string{"-A INPUT -m set ! --match-set bad src -j ACCEPT", "-A INPUT -j DROP"}, "[]", ""},
		{[]string{"-A INPUT -m state --state ESTABLISHED -j ACCEPT", drop}, "[]", ""},
		{[]string{"-A INPUT -i lo -j ACCEPT", drop}, "[]", ""},
		{[]string{"-A INPUT -m set --match-set bad src -m limit --limit 1/sec -j DROP"}, "[5060:5063]", ""},
		{[]string{"-A INPUT -p tcp -m set --match-set bad src -j DROP"}, "[5060:5063]", ""},
		{[]string{"-A INPUT -i eth0 -m set --match-set bad src -j DROP"}, "[5060:5063]", ""},
		{[]string{"-A INPUT -m set --match-set bad src -m comment --comment x -j DROP", "-A INPUT -m set --match-set bad dst -j ACCEPT"}, "[]", ""},
		{[]string{"-A INPUT -m set --match-set bad src --return-nomatch -j DROP"}, "[5060:5063]", ""},
		{[]string{"-A INPUT -m set --match-set bad src -m comment --comment \"voipbl: drop\" -j DROP"}, "[]", "[5060:5063]"},
	} {
		saved, err := iptables.ParseSaved(iptables.IPv4, []byte("*filter\n:INPUT ACCEPT [0:0]\n"+strings.Join(c.rules, "\n")+"\nCOMMIT\n"))
		if err != nil {
			t.Fatal(err)
		}
		p := iptwalk.Packet{Proto: "udp", Ports: iptables.PortRange{First: 5060, Last: 5063}}
		if got := fmt.Sprint(iptwalk.NewTracer(saved, in).Open(p)); got != c.open {
			t.Errorf("%q: %s, not %s", c.rules, got, c.open)
		}
		p.Theirs = true
		if got := fmt.Sprint(iptwalk.NewTracer(saved, in).Open(p)); c.mine != "" && got != c.mine {
			t.Errorf("%q, without voipbl's: %s, not %s", c.rules, got, c.mine)
		}
	}
}
