package deb_test

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testroot"
)

// fleet is a hub and three hosts of as many sites, each booted, and each with a wire of its own to a router
// that has no way out.
type fleet struct {
	t      *testing.T
	router *testroot.Thread // is in a network namespace of its own
	hub    *fleetHost
	acme   *fleetHost
	beta   *fleetHost
	zeta   *fleetHost
}

// fleetHost is one of them.
type fleetHost struct {
	*pbx
	fleet *fleet
	name  string // in the fleet
	wire  string // its name at the router
	net   int    // the third byte of its addresses
}

// addr is the address of the host, in a network of its own with the router.
func (m *fleetHost) addr() string { return fmt.Sprintf("45.10.%d.1", m.net) }

// passerby has an address at the router, from which it reaches all hosts.
const passerby = "45.99.0.9"

// bootFleet boots the hosts, side by side, and wires them up. The package is not installed yet.
func bootFleet(t *testing.T) *fleet {
	f := &fleet{t: t, router: testroot.NewThread()}
	t.Cleanup(f.router.End)
	f.hub = &fleetHost{fleet: f, name: "hub", wire: "hub", net: 1}
	f.acme = &fleetHost{fleet: f, name: "acme_pbx1", wire: "acme", net: 2}
	f.beta = &fleetHost{fleet: f, name: "beta_pbx1", wire: "beta", net: 3}
	f.zeta = &fleetHost{fleet: f, name: "zeta_pbx1", wire: "zeta", net: 4}
	if err := f.router.Do(testns.Unshare); err != nil {
		t.Fatal("a network namespace for the router: ", err)
	}
	f.route("echo 1 >/proc/sys/net/ipv4/ip_forward; ip addr add " + passerby + "/32 dev lo")
	packages(t) // once, before all of them ask
	f.each(func(m *fleetHost) {
		var more []string
		if m == f.hub {
			more = []string{"nats-server"}
		}
		m.pbx = boot(t, more...)
		m.copyDebs()
		m.plug()
	}, f.all()...)
	return f
}

func (f *fleet) all() []*fleetHost { return append(f.hosts(), f.hub) }

// hosts are all but the hub.
func (f *fleet) hosts() []*fleetHost { return []*fleetHost{f.acme, f.beta, f.zeta} }

// row is a part of the story, which ends with the first part that fails.
func (f *fleet) row(name string, do func(f *fleet)) {
	f.t.Helper()
	if f.t.Failed() {
		return
	}
	f.t.Run(name, func(t *testing.T) {
		row := *f
		row.t = t
		for _, m := range []**fleetHost{&row.hub, &row.acme, &row.beta, &row.zeta} {
			of := **m
			of.pbx, of.fleet = of.as(t), &row
			*m = &of
		}
		do(&row)
	})
}

// each does something on hosts side by side, and ends the test if one of them has failed.
func (f *fleet) each(do func(*fleetHost), hosts ...*fleetHost) {
	f.t.Helper()
	var all sync.WaitGroup
	for _, m := range hosts {
		all.Go(func() { do(m) })
	}
	all.Wait()
	if f.t.Failed() {
		f.t.FailNow()
	}
}

// route runs a shell script at the router.
func (f *fleet) route(script string) {
	f.t.Helper()
	err := f.router.Do(func() error {
		if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		f.t.Fatalf("at the router: %s: %v", script, err)
	}
}

// plug makes the host's wire, as after each boot.
func (m *fleetHost) plug() {
	m.t.Helper()
	gateway := fmt.Sprintf("45.10.%d.254", m.net)
	// The end of the former boot's wire may be there for a moment yet.
	m.fleet.route(fmt.Sprintf(`! ip link show %[1]s >/dev/null 2>&1 || ip link del %[1]s
ip link add %[1]s type veth peer name wan netns %[2]s
ip addr add %[3]s/24 dev %[1]s
ip link set %[1]s up`, m.wire, m.Network(), gateway))
	m.sh(fmt.Sprintf("set -e; ip link set lo up; ip addr add %s/24 dev wan; ip link set wan up; ip route add default via %s", m.addr(), gateway))
}

// Which packets of a host the router drops.
const (
	allPackets = "to from"
	packetsTo  = "to"
	packetsOf  = "from"
)

// cut has the router drop packets to the host, of the host, or both, until heal.
func (m *fleetHost) cut(which string) {
	m.t.Helper()
	rules := ""
	if strings.Contains(which, packetsTo) {
		rules += fmt.Sprintf("oifname %q drop; ", m.wire)
	}
	if strings.Contains(which, packetsOf) {
		rules += fmt.Sprintf("iifname %q drop; ", m.wire)
	}
	m.fleet.route(fmt.Sprintf("nft 'table ip cut_%s { chain forward { type filter hook forward priority 0; %s}; }'", m.wire, rules))
}

func (m *fleetHost) heal() {
	m.t.Helper()
	m.fleet.route("nft delete table ip cut_" + m.wire)
}

// lets reports whether the host lets packets of an address at the router in.
func (m *fleetHost) lets(from string) bool {
	m.t.Helper()
	const nobodyListens = "9"
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)), Timeout: time.Second}
	err := m.fleet.router.Do(func() error {
		c, err := d.Dial("tcp", net.JoinHostPort(m.addr(), nobodyListens))
		if err == nil {
			c.Close()
		}
		return err
	})
	return err != nil && strings.Contains(err.Error(), "refused")
}

// voipbl runs a command of the program, which must end with that exit code, and returns what it says.
func (m *fleetHost) voipbl(code int, args ...string) string {
	m.t.Helper()
	out, got := m.Run(append([]string{"voipbl"}, args...)...)
	if got != code {
		m.t.Fatalf("%s: voipbl %s: exit code %d, not %d\n%s\n%s", m.name, strings.Join(args, " "), got, code, out, m.logged())
	}
	return out
}

// logged is what the parts of the fleet on this host have said last.
func (m *fleetHost) logged() string {
	out, _ := m.Run("sh", "-c", "systemctl --no-pager --lines=0 status nats-server voipbl-hub voipbl-fleet voipbl; journalctl --no-pager --lines=60 -u nats-server -u voipbl-hub -u voipbl-fleet -u voipbl")
	return out
}

// until waits for something.
func (m *fleetHost) until(what string, holds func() bool) {
	m.t.Helper()
	if !testpoll.Until(patience, holds) {
		m.t.Fatalf("%s: never: %s\n%s", m.name, what, m.logged())
	}
}

// has reports whether all addresses are banned in the kernel.
func (m *fleetHost) has(addrs ...string) bool {
	m.t.Helper()
	return !slices.ContainsFunc(addrs, func(a string) bool {
		set := "voip_ban"
		if strings.Contains(a, ":") {
			set = "voip_ban6"
		}
		return !m.succeeds("ipset", "-q", "test", set, a)
	})
}

// gets waits until all addresses are banned in the kernel.
func (m *fleetHost) gets(addrs ...string) {
	m.t.Helper()
	for _, a := range addrs {
		m.until("it bans "+a, func() bool { return m.has(a) })
	}
}

// loses waits until none of the addresses is banned in the kernel.
func (m *fleetHost) loses(addrs ...string) {
	m.t.Helper()
	for _, a := range addrs {
		m.until("it bans "+a+" no more", func() bool { return !m.has(a) })
	}
}

// bans are the members of the kernel's sets of bans.
func (m *fleetHost) bans() []string {
	m.t.Helper()
	var bans []string
	for line := range strings.Lines(m.sh("ipset save voip_ban; ipset save voip_ban6")) {
		if words := strings.Fields(line); len(words) >= 3 && words[0] == "add" {
			bans = append(bans, words[2])
		}
	}
	slices.Sort(bans)
	return bans
}

// even waits until hosts have the same bans.
func (f *fleet) even(hosts ...*fleetHost) {
	f.t.Helper()
	began := time.Now()
	for _, m := range hosts[1:] {
		m.until("it has the bans of "+hosts[0].name, func() bool { return slices.Equal(m.bans(), hosts[0].bans()) })
	}
	f.t.Logf("even after %v", time.Since(began).Round(10*time.Millisecond))
}

// connected waits until the host is connected with the hub, and nothing is wrong with its part in the fleet.
func (m *fleetHost) connected() {
	m.t.Helper()
	m.until("it is connected with the hub", func() bool { return m.succeeds("voipbl", "fleet", "status") })
}

// away waits until the host has noticed that it is not connected with the hub.
func (m *fleetHost) away() {
	m.t.Helper()
	m.until("it knows that it is not connected", func() bool {
		out, _ := m.Run("voipbl", "fleet", "status")
		return strings.Contains(out, "no: ")
	})
}

// told has one host ban an address, and waits until others do.
func (m *fleetHost) told(addr string, others ...*fleetHost) {
	m.t.Helper()
	m.until("it can ban", func() bool { return m.succeeds("voipbl", "ban", addr) })
	began := time.Now()
	for _, o := range others {
		o.gets(addr)
	}
	m.t.Logf("%s bans, and others do after %v", m.name, time.Since(began).Round(10*time.Millisecond))
}

// bothWays has acme and beta tell each other of bans: addresses of network n.
func (f *fleet) bothWays(n int) {
	f.t.Helper()
	f.acme.told(fmt.Sprintf("9.8.%d.1", n), f.beta)
	f.beta.told(fmt.Sprintf("9.8.%d.2", n), f.acme)
}

// policy changes lines of the configuration below "fleet", and has the agent take them over.
func (m *fleetHost) policy(trust string) {
	m.t.Helper()
	m.sh(fmt.Sprintf("sed -i 's/^  trust: .*/  trust: [%s]/' /etc/voipbl/voipbl.yaml && voipbl reload", trust))
}
