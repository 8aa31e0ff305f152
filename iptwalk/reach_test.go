package iptwalk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
)

func TestReaches(t *testing.T) {
	s := savedOf(t, iptables.IPv4, "ACCEPT",
		"INPUT -p udp -j mine", "mine -m set --match-set f2b-a src -j REJECT", "mine -j deeper", "deeper -m set --match-set f2b-b src -j DROP", "deeper -j mine",
		"lonely -m set --match-set f2b-c src -j DROP", "INPUT -m set --match-set noted src -j LOG", "INPUT -m set --match-set counted src",
		"INPUT -j SET --add-set f2b-a src", "FORWARD -j DOCKER-USER", "DOCKER-USER -m set --match-set f2b-c src -j DROP")
	for chain, want := range map[string]bool{"mine": true, "deeper": true, "lonely": false, "absent": false} {
		if got := Reaches(s, chain); got != want {
			t.Errorf("chain %s: %v", chain, got)
		}
	}
	for set, want := range map[string]bool{"f2b-a": true, "f2b-b": true, "f2b-c": false, "noted": false, "counted": false, "absent": false, "f2b": false} {
		if got := LooksAt(s, set); got != want {
			t.Errorf("set %s: %v", set, got)
		}
	}
	if !ForwardLooksAt(s, "f2b-c") || ForwardLooksAt(s, "f2b-a") {
		t.Error("what is forwarded comes to FORWARD and not to INPUT")
	}
}

// dockerNAT is what Docker 20 has in nat for three published ports, one of them on a
// loopback address, and a port that an admin forwards.
const dockerNAT = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -i eth0 -p tcp -m multiport --dports 8000,9000:9100 -j DNAT --to-destination 10.9.9.9-10.9.9.10
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p udp -m udp --dport 5060 -j DNAT --to-destination 172.17.0.2:5060
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 3306 -j DNAT --to-destination 172.17.0.3:3306
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.4:8080
COMMIT
`

func TestPublishedPorts(t *testing.T) {
	var got []string
	for _, p := range PublishedPorts(testrules.Parsed(t, iptables.IPv4, dockerNAT)) {
		got = append(got, fmt.Sprintf("%s %s %s %s", p.Chain, p.Proto, p.Ports, p.To))
	}
	want := "DOCKER tcp 80 172.17.0.4\nDOCKER udp 5060 172.17.0.2\nPREROUTING tcp 8000 10.9.9.9\nPREROUTING tcp 9000:9100 10.9.9.9"
	if strings.Join(got, "\n") != want {
		t.Errorf("published\n%s", strings.Join(got, "\n"))
	}
	if got := PublishedPorts(testrules.Parsed(t, iptables.IPv6, strings.NewReplacer("172.17.0.2:5060", "[fd00::2]:5060", "172.17.0.4:8080", "fd00::4").Replace(dockerNAT))); got[0].To.String() != "fd00::4" || got[1].To.String() != "fd00::2" {
		t.Errorf("IPv6: %v", got)
	}
}

func TestEmpty(t *testing.T) {
	if !savedOf(t, iptables.IPv4, "ACCEPT").Empty() || savedOf(t, iptables.IPv4, "DROP").Empty() || savedOf(t, iptables.IPv4, "ACCEPT", "INPUT -j LOG").Empty() {
		t.Error("empty is a family without rules whose policies let everything in")
	}
}
