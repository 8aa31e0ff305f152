package fleetsim

import (
	"context"
	"log/slog"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/testfleet"
	"github.com/voipbl/voipbl/internal/testnats"
)

// These benchmarks make the figures of docs/benchmarks.md about the fleet: each is one run, -benchtime 1x.

// speakers is how many hosts of a fleet ban something while that is measured.
const speakers = 40

// report says how long it took until others have heard, and what the hub needs.
func report(b *testing.B, f *Fleet, h *testfleet.Hub) {
	b.Helper()
	l := f.Latencies()
	milliseconds(b, l.Within(0.5), "ms-p50")
	milliseconds(b, l.Within(0.99), "ms-p99")
	milliseconds(b, l.Within(1), "ms-max")
	now, most := h.Memory()
	b.ReportMetric(now, "MB-hub")
	b.ReportMetric(most, "MB-hub-most")
	b.ReportMetric(0, "ns/op") // says nothing
}

func milliseconds(b *testing.B, d time.Duration, unit string) {
	b.Helper()
	b.ReportMetric(float64(d)/float64(time.Millisecond), unit)
}

// BenchmarkHosts measures a hub with many hosts: how soon all hear of a ban, and of the next one after the hub
// was killed, and came back with its store or without.
func BenchmarkHosts(b *testing.B) {
	for _, fleet := range []struct {
		name  string
		hosts int
		pause time.Duration // between two bans
	}{{"1000", 1000, 50 * time.Millisecond}, {"5000", 5000, 500 * time.Millisecond}} {
		b.Run(fleet.name, func(b *testing.B) {
			for b.Loop() {
				h, f := join(b, fleet.hosts)
				share := fleet.hosts / speakers
				f.SayAtOnce(share)
				f.AwaitAll()
				const bans = 200
				hub, hosts := h.CPU(), ownCPU(b)
				f.Pace(bans, share, fleet.pause)
				f.AwaitAll()
				perDelivery(b, h.CPU()-hub, bans*fleet.hosts, "µs-hub")
				perDelivery(b, ownCPU(b)-hosts, bans*fleet.hosts, "µs-hosts")
				report(b, f, h)
				f.Pace(slowBans, share, slowPause)
				f.AwaitAll()
				l := f.Latencies()
				milliseconds(b, l.Within(0.5), "ms-slow-p50")
				milliseconds(b, l.Within(0.99), "ms-slow-p99")
				for unit, away := range map[string]func(){"s-killed": h.Kill, "s-lost": h.Lose} {
					away()
					f.Say(1)
					h.Run()
					back := time.Now()
					f.AwaitAll()
					b.ReportMetric(time.Since(back).Seconds(), unit)
				}
				f.Leave()
			}
		})
	}
}

// The pace of bans of most fleets: a ban a second, each of which a thousand hosts have to read.
const (
	slowBans  = 30
	slowPause = time.Second
)

// perDelivery reports the processor time for each message to each host.
func perDelivery(b *testing.B, cpu time.Duration, deliveries int, unit string) {
	b.Helper()
	b.ReportMetric(float64(cpu)/float64(time.Microsecond)/float64(deliveries), unit)
}

// ownCPU is the processor time that this process has taken: all hosts together.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkRelays measures ten thousand hosts behind two relays: how soon all hear of a ban, and what the hub
// and a relay need.
func BenchmarkRelays(b *testing.B) {
	const hosts = 10_000
	for b.Loop() {
		h := testfleet.StartForRelays(b, testnats.Installed(b), loopback)
		if err := raiseFiles(hosts + spare); err != nil { // of the relays, too
			b.Fatal(err)
		}
		one, other := h.RelayForAll("one"), h.RelayForAll("other")
		f := Join(b, Members(h, hosts, one.URL(), other.URL()))
		f.SayAtOnce(hosts / speakers)
		f.AwaitAll()
		f.Pace(60, hosts/speakers, time.Second)
		f.AwaitAll()
		report(b, f, h)
		_, most := one.Memory()
		b.ReportMetric(most, "MB-relay-most")
		f.Leave()
	}
}

// partition is how long all hosts are cut off.
const partition = time.Minute

// BenchmarkPartition measures after how long all hosts are even again after they were cut off for a minute, in
// which all that are asked have banned something. It cuts off the network in which it runs.
func BenchmarkPartition(b *testing.B) {
	if !ownNetwork(b) {
		b.Fatal("it needs a network of its own: make bench ONLY=fleet, or unshare --net")
	}
	for b.Loop() {
		h, f := join(b, 1000)
		f.SayAtOnce(len(f.hosts) / speakers)
		f.AwaitAll()
		nft(b, "add table inet cut; add chain inet cut out { type filter hook output priority 0; }; add rule inet cut out tcp dport "+port(h)+" drop; add rule inet cut out tcp sport "+port(h)+" drop")
		end := time.After(partition)
		f.SayAtOnce(len(f.hosts) / speakers)
		<-end
		nft(b, "delete table inet cut")
		healed := time.Now()
		f.AwaitAll()
		b.ReportMetric(time.Since(healed).Seconds(), "s-even")
		b.ReportMetric(0, "ns/op")
		f.Leave()
	}
}

func port(h *testfleet.Hub) string { return h.URL()[strings.LastIndexByte(h.URL(), ':')+1:] }

// ownNetwork reports whether this process is in a network without any way out.
func ownNetwork(b *testing.B) bool {
	b.Helper()
	all, err := net.Interfaces()
	if err != nil {
		b.Fatal(err)
	}
	return !slices.ContainsFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 })
}

func nft(b *testing.B, text string) {
	b.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("nft: %v: %s", err, out)
	}
}

// BenchmarkNewcomer measures how long a new host needs to read 100,000 bans of 200 hosts, and to find out which of
// them count, and how much memory that takes.
func BenchmarkNewcomer(b *testing.B) {
	h := testfleet.Start(b, loopback)
	Fill(b, h, 200, 500, 24*time.Hour)
	member := Members(h, 1)[0]
	var took time.Duration
	var memory float64
	n := 0
	for b.Loop() {
		n++
		before := heap()
		begin := time.Now()
		conn, end := connect(b, member)
		heard := fleet.NewHeard()
		for synced := false; !synced; {
			switch e := (<-conn.Events()).(type) {
			case hub.Slot:
				heard.TakeMessage(e.Name, e.Slot, e.Message, e.At)
			case hub.Synced:
				synced = true
			}
		}
		believed := heard.Believed(fleet.Policy{Self: "site0_pbx0", Agree: 1, Longest: 24 * time.Hour, PerHost: 500, Most: 20_000}, conn.Now())
		took += time.Since(begin)
		memory = max(memory, heap()-before)
		end()
		if got := heard.Bans(""); got != 100_000 || len(believed) != 20_000 {
			b.Fatalf("%d bans are heard, %d count", got, len(believed))
		}
	}
	b.ReportMetric(took.Seconds()/float64(n), "s-read")
	b.ReportMetric(memory, "MB-heap")
	b.ReportMetric(0, "ns/op")
}

// connect connects one host.
func connect(b *testing.B, m Member) (conn *hub.Conn, end func()) {
	b.Helper()
	conn, err := hub.New(hub.Options{URLs: []string{m.URL}, Creds: m.Creds, Instance: "boot 1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = conn.Run(ctx) // it ends with ctx
	}()
	return conn, func() {
		cancel()
		<-ended
	}
}

// heap is what is in use, in MB.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}
