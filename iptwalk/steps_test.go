package iptwalk

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
)

// csfRules returns a listing as csf makes it: chains for allowed and denied addresses, with
// thousands each, and a rule for each open port.
func csfRules(t testing.TB, addresses int) *iptables.Saved {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n")
	for _, c := range []string{"LOCALINPUT", "ALLOWIN", "DENYIN", "LOGDROPIN", "INVALID"} {
		fmt.Fprintf(&b, ":%s - [0:0]\n", c)
	}
	b.WriteString(`-A INPUT ! -i lo -j LOCALINPUT
-A INPUT -i lo -j ACCEPT
-A INPUT ! -i lo -p tcp -j INVALID
-A INPUT ! -i lo -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
`)
	for i := range 300 {
		fmt.Fprintf(&b, "-A INPUT ! -i lo -p %s -m conntrack --ctstate NEW -m %[1]s --dport %[2]d -j ACCEPT\n", []string{"tcp", "udp"}[i%2], 20+i*37)
	}
	b.WriteString("-A INPUT ! -i lo -j LOGDROPIN\n-A LOCALINPUT ! -i lo -j ALLOWIN\n-A LOCALINPUT ! -i lo -j DENYIN\n")
	for i := range addresses / 4 {
		fmt.Fprintf(&b, "-A ALLOWIN -s 10.%d.%d.7/32 ! -i lo -j ACCEPT\n", i>>8, i&255)
		for j := range 3 {
			fmt.Fprintf(&b, "-A DENYIN -s 45.%d.%d.%d/32 ! -i lo -j DROP\n", i>>8, i&255, j)
		}
	}
	b.WriteString(`-A DENYIN -s 62.0.0.7/32 -p udp -m udp --dport 5060 -j RETURN
-A DENYIN -s 62.0.0.7/32 -j DROP
-A INVALID -m conntrack --ctstate INVALID -j LOGDROPIN
-A LOGDROPIN -p tcp -m tcp --dport 67 -j DROP
-A LOGDROPIN -m limit --limit 30/min -j LOG
-A LOGDROPIN -j DROP
COMMIT
`)
	return testrules.Parsed(t, iptables.IPv4, b.String())
}

// noSources is for a host without sets.
var noSources = Sources{
	Set:    func(SetMatch, netip.Prefix) SetMember { return SetMember{} },
	Recent: func(string, netip.Prefix) Share { return NoneOf },
}

// TestSteps bounds how many rules are looked at for a source, on a host with thousands.
func TestSteps(t *testing.T) {
	csf := NewTracer(csfRules(t, 5000), noSources)
	for _, test := range []struct {
		source string
		places int
		most   int
	}{
		{"45.0.3.2/32", 1, 2_000},     // denied
		{"10.0.3.7/32", 0, 2_000},     // allowed
		{"88.0.0.1/32", 0, 2_000},     // nobody
		{"62.0.0.7/32", 2, 500_000},   // every port is looked at
		{"45.0.0.0/16", 768, 600_000}, // a network with many of them
		{"10.0.0.0/16", 0, 900_000},
	} {
		v := csf.view(netip.MustParsePrefix(test.source))
		places, cut := v.places(packets{})
		t.Logf("%s: %d steps", test.source, v.steps)
		if len(places) != test.places || cut || v.steps > test.most {
			t.Errorf("%s: %d places, cut %v, %d steps: want %d places in at most %d", test.source, len(places), cut, v.steps, test.places, test.most)
		}
	}
}

// TestStepsEnd: chains that each call the next one twice are not followed forever, and the answer
// says so.
func TestStepsEnd(t *testing.T) {
	const deep = 20
	var chains, rules strings.Builder
	for i := range deep {
		fmt.Fprintf(&chains, ":C%d - [0:0]\n", i)
		for range 2 {
			fmt.Fprintf(&rules, "-A C%d -m mark --mark 1 -j C%d\n", i, i+1)
		}
	}
	fmt.Fprintf(&chains, ":C%d - [0:0]\n", deep)
	saved := testrules.Parsed(t, iptables.IPv4, "*filter\n:INPUT ACCEPT [0:0]\n"+chains.String()+"-A INPUT -j C0\n"+rules.String()+fmt.Sprintf("-A C%d -s 45.0.0.1/32 -p udp -j DROP\nCOMMIT\n", deep))
	tracer := NewTracer(saved, noSources)
	source := netip.MustParsePrefix("45.0.0.1/32")
	if _, cut := tracer.Places(Packet{Source: source}); !cut {
		t.Error("all of a million ways are said to have been followed")
	}
	if o := tracer.Affects(source); !o.Untracks || !o.Marks {
		t.Errorf("what the rules do to packets is said to be known: %+v", o)
	}
}
