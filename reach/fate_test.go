package reach

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
)

var (
	fateSeed   = flag.Uint64("fate-seed", 1, "the first seed of TestFateByPackets")
	fateRounds = flag.Int("fate-rounds", 12, "how many rulesets TestFateByPackets makes up")
)

// fateLab is a host with an attacker, and a stranger that no rule or set names.
type fateLab struct {
	t                     *testing.T
	star                  *testns.Star
	outside               *testns.Host
	is6                   bool
	here, attack, strange netip.Addr
	server                map[uint16]*net.UDPConn
	sent, kept            int
	said                  []Place // what is said of the attacker; nil: to be asked
}

var fatePorts = []uint16{53, 4569, 5060}

// TestFateByPackets generates rules in both backends and in nftables, with sets of all kinds, and
// compares the verdict on an attacker with what happens to its packets. What is certainly dropped
// must not arrive. If no place is found, the attacker's packets must fare like a stranger's.
func TestFateByPackets(t *testing.T) {
	four, six := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:1::1")
	star := testns.EnterStar(t, four, six)
	outside := star.Join(netip.MustParsePrefix("45.0.0.1/8"), netip.MustParsePrefix("88.0.0.1/8"), netip.MustParsePrefix("2a0a:1::1/32"), netip.MustParsePrefix("2a03:88::1/32"))
	said, kept := make(map[Verdict]int), 0
	for i := range *fateRounds {
		seed := *fateSeed + uint64(i)
		l := &fateLab{t: t, star: star, outside: outside, here: four, attack: netip.MustParseAddr("45.1.0.1"), strange: netip.MustParseAddr("88.1.0.1"), server: make(map[uint16]*net.UDPConn)}
		if seed%2 == 1 {
			l.is6, l.here, l.attack, l.strange = true, six, netip.MustParseAddr("2a0a:1::5"), netip.MustParseAddr("2a03:88::5")
		}
		for _, port := range fatePorts {
			conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.here, port)))
			if err != nil {
				t.Fatal(err)
			}
			l.server[port] = conn
			if !l.arrives(l.strange, port) {
				t.Fatal("without rules nothing arrives")
			}
		}
		rules := l.makeUp(rand.New(rand.NewPCG(seed, 0)))
		verdict, wrong := l.try(rules)
		said[verdict]++
		kept += l.kept
		for shorter := true; wrong != "" && shorter; { // the fewest rules with a wrong verdict
			shorter = false
			for i := range rules {
				fewer := slices.Delete(slices.Clone(rules), i, i+1)
				if _, still := l.try(fewer); still != "" {
					rules, wrong, shorter = fewer, still, true
					break
				}
			}
		}
		if wrong != "" {
			t.Errorf("seed %d: %s\n%s", seed, wrong, strings.Join(rules, "\n"))
		}
		for _, conn := range l.server {
			conn.Close()
		}
	}
	if t.Logf("verdicts: %v; strangers are kept out %d times", said, kept); kept == 0 && *fateRounds >= 12 {
		t.Error("no rules keep a stranger out")
	}
}

// try loads rules, and returns what the verdict on the attacker has wrong.
func (l *fateLab) try(rules []string) (v Verdict, wrong string) {
	l.t.Helper()
	l.load(rules)
	defer l.clear()
	l.said = nil
	first, _, _ := l.places(0)
	// Packets may change sets, which counts from then on.
	changing := slices.ContainsFunc(rules, func(r string) bool { return strings.Contains(r, "add") })
	stops := l.stops()
	for _, port := range fatePorts {
		if stops[port] == "" {
			continue
		}
		if l.kept++; l.arrives(l.strange, port) {
			return "", fmt.Sprintf("udp %d of a stranger is said to end at %s, and comes", port, stops[port])
		}
	}
	for _, port := range fatePorts {
		if changing {
			l.said = nil
		}
		switch places, named, certain := l.places(port); {
		case certain && l.arrives(l.attack, port):
			return "", fmt.Sprintf("udp %d is said to be dropped, and comes: %+v", port, places)
		case !named && l.arrives(l.strange, port):
			if changing {
				l.said = nil
			}
			if places, named, _ := l.places(port); !named && !l.arrives(l.attack, port) {
				return "", fmt.Sprintf("udp %d is said to come as a stranger's does, and does not: %+v", port, places)
			}
		}
	}
	return JudgePlaces(first, nil), ""
}

// places returns the attacker's places now, and whether they drop packets to a port.
func (l *fateLab) places(port uint16) (places []Place, named, certain bool) {
	l.t.Helper()
	if l.said == nil {
		kernel, err := ipsetsync.Open()
		if err != nil {
			l.t.Fatal(err)
		}
		defer kernel.Close()
		places, unread := FindPlaces(l.t.Context(), config.Default(), kernel).Of(netip.PrefixFrom(l.attack, l.attack.BitLen()))
		if len(unread) > 0 {
			l.t.Fatal(unread)
		}
		l.said = append([]Place{}, places...)
	}
	places = l.said
	for _, p := range places {
		if !p.Containers && p.isAbout("udp", iptables.PortRange{First: port, Last: port}) {
			named, certain = true, certain || p.Blocks() && p.Interface == ""
		}
	}
	return places, named, certain
}

// passedHere returns the rules of this namespace.
func passedHere(t *testing.T) Passed {
	t.Helper()
	rules, err := ReadKernelRules(t.Context(), config.Default())
	if err != nil {
		t.Fatal(err)
	}
	native, err := ReadNative(t.Context(), rules, false)
	if err != nil {
		t.Fatal(err)
	}
	p, err := PassedBy(t.Context(), rules, native)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func familyOf(is6 bool) iptables.Family {
	if is6 {
		return iptables.IPv6
	}
	return iptables.IPv4
}

// stops returns what is reported to keep a stranger out, by port.
func (l *fateLab) stops() map[uint16]string {
	l.t.Helper()
	p, f := passedHere(l.t), familyOf(l.is6)
	filters, all := p.Filters(f, Nobody), make(map[uint16]string)
	for _, port := range fatePorts {
		a := admission{proto: "udp", ports: iptables.PortRange{First: port, Last: port}}
		for _, i := range p.by(netip.PrefixFrom(l.strange, l.strange.BitLen()), f) {
			for _, s := range filters.stops(a, i, toHere) {
				all[port] = s.where + " " + s.rule
			}
		}
	}
	return all
}

// arrives sends a packet, and reports whether it arrives.
func (l *fateLab) arrives(source netip.Addr, port uint16) bool {
	l.t.Helper()
	l.sent++
	return l.star.Deliver(l.outside, source, l.server[port], fmt.Sprintf("packet %d", l.sent))
}

func (l *fateLab) run(stdin string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %v\n%s\n%s", args, err, out, stdin)
	}
	return nil
}

func (l *fateLab) tool(backend string) string {
	return map[bool]string{false: "iptables", true: "ip6tables"}[l.is6] + "-" + backend
}

// load puts rules into the kernel: lines "BACKEND TABLE -A …", "set …", and "CHAIN …" for the
// base chain CHAIN of the native table.
func (l *fateLab) load(rules []string) {
	l.t.Helper()
	family, any := "inet", "ipv4_addr"
	if l.is6 {
		family, any = "inet6", "ipv6_addr"
	}
	net, _ := l.attack.Prefix(map[bool]int{false: 16, true: 48}[l.is6])
	words := strings.NewReplacer("ATT", l.attack.String(), "NET", net.String(), "OTHER", l.attack.Next().String(), "HERE", l.here.String(), "FAMILY", family, "SADDR", map[bool]string{false: "ip saddr", true: "ip6 saddr"}[l.is6],
		"DADDR", map[bool]string{false: "ip daddr", true: "ip6 daddr"}[l.is6])
	err := l.run(words.Replace(`create bad hash:net family FAMILY
add bad NET
add bad OTHER nomatch
create spared hash:net family FAMILY
add spared NET
add spared ATT nomatch
create ports hash:ip,port family FAMILY
add ports ATT,udp:5060
create lists list:set
add lists ports
create both list:set
add both ports
add both bad
create but list:set
add but spared
add but ports
create seen hash:ip family FAMILY
`), "ipset", "restore")
	if err != nil {
		l.t.Fatal(err)
	}
	restore := make(map[string]map[string][]string)
	native := make(map[string][]string)
	for _, r := range rules {
		r = words.Replace(r)
		first, rest, _ := strings.Cut(r, " ")
		if first != "nft" && first != "legacy" {
			native[first] = append(native[first], rest)
			continue
		}
		table, rule, _ := strings.Cut(rest, " ")
		if restore[first] == nil {
			restore[first] = make(map[string][]string)
		}
		restore[first][table] = append(restore[first][table], rule)
	}
	for backend, tables := range restore {
		var text strings.Builder
		for table, lines := range tables {
			fmt.Fprintf(&text, "*%s\n", table)
			for _, chain := range []string{"A", "B"} {
				fmt.Fprintf(&text, ":%s - [0:0]\n", chain)
			}
			fmt.Fprintf(&text, "%s\nCOMMIT\n", strings.Join(lines, "\n"))
		}
		if err := l.run(text.String(), l.tool(backend)+"-restore", "--noflush", "-w", "30"); err != nil {
			l.t.Fatal(err)
		}
	}
	if len(native) == 0 {
		return
	}
	var text strings.Builder
	fmt.Fprintf(&text, "table inet made {\nset full { type %s; size 1; flags dynamic; elements = { %s }; }\nset roomy { type %[1]s; size 9; flags dynamic; }\nset bad { type %[1]s; flags interval; elements = { %[3]s }; }\n", any, l.attack.Next().Next(), net)
	for _, chain := range []string{"C", "D", "pre-300", "pre-200", "pre-150", "in-10", "in10", "dropin20"} {
		hook := ""
		if at, ok := strings.CutPrefix(chain, "pre"); ok {
			hook = "type filter hook prerouting priority " + at + "; policy accept;\n"
		} else if at, ok := strings.CutPrefix(chain, "in"); ok {
			hook = "type filter hook input priority " + at + "; policy accept;\n"
		} else if at, ok := strings.CutPrefix(chain, "dropin"); ok && native[chain] != nil {
			hook = "type filter hook input priority " + at + "; policy drop;\n"
		}
		fmt.Fprintf(&text, "chain %s {\n%s%s\n}\n", strings.ReplaceAll(chain, "-", "m"), hook, strings.Join(native[chain], "\n"))
	}
	if err := l.run(text.String()+"}\n", "nft", "-f", "-"); err != nil {
		l.t.Fatal(err)
	}
}

func (l *fateLab) clear() {
	l.t.Helper()
	err := l.run("", "nft", "flush", "ruleset")
	for _, table := range []string{"raw", "mangle", "filter"} {
		err = cmp.Or(err, l.run("", l.tool("legacy"), "-w", "30", "-t", table, "-F"), l.run("", l.tool("legacy"), "-w", "30", "-t", table, "-X"))
	}
	err = cmp.Or(err, l.run("", l.tool("legacy"), "-w", "30", "-P", "INPUT", "ACCEPT"), l.run("destroy both\ndestroy but\ndestroy lists\ndestroy ports\ndestroy bad\ndestroy spared\ndestroy seen\n", "ipset", "restore"))
	if err != nil {
		l.t.Fatal(err)
	}
}

// makeUp makes rules of parts for which the verdict was once wrong, and of similar ones.
func (l *fateLab) makeUp(r *rand.Rand) (rules []string) {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	for range 2 + r.IntN(7) {
		backend, table := pick("nft", "nft", "legacy"), pick("raw", "mangle", "filter", "filter", "filter")
		chain := map[string]string{"raw": "PREROUTING", "mangle": "PREROUTING", "filter": pick("INPUT", "INPUT", "A", "B")}[table]
		rule := pick("", "", "-s ATT", "-s ATT", "-s NET", "! -s ATT", "-m set --match-set bad src", "-m set ! --match-set bad src", "-m set --match-set lists src",
			"-m set ! --match-set lists src", "-m set ! --match-set lists src,dst", "-m set --match-set both src,dst", "-m set --match-set both src", "-m set --match-set ports src,dst", "-m set --match-set ports src,src",
			"-m set --match-set seen src", "-m mark --mark 1", "-m set --match-set spared src --return-nomatch", "-m set ! --match-set spared src --return-nomatch",
			"-m set --match-set bad src --return-nomatch", "-m set --match-set but src,dst --return-nomatch", "-m set ! --match-set but src,dst --return-nomatch", "-m set --match-set spared src ! --update-counters")
		rule += " " + pick("", "", "", "-p udp -m udp --dport 5060", "-p udp -m udp ! --dport 5060", "-p udp -m multiport --dports 53,5060")
		rule += " " + pick("", "", "", "", "", "-i host1", "-i host+", "! -i host1", "! -i host2", "-d HERE", "-i host2")
		rule += " " + pick("", "", "", "-m conntrack --ctstate NEW", "-m conntrack --ctstate INVALID", "-m conntrack --ctstate UNTRACKED", "-m conntrack ! --ctstate NEW", "-m state --state INVALID,UNTRACKED")
		target := pick("DROP", "DROP", "ACCEPT", "RETURN", "SET --add-set seen src")
		switch {
		case table == "raw":
			target = pick(target, target, "CT --notrack", "CT --zone 1")
		case table == "mangle":
			target = pick(target, "MARK --set-mark 1")
		case chain == "INPUT":
			target = pick(target, target, "A", "B")
		case chain == "A":
			target = pick(target, "B")
		}
		jump := "-j"
		if (target == "A" || target == "B") && r.IntN(3) == 0 {
			jump = "-g"
		}
		rules = append(rules, fmt.Sprintf("%s %s -A %s %s %s %s", backend, table, chain, rule, jump, target))
	}
	if r.IntN(3) == 0 {
		rules = append(rules, pick("nft", "legacy")+" filter -A INPUT "+pick("", "! -s ATT", "-p udp --dport 53")+" -j "+pick("ACCEPT", "A"), pick("nft", "legacy")+" filter -P INPUT DROP")
	}
	for range r.IntN(7) {
		chain := pick("C", "D", "pre-300", "pre-200", "pre-150", "in-10", "in10", "in10", "dropin20", "dropin20")
		rule := pick("", "", "", `iifname "host1"`, `iif "host1"`, `iifname != "host2"`, "DADDR HERE") + " " + pick("", "", "SADDR ATT", "SADDR ATT", "SADDR NET", "SADDR != ATT", "SADDR @bad", "SADDR != @bad", "SADDR @roomy", "SADDR @full", "meta mark 1")
		rule += " " + pick("", "", "", "udp dport 5060", "udp dport != 5060", "udp dport { 53, 4569 }")
		rule += " " + pick("", "", "", "ct state new", "ct state invalid", "ct state != new", "ct state untracked", "add @full { SADDR }", "add @roomy { SADDR }")
		verdict := pick("drop", "drop", "accept", "return", "meta mark set 1")
		switch {
		case strings.HasPrefix(chain, "pre"):
			verdict = pick(verdict, "notrack")
		case chain == "C":
			verdict = pick(verdict, "goto D")
		case chain != "D":
			verdict = pick(verdict, "jump C", "goto C", "jump D", "SADDR vmap { ATT : return, OTHER : drop }")
		}
		rules = append(rules, chain+" "+rule+" "+verdict)
		if chain == "dropin20" && r.IntN(2) == 0 {
			rules = append(rules, chain+" "+pick("accept", "jump D", "udp dport 53 accept"))
		}
	}
	return rules
}
