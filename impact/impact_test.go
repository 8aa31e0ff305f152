package impact

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
)

// prefixes returns the set of some prefixes.
func prefixes(text string) cidr.Sets {
	var all []cidr.Prefix
	for _, p := range strings.Fields(strings.TrimPrefix(text, "none")) {
		all = append(all, cidr.MustParsePrefix(p))
	}
	return cidr.SetOf(all...)
}

// planned returns the plans from sets that hold before to sets that hold after.
func planned(t *testing.T, before, after string) (plans []*ipsetsync.Plan, lives [2]*ipsetsync.Live) {
	t.Helper()
	from, to := prefixes(before), prefixes(after)
	for _, f := range cidr.Families {
		if before != "none" {
			lives[f] = &ipsetsync.Live{Header: ipsetsync.Header{Name: "x", Type: ipsetsync.TypeHashNet, Family: f, Counters: true, Maxelem: 1 << 20}}
			for p := range from[f].All() {
				lives[f].Prefixes = append(lives[f].Prefixes, p)
			}
			lives[f].Elements = uint32(len(lives[f].Prefixes))
		}
		p, err := ipsetsync.NewPlan("x", f, ipsetsync.ShapeOf(to[f], 0), lives[f])
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, p)
	}
	return plans, lives
}

func words(r *Report) string {
	if r == nil {
		return "nil"
	}
	var all []string
	for _, c := range r.Addresses {
		all = append(all, c.Words())
	}
	if more := r.MoreWords(maxAddresses); more != "" {
		all = append(all, more)
	}
	return strings.Join(all, "; ")
}

// TestOf: those are cut off who were not blocked before, are now, and talk with this host.
func TestOf(t *testing.T) {
	hosts, peers := testvalue.Addrs("203.0.113.1", "2001:db8:1::1"), testvalue.Addrs("45.0.0.1", "2a0a:1::1")
	pair := testns.EnterPair(t, hosts, peers)
	cfg, off := testvalue.Config(t, ""), testvalue.Config(t, "firewall: {ipv6: off}")
	bans := func() cidr.Sets { return cidr.Sets{} }
	cut := func(c *Change) *Report { return c.Decide(config.ImpactReport, InForce{}, nil, deadline.Clock{}).Cut }
	of := func(cfg config.Config, before, after string) *Report {
		t.Helper()
		plans, lives := planned(t, before, after)
		c, err := Of(cfg, plans, lives, nil, bans)
		if err != nil {
			t.Fatal(err)
		}
		return cut(c)
	}
	if r := of(cfg, "", "45.0.0.0/24"); words(r) != "" || !r.Untracked {
		t.Errorf("where nothing is tracked: %+v", r)
	}
	for f, host := range hosts { // real connections
		defer connected(t, pair, netip.AddrPortFrom(host, 443), peers[f]).Close()
	}
	for _, from := range []string{"45.0.1.1", "45.0.2.1", "45.0.3.1"} {
		if err := testns.Track(false, netip.AddrPortFrom(netip.MustParseAddr(from), 4000), netip.AddrPortFrom(hosts[0], 12000)); err != nil {
			t.Fatal(err)
		}
	}
	const connection, connection6 = "45.0.0.1 (connection tcp 443 with 40000)", "2a0a:1::1 (connection tcp 443 with 40000)"
	for _, c := range []struct {
		cfg                 config.Config
		before, after, want string
	}{
		{cfg, "", "", "nil"},
		{cfg, "none", "", "nil"},
		{cfg, "45.0.0.0/16", "45.0.0.0/24", "nil"}, // less than before
		{cfg, "", "46.0.0.0/8", ""},
		{cfg, "", "45.0.0.0/24", connection},
		{cfg, "none", "45.0.0.1 2a0a:1::/32", connection + "; " + connection6},
		{off, "none", "45.0.0.1 2a0a:1::/32", connection},
		{cfg, "45.0.0.0/25 2a0a::/16", "45.0.0.0/24 2a0a::/15", ""},
		{cfg, "45.0.1.0/24 45.0.3.1", "45.0.0.0/16", "45.0.2.1 (call udp 12000); " + connection},
		{cfg, "45.0.0.0 45.0.2.1", "45.0.0.0/31 45.0.2.1 45.0.4.0/22", connection},
	} {
		if got := words(of(c.cfg, c.before, c.after)); got != c.want {
			t.Errorf("from %q to %q: %s, not %s", c.before, c.after, got, c.want)
		}
	}
	// Nothing is planned for IPv6.
	plans, lives := planned(t, "none", "45.0.0.1 2a0a:1::/32")
	if c, err := Of(cfg, plans[:1], lives, nil, bans); err != nil || words(cut(c)) != connection {
		t.Errorf("IPv4 alone: %s, %v", words(cut(c)), err)
	}
	// A set of somebody else blocked nobody.
	plans, lives = planned(t, "", "45.0.0.1")
	lives[0].Type, lives[0].Prefixes = "hash:ip", []cidr.Prefix{cidr.MustParsePrefix("45.0.0.1")}
	if c, err := Of(cfg, plans, lives, Begin(cfg), bans); err != nil || words(cut(c)) != connection {
		t.Errorf("a set of somebody else: %s, %v", words(cut(c)), err)
	}
	// Who is banned is cut off already.
	banned := func() cidr.Sets { return prefixes("45.0.0.0/30") }
	if c, err := Of(cfg, plans, lives, nil, banned); err != nil || words(cut(c)) != "" {
		t.Errorf("banned: %s, %v", words(cut(c)), err)
	}
	// Without the right to list flows, connections are known all the same.
	dropRights(t)
	plans, lives = planned(t, "", "45.0.0.0/24")
	if c, err := Of(cfg, plans, lives, nil, bans); err == nil || !strings.HasPrefix(err.Error(), "it is not known whose calls the lists cut off: list tracked flows: ") || words(cut(c)) != connection {
		t.Errorf("%s, %v", words(cut(c)), err)
	}
}

// connected returns this end of a connection that a peer has made.
func connected(t *testing.T, pair *testns.Pair, to netip.AddrPort, from netip.Addr) net.Conn {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pair.Outside(func() {
		conn, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 40000)), l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// dropRights takes all rights from this thread, which ends with the test.
func dropRights(t *testing.T) {
	t.Helper()
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		t.Fatal(err)
	}
}

// TestReport: who is shown, by which line, and how many more there are.
func TestReport(t *testing.T) {
	r := &Report{More: 3}
	for i := range 7 {
		r.Addresses = append(r.Addresses, CutOff{Address: netip.AddrFrom4([4]byte{45, 0, 0, byte(i)}), Flows: []flows.UsedFlow{{Use: flows.SIP, Proto: "udp", Port: 5060}}})
	}
	if got := r.MoreWords(5); got != "5 more" {
		t.Error(got)
	}
	if got := r.MoreWords(9); got != "3 more" {
		t.Error(got)
	}
	r.More, r.AtLeast = 0, true
	if got := r.MoreWords(9); got != "more" {
		t.Error(got)
	}
	d := Decision{Cut: r}
	if !d.Set().Contains(cidr.MustParsePrefix("45.0.0.6")) {
		t.Error(d.Set())
	}
	d.Found(cidr.MustParsePrefix("45.0.0.6"), Line{Feed: "a", Line: 1})
	d.Found(cidr.MustParsePrefix("45.0.0.4/30"), Line{Feed: "b", Line: 2})
	if got := r.Addresses[6].Words() + r.Addresses[5].Words() + r.Addresses[3].Words(); got != "45.0.0.6 (SIP udp 5060), by a line 145.0.0.5 (SIP udp 5060), by b line 245.0.0.3 (SIP udp 5060)" {
		t.Error(got)
	}
	plans, _ := planned(t, "", "45.0.0.0/31")
	if r.Done(plans); len(r.Addresses) != 2 || !r.Any() {
		t.Errorf("%+v", r)
	}
	if r.Done(nil); r.Any() {
		t.Errorf("%+v", r)
	}
	r = nil
	if r.Done(nil); r.Any() {
		t.Error("nil is somebody")
	}
}

// TestRemember: the last day, the latest first, each address once, and nobody who is blocked no more.
func TestRemember(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	past := func(addr string, age time.Duration) Past {
		return Past{CutOff{Address: netip.MustParseAddr(addr)}, now.Add(-age)}
	}
	before := []Past{past("45.0.0.1", time.Hour), past("45.0.0.2", 2*time.Hour), past("46.0.0.1", time.Hour), past("2a0a::1", time.Hour), past("45.0.0.3", 24*time.Hour)}
	plans, _ := planned(t, "", "45.0.0.0/24")
	r := &Report{Addresses: []CutOff{{Address: netip.MustParseAddr("45.0.0.9")}, {Address: netip.MustParseAddr("45.0.0.2")}}}
	list := func(all []Past) (text string) {
		for _, p := range all {
			text += fmt.Sprint(p.Address, " ", now.Sub(p.At), " ")
		}
		return text
	}
	for _, c := range []struct {
		r     *Report
		plans []*ipsetsync.Plan
		want  string
	}{
		{r, plans, "45.0.0.9 0s 45.0.0.2 0s 45.0.0.1 1h0m0s "},
		{nil, plans, "45.0.0.1 1h0m0s 45.0.0.2 2h0m0s "},
		{nil, plans[:1], "45.0.0.1 1h0m0s 45.0.0.2 2h0m0s 2a0a::1 1h0m0s "}, // IPv6 failed, and is as it was
	} {
		if got := list(Remember(before, c.r, now, c.plans)); got != c.want {
			t.Errorf("got %s, not %s", got, c.want)
		}
	}
	var many Report
	for i := range maxAddresses {
		many.Addresses = append(many.Addresses, CutOff{Address: netip.AddrFrom4([4]byte{45, 0, 0, byte(100 + i)})})
	}
	if got := Remember(before, &many, now, plans); len(got) != maxAddresses || got[0].At != now || got[maxAddresses-1].At != now {
		t.Errorf("%d: %s", len(got), list(got))
	}
}
