package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/fleetsim"
	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testnats"
)

// These benchmarks make the figures of docs/benchmarks.md about a fleet's hosts.

// BenchmarkFleetBan measures how long it takes from the start of "voipbl ban" on one host until the address is in the
// kernels of two others, where a list of 100,000 lines is in force. They are apart by more than a host waits
// to tell several bans together.
func BenchmarkFleetBan(b *testing.B) {
	const lines, apart = 100_000, time.Second
	var list bytes.Buffer
	if _, err := genfeed.Write(&list, genfeed.Default(lines)); err != nil {
		b.Fatal(err)
	}
	f := newFleet(b)
	var hosts []*fleetMember
	for _, name := range []string{"acme_pbx1", "zeta_pbx1", "beta_pbx1"} {
		m := f.join(name, "agree: 1\n", "")
		writeFile(b, filepath.Join(m.dir, "list"), list.String())
		hosts = append(hosts, m)
	}
	for _, m := range hosts {
		m.until("the list is in force", func() bool { return m.entries("voip_bl") > lines/2 })
		m.until("it is connected", m.connected)
	}
	kernels := []*netlink.Handle{hosts[1].kernel(), hosts[2].kernel()}
	var all []time.Duration
	for n := 0; b.Loop(); n++ {
		<-time.After(apart)
		addr := netip.AddrFrom4([4]byte{6, 6, byte(n >> 8), byte(n)})
		begin := time.Now()
		done := make(chan error, len(kernels))
		for _, k := range kernels {
			go func() { done <- awaitBan(k, addr) }()
		}
		hosts[0].does("ban", addr.String())
		for range kernels {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	b.ReportMetric(all[len(all)/2].Seconds(), "s-p50")
	b.ReportMetric(all[len(all)-1].Seconds(), "s-max")
	b.ReportMetric(0, "ns/op")
}

// kernel asks the kernel of a host, from any goroutine.
func (m *fleetMember) kernel() (h *netlink.Handle) {
	m.t.Helper()
	m.at.Do(func() {
		var err error
		if h, err = netlink.NewHandle(unix.NETLINK_NETFILTER); err != nil {
			m.t.Fatal(err)
		}
	})
	m.t.Cleanup(h.Close)
	return h
}

// awaitBan waits until the kernel has a ban.
func awaitBan(kernel *netlink.Handle, a netip.Addr) error {
	for end := time.Now().Add(fleetWait); time.Now().Before(end); <-time.After(time.Millisecond) {
		if is, err := kernel.IpsetTest("voip_ban", &netlink.IPSetEntry{IP: net.IP(a.AsSlice()), CIDR: 32}); is || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s is not banned", a)
}

// entries is how many a set has in the kernel.
func (m *fleetMember) entries(set string) (n int) {
	m.t.Helper()
	m.at.Do(func() {
		header, err := exec.Command("ipset", "list", "-t", set).Output() // fails before there is one
		_, number, _ := strings.Cut(string(header), "Number of entries: ")
		if _, scanned := fmt.Sscan(number, &n); err != nil || scanned != nil {
			n = 0
		}
	})
	return n
}

// BenchmarkFleetNewcomer measures how long a host of which the process starts needs to read 100,000 bans of 200
// hosts, and until the 20,000 that count are in its kernel; and what memory that takes. It is for -benchtime 1x: another run finds the bans in the kernel.
func BenchmarkFleetNewcomer(b *testing.B) {
	const settled = 5 * time.Second // for the agent to give back what the changes have taken
	f := newFleet(b)
	m := f.join("acme_pbx1", "agree: 1\n", "")
	m.until("it is connected", m.connected)
	processBefore, _ := testnats.MemoryOf(b, m.process.cmd.Process.Pid)
	m.process.end(syscall.SIGTERM)
	before, _ := testnats.MemoryOf(b, m.cmd.Process.Pid)
	ownBefore := testnats.OwnMemoryOf(b, m.cmd.Process.Pid)
	fleetsim.Fill(b, f.hub, 200, 500, 24*time.Hour)
	for b.Loop() {
		begin := time.Now()
		m.startProcess()
		for !strings.Contains(m.process.logged(), "all is read that the hub has") {
			<-time.After(time.Millisecond)
		}
		b.ReportMetric(time.Since(begin).Seconds(), "s-read")
		m.until("all that count are in the kernel", func() bool { return m.entries("voip_ban") >= 20_000 })
		b.ReportMetric(time.Since(begin).Seconds(), "s-kernel")
		<-time.After(settled)
		now, most := testnats.MemoryOf(b, m.process.cmd.Process.Pid)
		b.ReportMetric(testnats.OwnMemoryOf(b, m.process.cmd.Process.Pid), "MB-process-own")
		b.ReportMetric(testnats.OwnMemoryOf(b, m.cmd.Process.Pid), "MB-agent-own")
		b.ReportMetric(ownBefore, "MB-agent-own-before")
		b.ReportMetric(now, "MB-process")
		b.ReportMetric(most, "MB-process-most")
		now, most = testnats.MemoryOf(b, m.cmd.Process.Pid)
		b.ReportMetric(now, "MB-agent")
		b.ReportMetric(most, "MB-agent-most")
		b.ReportMetric(before, "MB-agent-before")
		b.ReportMetric(processBefore, "MB-process-before")
		b.ReportMetric(0, "ns/op")
		m.process.end(syscall.SIGTERM)
	}
}
