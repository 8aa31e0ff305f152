package firewall_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// lab is a PBX host with its firewall, in the test's namespace, and the hosts that talk to it, each in its
// own namespace. All of them have IPv4 and IPv6; a test of one family uses only that.
type lab struct {
	t       *testing.T
	fw      *firewall.Firewall
	family  iptables.Family
	star    *testns.Star
	servers servers
	knocks  int // so far

	attacker, roamer, phone, trunk *testns.Host
}

// The addresses of the lab, by family. It has no way out, so packets reach nobody else.
var (
	pbx      = [2]netip.Addr{netip.MustParseAddr("192.168.1.10"), netip.MustParseAddr("2001:db8:1::10")}
	lan      = [2]netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8:1::/64")}
	phone    = [2]netip.Prefix{netip.MustParsePrefix("192.168.1.129/25"), netip.MustParsePrefix("2001:db8:1::1:1/112")}
	attacker = [2]netip.Prefix{netip.MustParsePrefix("203.0.113.1/24"), netip.MustParsePrefix("2001:db8:bad::1/48")}
	roamer   = [2]netip.Prefix{netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("2001:db8:f::1/48")}
	trunk    = [2]netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8:7::1/64")}
)

// inEachLab runs a test on both backends and in both families, each in its own lab.
func inEachLab(t *testing.T, test func(*lab)) {
	for _, backend := range []string{"nft", "legacy"} {
		for _, family := range iptables.Families {
			t.Run(fmt.Sprint(backend, "/", family), func(t *testing.T) {
				t.Parallel()
				test(newLab(t, backend, family))
			})
		}
	}
}

// newLab makes the hosts and the sets, without rules.
func newLab(t *testing.T, backend string, family iptables.Family) *lab {
	t.Helper()
	star := testns.EnterStar(t, pbx[:]...)
	l := &lab{t: t, family: family, star: star}
	var err error
	if l.fw, err = firewall.Open(backend); err != nil {
		t.Fatal(err)
	}
	l.attacker = star.Join(attacker[:]...)
	l.roamer = star.Join(roamer[:]...)
	l.phone = star.Join(phone[:]...)
	l.trunk = star.Join(trunk[:]...)
	l.run(`create voip_bl hash:net counters
create voip_bl6 hash:net family inet6 counters
create voip_ban hash:net timeout 0 counters
create voip_ban6 hash:net family inet6 timeout 0 counters
create fail2ban-ASTERISK hash:ip timeout 0
create fail2ban-ASTERISK6 hash:ip family inet6 timeout 0
`, "ipset", "restore")
	// Let all hosts learn each other's link addresses, so that later packets arrive at once.
	for _, l := range []*lab{l, l.twin()} {
		for _, h := range []*testns.Host{l.attacker, l.roamer, l.phone, l.trunk} {
			l.converse(caller{h, l.addr(h)}, 9)
		}
	}
	return l
}

// twin returns the same lab in the other family.
func (l *lab) twin() *lab {
	other := *l
	other.family, other.servers = iptables.IPv6-l.family, servers{}
	return &other
}

// services are the open ports of the published ruleset, besides SIP and RTP.
var services = []ruleset.Service{
	service("mgcp", "udp", everyone, 2727),
	service("iax2", "udp", everyone, 4569),
	service("samba", "tcp", onlyLAN, 137, 138, 139, 445),
	service("webmin", "tcp", onlyLAN, 10000),
	service("ssh", "tcp", onlyLAN, 22),
	service("ntp", "tcp", onlyLAN, 123),
	service("ntp", "udp", onlyLAN, 123),
	service("asterisk-api", "tcp", onlyLAN, 5038),
	service("isymphony", "tcp", onlyLAN, 58080, 55050),
	service("http", "tcp", everyone, 80),
	service("https", "tcp", everyone, 443),
	service("syslog", "tcp", onlyLAN, 514),
	service("syslog", "udp", onlyLAN, 514),
}

const (
	everyone = true
	onlyLAN  = false
)

func service(name, proto string, public bool, ports ...uint16) ruleset.Service {
	s := ruleset.Service{Name: name, Proto: proto, Public: public}
	for _, p := range ports {
		s.Ports = append(s.Ports, iptables.PortRange{First: p, Last: p})
	}
	return s
}

// dropOnly returns the settings of a host with another firewall.
func dropOnly(at ruleset.Place) ruleset.Settings {
	return ruleset.Settings{Sets: [2]string{"voip_bl", "voip_bl6"}, BanSets: [2]string{"voip_ban", "voip_ban6"}, DropAt: at}
}

// full returns settings with all base rules.
func full() ruleset.Settings {
	s := dropOnly(ruleset.AtInput)
	s.Base = &ruleset.Base{
		SIPPublic: true,
		SIP:       ruleset.Ports{{First: 5060, Last: 5061}},
		RTP:       iptables.PortRange{First: 10000, Last: 20000},
		Services:  services,
	}
	for _, f := range iptables.Families {
		s.Base.LocalNetworks = append(s.Base.LocalNetworks, lan[f])
		s.Base.Trunks = append(s.Base.Trunks, netip.PrefixFrom(trunk[f].Addr(), trunk[f].Addr().BitLen()))
	}
	return s
}

// apply makes the kernel hold what the settings say.
func (l *lab) apply(s ruleset.Settings) {
	l.t.Helper()
	l.applyTables(s.Wanted())
}

func (l *lab) applyTables(want ruleset.Wanted) {
	l.t.Helper()
	ctx := l.t.Context()
	saved, err := l.fw.Read(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.fw.Apply(ctx, want, saved, nil); err != nil {
		l.t.Fatal(err)
	}
}

// run runs a tool on the PBX host and returns its output.
func (l *lab) run(stdin, tool string, args ...string) string {
	l.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(l.t.Context()), tool, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %q: %v: %s", tool, args, err, out)
	}
	return string(out)
}

// iptables runs iptables of this backend and family.
func (l *lab) iptables(args ...string) {
	l.t.Helper()
	l.run("", l.tool()+"-"+string(l.fw.Backend), append([]string{"-w", "30"}, args...)...)
}

func (l *lab) tool() string { return [...]string{"iptables", "ip6tables"}[l.family] }

// addr returns a host's first address.
func (l *lab) addr(h *testns.Host) netip.Addr { return h.Addr(l.family == iptables.IPv6) }

// pbx returns the address of the PBX host.
func (l *lab) pbx() netip.Addr { return pbx[l.family] }

// blockSet and banSet are the names of this family's sets.
func (l *lab) blockSet() string { return [...]string{"voip_bl", "voip_bl6"}[l.family] }
func (l *lab) banSet() string   { return ruleset.BanSetName(l.family) }

// block puts an address or a network on the blocklist; unblock removes it.
func (l *lab) block(what fmt.Stringer) {
	l.t.Helper()
	l.run("", "ipset", "add", l.blockSet(), what.String())
}

func (l *lab) unblock(what fmt.Stringer) {
	l.t.Helper()
	l.run("", "ipset", "del", l.blockSet(), what.String())
}

// ban does what fail2ban does.
func (l *lab) ban(a netip.Addr) {
	l.t.Helper()
	l.run("", "ipset", "add", l.banSet(), a.String(), "timeout", "600")
}

// knownBy returns how many packets a set has counted for its members.
func (l *lab) knownBy(set string) int {
	l.t.Helper()
	sum, members := 0, 0
	for line := range strings.Lines(l.run("", "ipset", "save", set)) {
		words := strings.Fields(line)
		for i, w := range words[:max(0, len(words)-1)] {
			if words[0] == "add" && w == "packets" {
				sum += l.number(words[i+1])
				members++
			}
		}
	}
	if members == 0 {
		l.t.Fatalf("set %s has no member that counts", set)
	}
	return sum
}

// counted returns how many packets reached voipbl's rules with that purpose.
func (l *lab) counted(purpose string) int {
	l.t.Helper()
	return l.countedBy(func(rule string) bool { return iptables.Purpose(rule) == purpose })
}

// countedBy returns how many packets reached the rules for which which is true.
func (l *lab) countedBy(which func(rule string) bool) int {
	l.t.Helper()
	sum, rules := 0, 0
	for line := range strings.Lines(l.run("", fmt.Sprintf("%s-%s-save", l.tool(), l.fw.Backend), "--counters")) {
		counters, rule, found := strings.Cut(strings.TrimSpace(line), "] -A ")
		if !found || !which(rule) {
			continue
		}
		packets, _, _ := strings.Cut(strings.TrimPrefix(counters, "["), ":")
		sum += l.number(packets)
		rules++
	}
	if rules == 0 {
		l.t.Fatal("there is no such rule")
	}
	return sum
}

func (l *lab) number(s string) int {
	l.t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// caller is a host with the address that it sends from.
type caller struct {
	host *testns.Host
	addr netip.Addr
}

// fresh returns a host with an address that the PBX host has never seen, since limits count by address.
func (l *lab) fresh(h *testns.Host) caller {
	l.t.Helper()
	return caller{h, h.Fresh(l.family == iptables.IPv6)}
}
