package firewall_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// placeCases are other programs' rules, one "-A" a line; ATT stands for the attacker's address and NET for
// its network. In each case, the other host is let in everywhere.
var placeCases = map[string]string{
	"nothing":         ``,
	"set in raw":      `-t raw -A PREROUTING -m set --match-set others src -j DROP`,
	"set":             `-A INPUT -m set --match-set others src -j REJECT`,
	"set of sets":     `-A INPUT -m set --match-set all src -j DROP`,
	"address":         `-A INPUT -s ATT -j DROP`,
	"network":         `-A INPUT -s NET -j DROP`,
	"mangle":          `-t mangle -A PREROUTING -s ATT -j DROP`,
	"new only":        `-A INPUT -s ATT -m conntrack --ctstate NEW -j DROP`,
	"later only":      `-A INPUT -s ATT -m conntrack --ctstate INVALID -j DROP`,
	"range":           `-A INPUT -m iprange --src-range RANGE -j DROP`,
	"not the set":     `-A INPUT -m set ! --match-set friends src -j DROP`,
	"not":             `-A INPUT ! -s FRIEND -j DROP`,
	"port":            `-A INPUT -p udp -m multiport --dports 5060,5061 -m set --match-set others src -j REJECT`,
	"set and port":    `-A INPUT -m set --match-set ports src,dst -j DROP`,
	"recent":          `-A INPUT -m recent --rcheck --name LIST --rsource -j DROP`,
	"other interface": `-i nosuch -A INPUT -s ATT -j DROP`,
	"as fail2ban": `-N f2b-sip
-A INPUT -p udp -m multiport --dports 5060,5061 -j f2b-sip
-A f2b-sip -s ATT -j REJECT
-A f2b-sip -j RETURN`,
	"returned": `-N f2b-sip
-A INPUT -j f2b-sip
-A f2b-sip -s ATT -j RETURN
-A f2b-sip -s NET -j DROP`,
	"let in first": `-A INPUT -s ATT -j ACCEPT
-A INPUT -s NET -j DROP`,
	"one port is let in first": `-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -s ATT -j DROP`,
	"pings are let in first": `-A INPUT -p PING -j ACCEPT
-A INPUT -s ATT -j DROP`,
	"as csf": `-N LOGDROPIN
-A LOGDROPIN -p tcp --dport 67 -j DROP
-A LOGDROPIN -m limit --limit 30/min -j LOG
-A LOGDROPIN -j DROP
-N DENYIN
-A DENYIN -s ATT ! -i lo -j LOGDROPIN
-A INPUT ! -i lo -j DENYIN`,
	"a network with rules of its own": `-N zone
-A INPUT -s NET -j zone
-A zone -p udp --dport 5060 -j ACCEPT
-A zone -p udp --dport 4569 -j ACCEPT
-A zone -p tcp --dport 22 -j ACCEPT
-A zone -j REJECT`,
	"some are let in first": `-A INPUT -p tcp -m tcp ! --dport 5060 -j ACCEPT
-A INPUT -s NET -j DROP`,
	"a limit lets in first": `-A INPUT -p udp -m limit --limit 1000/sec --limit-burst 1000 -j ACCEPT
-A INPUT -s ATT -j DROP`,
	"gone to in part": `-N door
-N open
-A open -p tcp -j RETURN
-A door -p udp -g open
-A door -s ATT -j DROP
-A INPUT -j door`,
	"security":             `-t security -A INPUT -s ATT -j DROP`,
	"by a port":            `-A INPUT -s ATT -p udp -m udp --sport 1:2 -j DROP`,
	"set and another port": `-A INPUT -p udp -m udp --sport 1:2 -m set --match-set ports src,dst -j DROP`,
	"new only in raw":      `-t raw -A PREROUTING -s ATT -m conntrack --ctstate NEW -j DROP`,
	"invalid in raw":       `-t raw -A PREROUTING -s ATT -m conntrack --ctstate INVALID -j DROP`,
	"not new in raw":       `-t raw -A PREROUTING -s ATT -m state ! --state NEW,UNTRACKED -j DROP`,
	"new only in mangle":   `-t mangle -A PREROUTING -s ATT -m conntrack --ctstate NEW -j DROP`,
	"tracked by no zone":   `-t raw -A PREROUTING -s ATT -m conntrack --ctstate UNTRACKED -j DROP`,
	"untracked in filter":  "-t raw -A PREROUTING -s NET -j CT --notrack\n-A INPUT -s ATT -m conntrack --ctstate NEW -j DROP",
	"untracked is asked for": `-t raw -A PREROUTING -j CT --notrack
-A INPUT -s ATT -m conntrack --ctstate INVALID,UNTRACKED -j DROP`,
	"untracked in raw": `-t raw -A PREROUTING -j CT --notrack
-t raw -A PREROUTING -s ATT -m conntrack --ctstate UNTRACKED -j DROP`,
	"in a zone, in raw": `-t raw -A PREROUTING -j CT --zone 1
-t raw -A PREROUTING -j CT --notrack
-t raw -A PREROUTING -s ATT -m conntrack --ctstate NEW -j DROP`,
	"returned to a drop": `-N judge
-A judge -s ATT -j RETURN
-A judge -j ACCEPT
-A INPUT -j judge
-A INPUT -j DROP`,
	"not let in": `-A INPUT -m set ! --match-set others src -j ACCEPT
-A INPUT -j DROP`,
	"not let in by a port": `-A INPUT -p udp -m udp --dport 5060 -m set ! --match-set others src -j ACCEPT
-A INPUT -p udp -m udp --dport 4569 -j ACCEPT
-A INPUT -p tcp -j ACCEPT
-A INPUT -j REJECT`,
	"closed to all by a network": `-N zone
-A zone -p udp -m udp --dport 5060 -j ACCEPT
-A zone -p tcp -j ACCEPT
-A INPUT -s NET -g zone
-A INPUT -p udp -j ACCEPT
-A INPUT -p tcp -j ACCEPT
-A INPUT -j DROP`,
	"a limit sends back": `-N some
-A some -m limit --limit 1000/sec --limit-burst 1000 -j RETURN
-A some -j DROP
-A INPUT -j some
-A INPUT -s ATT -j DROP`,
	"another protocol": `-A INPUT -s ATT ! -p tcp -j DROP`,
	"another protocol is let in first": `-A INPUT ! -p tcp -j ACCEPT
-A INPUT -s ATT -j DROP`,
	"all ports but others": `-A INPUT -s ATT -p udp -m multiport ! --dports 0:5059,5061:65535 -j DROP`,
	"a port of either end": `-A INPUT -s ATT -p udp -m multiport --ports 5060 -j DROP`,
	"another way out": `-N way
-A INPUT -j way
-A way -s ATT ! -o lo -j DROP`,
	"gone to": `-N door
-A INPUT -g door
-A INPUT -s NET -j ACCEPT
-A door -s ATT -j DROP`,
}

// TestPlacesByPackets compares the places for an address with the fate of its packets: dropped if a place
// says so for certain, and let in if there is none.
func TestPlacesByPackets(t *testing.T) {
	inEachLab(t, func(l *lab) {
		for name, rules := range placeCases {
			l.tryPlaces(name, rules)
		}
	})
}

func (l *lab) tryPlaces(name, rules string) {
	l.t.Helper()
	six := l.family == iptables.IPv6
	att, friend := l.addr(l.attacker), l.addr(l.roamer)
	net, _ := att.Prefix(map[bool]int{false: 24, true: 48}[six])
	family := map[bool]string{false: "inet", true: "inet6"}[six]
	l.run(fmt.Sprintf(`create others hash:net family %[1]s
add others %[2]s
create friends hash:net family %[1]s
add friends %[3]s
create all list:set
add all others
create ports hash:ip,port family %[1]s
add ports %[4]s,udp:5060
`, family, net, friend, att), "ipset", "restore")
	words := strings.NewReplacer("ATT", att.String(), "NET", net.String(), "FRIEND", friend.String(),
		"RANGE", fmt.Sprintf("%s-%s", att, att.Next()), "PING", map[bool]string{false: "icmp", true: "ipv6-icmp"}[six])
	l.iptables("-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
	for line := range strings.Lines(rules) {
		l.iptables(strings.Fields(words.Replace(line))...)
	}
	if name == "recent" {
		if err := os.WriteFile("/proc/thread-self/net/xt_recent/LIST", []byte("+"+att.String()), 0); err != nil {
			l.t.Fatal(err)
		}
	}
	saved, err := l.fw.Read(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	tracer := iptwalk.NewTracer(saved[l.family], iptwalk.Sources{Set: setByIPSet, Recent: func(list string, q netip.Prefix) iptwalk.Share {
		text, _ := os.ReadFile("/proc/thread-self/net/xt_recent/" + list)
		if strings.Contains(string(text), "src="+strings.ToLower(q.Addr().StringExpanded())+" ") {
			return iptwalk.AllOf
		}
		return iptwalk.NoneOf
	}})
	for who, c := range map[string]caller{"attacker": {l.attacker, att}, "other": {l.roamer, friend}} {
		places, _ := tracer.Places(iptwalk.Packet{Source: netip.PrefixFrom(c.addr, c.addr.BitLen())})
		for _, port := range []struct {
			proto string
			port  uint16
		}{{"udp", 5060}, {"udp", 4569}, {"tcp", 22}} {
			says := saidOf(places, port.proto, port.port)
			if got := l.knock(c, port.proto, port.port); (got == accepted) == says {
				l.t.Errorf("%s: %s's packet to %s %d is %s, places %+v", name, who, port.proto, port.port, got, places)
			}
		}
	}
	for _, table := range []string{"raw", "mangle", "filter", "security"} {
		l.iptables("-t", table, "-F")
		l.iptables("-t", table, "-X")
	}
	for _, set := range []string{"all", "others", "friends", "ports"} {
		l.run("", "ipset", "destroy", set)
	}
}

// saidOf reports whether places say that packets to a port are dropped.
func saidOf(places []iptwalk.DropPlace, proto string, port uint16) bool {
	for _, p := range places {
		if !p.Certain || p.Forwarded || p.In != "" {
			continue
		}
		of := len(p.Only) == 0
		for _, only := range p.Only {
			of = of || strings.HasPrefix(only, fmt.Sprint(proto, " ", port)) || only == proto
		}
		for _, but := range p.But {
			but = strings.ReplaceAll(but, "! -p tcp ", "-p udp ")
			of = of && !strings.Contains(but, fmt.Sprintf("-p %s ", proto)) && strings.Contains(but, " -p ")
		}
		if of {
			return true
		}
	}
	return false
}

// setByIPSet asks ipset(8).
func setByIPSet(of iptwalk.SetMatch, q netip.Prefix) iptwalk.SetMember {
	name := of.Name
	if name == "all" {
		name = "others"
	}
	entry, m := q.Addr().String(), iptwalk.SetMember{}
	if name == "ports" {
		entry += ",udp:5060"
		m.Limits = []string{"udp 5060"}
	}
	if exec.Command("ipset", "-q", "test", name, entry).Run() == nil {
		m.Share = iptwalk.AllOf
	}
	return m
}
