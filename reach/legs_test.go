package reach

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/iptables"
)

// legCase has rules of others, each a command: TOOL is iptables of a backend and family, "table"
// begins a rule for the native table, HERE is this host, THERE a container, OTHER another host.
type legCase struct {
	name, rules string

	in, out bool // what comes in is said to be dropped; the answers are
	unclear bool // packets may be dropped without a report
}

// answerCases have rules on the path of this host's answers from udp 5060.
var answerCases = []legCase{
	{name: "nothing"},
	{name: "policy", rules: "TOOL -P OUTPUT DROP", out: true},
	{name: "answers are let out", rules: "TOOL -P OUTPUT DROP\nTOOL -A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"},
	{name: "another port is let out", rules: "TOOL -P OUTPUT DROP\nTOOL -A OUTPUT -p udp --sport 53 -j ACCEPT\nTOOL -A OUTPUT -p udp --dport 1 -j ACCEPT", unclear: true},
	{name: "another of its ports is let out", rules: "TOOL -P OUTPUT DROP\nTOOL -A OUTPUT -p udp --sport 53 -j ACCEPT", out: true},
	{name: "what begins something", rules: "TOOL -A OUTPUT -m conntrack --ctstate NEW,INVALID,UNTRACKED -j DROP"},
	{name: "what goes on", rules: "TOOL -A OUTPUT -m conntrack --ctstate ESTABLISHED -j REJECT", out: true},
	{name: "what goes on, in raw", rules: "TOOL -t raw -A OUTPUT -m conntrack --ctstate ESTABLISHED,NEW -j DROP"},
	{name: "invalid, in raw", rules: "TOOL -t raw -A OUTPUT -m conntrack --ctstate INVALID -j DROP", out: true},
	{name: "not tracked in", rules: "TOOL -t raw -A PREROUTING -j CT --notrack\nTOOL -A OUTPUT -m conntrack --ctstate ESTABLISHED -j DROP"},
	{name: "not tracked in, and new", rules: "TOOL -t raw -A PREROUTING -j CT --notrack\nTOOL -A OUTPUT -m conntrack --ctstate NEW -j DROP", unclear: true},
	{name: "not tracked out", rules: "TOOL -t raw -A OUTPUT -j CT --notrack\nTOOL -A OUTPUT -m conntrack --ctstate UNTRACKED -j DROP", out: true},
	{name: "port", rules: "TOOL -A OUTPUT -p udp -m udp --sport 5060 -j DROP", out: true},
	{name: "all ports but one", rules: "TOOL -A OUTPUT -p udp -m multiport ! --sports 53 -j DROP", out: true},
	{name: "port of others", rules: "TOOL -A OUTPUT -p udp -m udp --dport 5060 -j DROP"},
	{name: "mangle", rules: "TOOL -t mangle -A OUTPUT -p udp -j DROP", out: true},
	{name: "postrouting", rules: "TOOL -t mangle -A POSTROUTING -p udp -j DROP", out: true},
	{name: "security", rules: "TOOL -t security -A OUTPUT -p udp -j DROP", out: true},
	{name: "chain", rules: "TOOL -N exit\nTOOL -A exit -p tcp -j RETURN\nTOOL -A exit -j DROP\nTOOL -A OUTPUT ! -o lo -j exit", out: true},
	{name: "interface", rules: "TOOL -A OUTPUT -o host1 -j DROP", out: true},
	{name: "another interface", rules: "TOOL -A OUTPUT -o host2 -j DROP"},
	{name: "lo", rules: "TOOL -A OUTPUT -o lo -j DROP"},
	{name: "from here", rules: "TOOL -A OUTPUT -s HERE -j DROP", out: true},
	{name: "not from here", rules: "TOOL -A OUTPUT ! -s HERE -j DROP"},
	{name: "from elsewhere", rules: "TOOL -A OUTPUT -s OTHER -j DROP"},
	{name: "to somebody", rules: "TOOL -A OUTPUT -d OTHER -j DROP"},
	{name: "for local ones", rules: "TOOL -A OUTPUT -m addrtype --dst-type LOCAL -j DROP"},
	{name: "a limit", rules: "TOOL -A OUTPUT -m limit --limit 1/hour -j DROP", unclear: true},
	{name: "an owner", rules: "TOOL -A OUTPUT -m owner --uid-owner 65533 -j DROP"},
	{name: "translated", rules: "TOOL -t nat -A POSTROUTING -j MASQUERADE"},

	{name: "native policy", rules: "table chain out { type filter hook output priority 0; policy drop; }", out: true},
	{name: "native, let out", rules: "table chain out { type filter hook output priority 0; policy drop; ct state established accept; }"},
	{name: "native, let out by port", rules: "table chain out { type filter hook output priority 0; policy drop; udp sport 5060 accept; }"},
	{name: "native, others let out", rules: "table chain out { type filter hook output priority 0; policy drop; oif lo accept; tcp sport 22 accept; udp sport { 53, 5061 } accept; }", out: true},
	{name: "native port", rules: "table chain out { type filter hook output priority 0; udp sport 5060 drop; }", out: true},
	{name: "native port of others", rules: "table chain out { type filter hook output priority 0; udp dport 5060 drop; }"},
	{name: "native route", rules: "table chain out { type route hook output priority -150; policy drop; }", out: true},
	{name: "native raw", rules: "table chain out { type filter hook output priority -300; ct state established drop; }"},
	{name: "native postrouting", rules: "table chain out { type filter hook postrouting priority 10; meta l4proto udp drop; }", out: true},
	{name: "native nat", rules: "table chain out { type nat hook postrouting priority 100; policy drop; }"},
	{name: "native interface", rules: "table chain out { type filter hook output priority 0; oifname \"host1\" drop; }", out: true},
	{name: "native interface by number", rules: "table chain out { type filter hook output priority 0; oif \"host1\" drop; }", out: true},
	{name: "native other interface", rules: "table chain out { type filter hook output priority 0; oifname \"host2\" drop; }"},
	{name: "native from here", rules: "table chain out { type filter hook output priority 0; IP saddr HERE drop; }", out: true},
	{name: "native from elsewhere", rules: "table chain out { type filter hook output priority 0; IP saddr OTHER drop; }"},
	{name: "native to a set", rules: "table set some { type TYPE; elements = { OTHER }; }\ntable chain out { type filter hook output priority 0; IP daddr @some drop; }"},
	{name: "native to others than a set", rules: "table set some { type TYPE; elements = { OTHER }; }\ntable chain out { type filter hook output priority 0; IP daddr != @some drop; }", unclear: true},
	{name: "native, not tracked in", rules: "table chain pre { type filter hook prerouting priority -300; notrack; }\ntable chain out { type filter hook output priority 0; ct state established drop; }"},
	{name: "native, not tracked by the other", rules: "TOOL -t raw -A PREROUTING -j CT --notrack\ntable chain out { type filter hook output priority 0; ct state established drop; }"},
	{name: "egress", rules: "device chain out { type filter hook egress device \"host1\" priority 0; udp sport 5060 drop; }", out: true},
	{name: "egress of another", rules: "device chain out { type filter hook egress device \"host2\" priority 0; udp sport 5060 drop; }"},
}

// sentOnCases have rules that send udp 5060 on to udp 5080 of a container.
var sentOnCases = []legCase{
	{name: "nothing"},
	{name: "input", rules: "TOOL -P INPUT DROP"},
	{name: "output", rules: "TOOL -P OUTPUT DROP"},
	{name: "policy", rules: "TOOL -P FORWARD DROP", in: true, out: true},
	{name: "let in alone", rules: "TOOL -P FORWARD DROP\nTOOL -A FORWARD -d THERE -p udp --dport 5080 -j ACCEPT", out: true},
	{name: "let in by the wrong port", rules: "TOOL -P FORWARD DROP\nTOOL -A FORWARD -d THERE -p udp --dport 5060 -j ACCEPT\nTOOL -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", in: true},
	{name: "let in, and answered", rules: "TOOL -P FORWARD DROP\nTOOL -A FORWARD -d THERE -p udp --dport 5080 -j ACCEPT\nTOOL -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT"},
	{name: "as Docker has it", rules: `TOOL -P FORWARD DROP
TOOL -N DOCKER
TOOL -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
TOOL -A FORWARD -o host2 -j DOCKER
TOOL -A FORWARD -i host2 -j ACCEPT
TOOL -A DOCKER -d THERE ! -i host2 -o host2 -p udp -m udp --dport 5080 -j ACCEPT
TOOL -A DOCKER ! -i host2 -o host2 -j DROP
TOOL -t raw -A PREROUTING -d THERE ! -i host2 -j DROP`},
	{name: "port", rules: "TOOL -A FORWARD -p udp --dport 5080 -j DROP", in: true},
	{name: "port before", rules: "TOOL -A FORWARD -p udp --dport 5060 -j DROP"},
	{name: "port of the answer", rules: "TOOL -A FORWARD -p udp --sport 5080 -j DROP", out: true},
	{name: "mangle", rules: "TOOL -t mangle -A FORWARD -d THERE -j DROP", in: true},
	{name: "postrouting", rules: "TOOL -t mangle -A POSTROUTING -d THERE -j DROP", in: true},
	{name: "security", rules: "TOOL -t security -A FORWARD -s THERE -j DROP", out: true},
	{name: "raw", rules: "TOOL -t raw -A PREROUTING -p udp --dport 5060 -j DROP", in: true},
	{name: "raw, port of the container", rules: "TOOL -t raw -A PREROUTING -p udp --dport 5080 -j DROP"},
	{name: "raw, for here", rules: "TOOL -t raw -A PREROUTING -d HERE -j DROP", in: true},
	{name: "raw, for the container", rules: "TOOL -t raw -A PREROUTING -d THERE -j DROP"},
	{name: "somebody else", rules: "TOOL -A FORWARD -d OTHER -j DROP"},
	{name: "local ones", rules: "TOOL -A FORWARD -m addrtype --dst-type LOCAL -j DROP"},
	{name: "new", rules: "TOOL -A FORWARD -m conntrack --ctstate NEW -j DROP", in: true},
	{name: "what goes on", rules: "TOOL -A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP", out: true},
	{name: "sent on", rules: "TOOL -A FORWARD -m conntrack --ctstate DNAT -j DROP", unclear: true},
	{name: "interface", rules: "TOOL -A FORWARD -i host1 -j DROP", in: true},
	{name: "interface out", rules: "TOOL -A FORWARD -o host1 -j DROP", out: true},
	{name: "interface of the container", rules: "TOOL -A FORWARD -i host2 -j DROP", unclear: true},

	{name: "native policy", rules: "table chain f { type filter hook forward priority 0; policy drop; }", in: true, out: true},
	{name: "native, let in", rules: "table chain f { type filter hook forward priority 0; policy drop; IP daddr THERE accept; }", out: true},
	{name: "native, let in, and perhaps answered", rules: "table chain f { type filter hook forward priority 0; policy drop; udp dport 5080 accept; }", unclear: true},
	{name: "native, let in by the wrong port", rules: "table chain f { type filter hook forward priority 0; policy drop; udp dport 5060 accept; ct state established accept; }", in: true},
	{name: "native, answered", rules: "table chain f { type filter hook forward priority 0; policy drop; udp dport 5080 accept; ct state established accept; }"},
	{name: "native port", rules: "table chain f { type filter hook forward priority 0; udp dport 5080 drop; }", in: true},
	{name: "native port before", rules: "table chain f { type filter hook forward priority 0; udp dport 5060 drop; }"},
	{name: "native prerouting", rules: "table chain f { type filter hook prerouting priority -200; udp dport 5060 drop; }", in: true},
	{name: "native container", rules: "table chain f { type filter hook forward priority 0; IP daddr THERE drop; }", in: true},
	{name: "native answers", rules: "table chain f { type filter hook postrouting priority 0; IP saddr THERE drop; }", out: true},
	{name: "native input", rules: "table chain f { type filter hook input priority 0; policy drop; }"},
	{name: "egress", rules: "device chain out { type filter hook egress device \"host1\" priority 0; drop; }", out: true},
	{name: "egress, of the container", rules: "device chain out { type filter hook egress device \"host1\" priority 0; udp sport 5080 drop; IP saddr THERE drop; }"},
	{name: "egress, of this host", rules: "device chain out { type filter hook egress device \"host1\" priority 0; udp sport 5060 drop; }", out: true},
	{name: "behind nat", rules: "table chain f { type filter hook postrouting priority 110; udp sport 5080 drop; }"},
	{name: "before nat", rules: "table chain f { type filter hook postrouting priority 90; udp sport 5080 drop; }", out: true},
	{name: "ingress", rules: "device chain in { type filter hook ingress device \"host1\" priority 0; drop; }", in: true},
	{name: "ingress of the container", rules: "device chain in { type filter hook ingress device \"host2\" priority 0; drop; }", unclear: true},
}

// turnedCases have rules that send udp 5060 on to udp 5080 of this host.
var turnedCases = []legCase{
	{name: "nothing"},
	{name: "port before", rules: "TOOL -A INPUT -p udp --dport 5060 -j DROP"},
	{name: "port", rules: "TOOL -A INPUT -p udp --dport 5080 -j DROP", in: true},
	{name: "let in by the wrong port", rules: "TOOL -P INPUT DROP\nTOOL -A INPUT -p udp --dport 5060 -j ACCEPT", in: true},
	{name: "let in", rules: "TOOL -P INPUT DROP\nTOOL -A INPUT -p udp --dport 5080 -j ACCEPT"},
	{name: "raw", rules: "TOOL -t raw -A PREROUTING -p udp --dport 5060 -j DROP", in: true},
	{name: "raw, the other port", rules: "TOOL -t raw -A PREROUTING -p udp --dport 5080 -j DROP"},
	{name: "answers", rules: "TOOL -A OUTPUT -p udp --sport 5080 -j DROP", out: true},
	{name: "answers by the wrong port", rules: "TOOL -A OUTPUT -p udp --sport 5060 -j DROP"},
	{name: "postrouting", rules: "TOOL -t mangle -A POSTROUTING -p udp --sport 5080 -j DROP", out: true},
	{name: "native port", rules: "table chain f { type filter hook input priority 0; udp dport 5080 drop; }", in: true},
	{name: "native port before", rules: "table chain f { type filter hook input priority 0; udp dport 5060 drop; }"},
	{name: "native prerouting", rules: "table chain f { type filter hook prerouting priority -150; udp dport 5060 drop; }", in: true},
	{name: "native prerouting behind nat", rules: "table chain f { type filter hook prerouting priority 0; udp dport 5080 drop; }", in: true},
	{name: "native answers", rules: "table chain f { type filter hook output priority 0; udp sport 5080 drop; }", out: true},
	{name: "native answers behind nat", rules: "table chain f { type filter hook postrouting priority 110; udp sport 5080 drop; }"},
	{name: "egress", rules: "device chain out { type filter hook egress device \"host1\" priority 0; udp sport 5060 drop; }", out: true},
}

// legLab is a host between a phone and a container, with rules of one backend and family.
type legLab struct {
	t                          *testing.T
	backend                    string
	star                       *testns.Star
	is6                        bool
	phone, container           *testns.Host
	here, there, caller, other netip.Addr
	sent                       int
	from                       netip.AddrPort // where the last packet has come from
}

// TestLegsByPackets compares what is reported about packets that come in, are sent on and are
// answered with what happens to them. Packets that are reported as dropped must not arrive; all
// others must, unless the case is unclear.
func TestLegsByPackets(t *testing.T) {
	testskip.UnlessRoot(t) // for rules about other users
	here := []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:1::1")}
	there := []netip.Prefix{netip.MustParsePrefix("10.88.0.2/24"), netip.MustParsePrefix("fd88::2/64")}
	for n, backend := range []string{"nft", "legacy"} {
		star := testns.EnterStar(t, here...)
		phone := star.Join(netip.MustParsePrefix("88.0.0.1/8"), netip.MustParsePrefix("2a03:88::1/32"))
		container := star.Join(there...)
		star.Forward()
		star.Know()
		for f := range iptables.Families {
			is6 := f == int(iptables.IPv6)
			l := &legLab{t: t, backend: backend, star: star, is6: is6, phone: phone, container: container, here: here[f], there: there[f].Addr(), caller: phone.Addr(is6), other: there[f].Addr().Next()}
			l.run("", "ip", map[bool]string{false: "-4", true: "-6"}[is6], "route", "add", "default", "via", l.caller.String(), "dev", "host1")
			for i, c := range answerCases {
				if (i+n+f)%2 == 0 { // each in one of the families, in the other backend in the other one
					l.try(c, netip.AddrPortFrom(l.here, 5060), nil)
				}
			}
			dnat := fmt.Sprintf("TOOL -t nat -A PREROUTING -p udp -m udp --dport 5060 -j DNAT --to-destination %s\n", netip.AddrPortFrom(l.there, 5080))
			if n == 1 { // by a native table
				dnat = fmt.Sprintf("table chain publish { type nat hook prerouting priority -100; udp dport 5060 dnat to %s; }\n", netip.AddrPortFrom(l.there, 5080))
				dnat = strings.Replace(dnat, "dnat to", map[bool]string{false: "dnat ip to", true: "dnat ip6 to"}[is6], 1)
			}
			for i, c := range sentOnCases {
				if (i+n+f)%2 == 0 {
					c.rules = dnat + c.rules
					l.try(c, netip.AddrPortFrom(l.there, 5080), container)
				}
			}
			turn := [...]string{
				"TOOL -t nat -A PREROUTING -p udp -m udp --dport 5060 -j REDIRECT --to-ports 5080\n",
				fmt.Sprintf("TOOL -t nat -A PREROUTING -i host1 -p udp -m udp --dport 5060 -j DNAT --to-destination %s\n", netip.AddrPortFrom(l.here, 5080)),
				"table chain turn { type nat hook prerouting priority -100; udp dport 5060 redirect to :5080; }\n",
			}
			for i, c := range turnedCases {
				if (i+n+f)%2 == 0 {
					c.rules = turn[(i/2+n)%len(turn)] + c.rules
					l.try(c, netip.AddrPortFrom(l.here, 5080), nil)
				}
			}
		}
	}
}

func (l *legLab) run(stdin string, args ...string) {
	l.t.Helper()
	if err := (&fateLab{t: l.t}).run(stdin, args...); err != nil {
		l.t.Fatal(err)
	}
}

func (l *legLab) tool() string { return (&fateLab{is6: l.is6}).tool(l.backend) }

// try loads rules, and compares the report with what happens to a packet from the phone and to
// the answer of the container or, without one, of this host.
func (l *legLab) try(c legCase, at netip.AddrPort, by *testns.Host) {
	l.t.Helper()
	server, client := l.listen(by, at), l.listen(l.phone, netip.AddrPortFrom(l.caller, 0))
	defer server.Close()
	defer client.Close()
	defer l.clear()
	l.load(c.rules)
	in, out := l.said(by != nil)
	if in != c.in || out != c.out {
		l.t.Errorf("%s, %s: said to be dropped: in %v, answers %v; not %v, %v", l.tool(), c.name, in, out, c.in, c.out)
	}
	to := netip.AddrPortFrom(l.here, 5060)
	comes := by == nil && l.star.DeliverTo(l.phone, l.caller, net.UDPAddrFromAddrPort(to), server, fmt.Sprint("begin ", c.name))
	if comes || by != nil {
		comes = l.passes(client, to, server, by)
	}
	if comes == in && (in || !c.unclear) {
		l.t.Errorf("%s, %s: what comes in is said to be dropped: %v, and comes: %v", l.tool(), c.name, in, comes)
	}
	if !comes {
		return
	}
	if answered := l.passes(server, l.from, client, l.phone); answered == out && (out || !c.unclear) {
		l.t.Errorf("%s, %s: answers are said to be dropped: %v, and come: %v", l.tool(), c.name, out, answered)
	}
}

// load puts rules into the kernel.
func (l *legLab) load(rules string) {
	l.t.Helper()
	tables := map[string]string{"table ": "inet made", "device ": "netdev made"}
	words := strings.NewReplacer("TOOL", l.tool()+" -w 30", "HERE", l.here.String(), "THERE", l.there.String(), "OTHER", l.other.String(),
		"IP ", map[bool]string{false: "ip ", true: "ip6 "}[l.is6], "TYPE", map[bool]string{false: "ipv4_addr", true: "ipv6_addr"}[l.is6])
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(words.Replace(line))
		native := false
		for begin, table := range tables {
			if rest, is := strings.CutPrefix(line, begin); is {
				native = true
				l.run(fmt.Sprintf("table %s {\n%s\n}\n", table, strings.NewReplacer("{ type filter", "{\ntype filter", "{ type nat", "{\ntype nat", "{ type route", "{\ntype route", "; ", ";\n").Replace(rest)), "nft", "-f", "-")
			}
		}
		if !native {
			l.run("", strings.Fields(line)...)
		}
	}
}

func (l *legLab) clear() {
	l.t.Helper()
	for _, table := range []string{"raw", "mangle", "nat", "filter", "security"} {
		if l.backend == "legacy" {
			l.run("", l.tool(), "-w", "30", "-t", table, "-F")
			l.run("", l.tool(), "-w", "30", "-t", table, "-X")
		}
	}
	if l.backend == "legacy" {
		for _, chain := range []string{"INPUT", "OUTPUT", "FORWARD"} {
			l.run("", l.tool(), "-w", "30", "-P", chain, "ACCEPT")
		}
	}
	l.run("", "nft", "flush", "ruleset")
	// A packet from a port that was used before would belong to its flow, and not be sent on.
	if err := netlink.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
		l.t.Fatal(err)
	}
}

// said returns whether a stranger's packets to udp 5060, and the answers, are reported as
// dropped.
func (l *legLab) said(sentOn bool) (in, out bool) {
	l.t.Helper()
	p, f := passedHere(l.t), familyOf(l.is6)
	filters, a := p.Filters(f, Nobody), admission{proto: "udp", ports: iptables.PortRange{First: 5060, Last: 5060}}
	var stops []stop
	if sentOn {
		published := Published(p.Rules, p.Native, f)
		if len(published) != 1 || published[0].To != l.there || published[0].ToPort != 5080 {
			l.t.Fatalf("published: %+v", published)
		}
		stops = filters.stopsOnwards(a, published[0])
		if reached := len(p.sentOn(f)) == 1; reached == slices.ContainsFunc(stops, func(s stop) bool { return !s.answers }) {
			l.t.Errorf("it is reached: %v, and stops are %+v", reached, stops)
		}
	} else {
		for _, i := range p.by(netip.PrefixFrom(l.caller, l.caller.BitLen()), f) {
			stops = append(stops, slices.Concat(filters.stops(a, i, toHere), filters.stops(a, i, fromHere))...)
		}
	}
	for _, s := range stops {
		in, out = in || !s.answers, out || s.answers
	}
	return in, out
}

func (l *legLab) listen(on *testns.Host, at netip.AddrPort) (conn *net.UDPConn) {
	l.t.Helper()
	var err error
	listen := func() { conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)) }
	if on == nil {
		listen()
	} else {
		on.Do(listen)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return conn
}

// passes sends a packet and reports whether it arrives. After it goes another one from the
// receiver's own host, which always arrives, so that passes need not wait longer.
func (l *legLab) passes(from *net.UDPConn, to netip.AddrPort, at *net.UDPConn, on *testns.Host) (comes bool) {
	l.t.Helper()
	l.sent++
	text, last := fmt.Sprint("packet ", l.sent), fmt.Sprint("and that is all, ", l.sent)
	// If a packet is dropped on its way out, sending it fails.
	if _, err := from.WriteToUDPAddrPort([]byte(text), to); err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ECONNREFUSED) {
		l.t.Fatal(err)
	}
	if on != nil {
		self := at.LocalAddr().(*net.UDPAddr).AddrPort()
		own := l.listen(on, netip.AddrPortFrom(self.Addr(), 0))
		defer own.Close()
		if _, err := own.WriteToUDPAddrPort([]byte(last), self); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := at.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		l.t.Fatal(err)
	}
	for buf := make([]byte, 100); ; {
		n, who, err := at.ReadFromUDPAddrPort(buf)
		switch {
		case err != nil:
			l.t.Fatal(err)
		case string(buf[:n]) == last:
			return comes
		case string(buf[:n]) != text:
		case on == nil:
			l.from = who
			return true
		default:
			l.from, comes = who, true
		}
	}
}
