package bans

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/banlist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/ipsetsync"
)

// BenchmarkBanInAgent measures what a running agent does for one ban: what is exempt,
// the kernel's entry, the line on disk. It is measured with an empty set of lists and
// with one of a million entries, and with no bans and a full list of them.
func BenchmarkBanInAgent(b *testing.B) {
	for _, entries := range []int{0, 1_000_000} {
		for _, bans := range []int{0, banlist.Most} {
			b.Run(fmt.Sprintf("%d entries/%d bans", entries, bans), func(b *testing.B) { benchBan(b, entries, bans) })
		}
	}
}

func benchBan(b *testing.B, entries, bans int) {
	testns.Enter(b)
	cfg := testvalue.Defaults(b)
	kernel, err := ipsetsync.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer kernel.Close()
	var listed cidr.Builder
	for i := range entries {
		listed.Add(cidr.FromNetip(netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>23), byte(i >> 15), byte(i >> 7), byte(i<<1 | 1)}), 32)))
	}
	plan, err := ipsetsync.NewPlan(cfg.Set, cidr.IPv4, cidr.ShapeOf(listed.Sets()[cidr.IPv4], 0), nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := kernel.Execute(plan); err != nil {
		b.Fatal(err)
	}
	plan, listed = nil, cidr.Builder{} // an agent does not have them in memory either
	runtime.GC()
	book := &Book{Cfg: cfg}
	s := NewServer(func() config.Config { return cfg }, book)
	defer s.disconnect()
	ask := func(n, from int, last time.Duration) []banAsk {
		var r banRequest
		for i := range n {
			addr := netip.AddrFrom4([4]byte{99, byte((from + i) >> 16), byte((from + i) >> 8), byte(from + i)})
			r.Add = append(r.Add, banWish{Prefix: netip.PrefixFrom(addr, 32), Reason: "fail2ban voipbl-asterisk", For: last})
		}
		return []banAsk{{request: r}}
	}
	if _, err := s.answers(b.Context(), ask(bans, 0, time.Hour)); err != nil {
		b.Fatal(err)
	}
	next, before := bans, cpuTime(b)
	for b.Loop() {
		answers, err := s.answers(b.Context(), ask(1, next, 2*time.Hour))
		if err != nil || answers[0].Kernel != nil || answers[0].Unkept != nil {
			b.Fatalf("%v: %+v", err, answers)
		}
		next++
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "ms-cpu")
	b.ReportMetric(5, "ms-cpu-to-hold")
}

// cpuTime is the CPU time that this process has used, without what it waits for, such as the
// disk and other processes.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
