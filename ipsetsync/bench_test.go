package ipsetsync

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
)

// BenchmarkLoad fills an empty kernel with 71,642 entries. The metric x-kernel-cpu is
// the elapsed time divided by the kernel's own processor time, which no code can beat;
// the goal is 1.25.
func BenchmarkLoad(b *testing.B) {
	k := openKernel(b)
	desired := randomSet(cidr.IPv4, 71_642)
	var elapsed, kernel time.Duration
	for b.Loop() {
		p, err := plan(k, "voip_bl", cidr.IPv4, desired)
		if err != nil {
			b.Fatal(err)
		}
		before, start := kernelTime(b), time.Now()
		if _, err := k.Execute(p); err != nil {
			b.Fatal(err)
		}
		elapsed, kernel = elapsed+time.Since(start), kernel+kernelTime(b)-before
		if err := k.Destroy("voip_bl"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(elapsed.Seconds()/kernel.Seconds(), "x-kernel-cpu")
}

// BenchmarkDump reads 71,642 entries.
func BenchmarkDump(b *testing.B) {
	k := openKernel(b)
	apply(b, k, "voip_bl", cidr.IPv4, randomSet(cidr.IPv4, 71_642))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Dump("voip_bl"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncode makes the messages that add 71,642 entries.
func BenchmarkEncode(b *testing.B) {
	for _, f := range cidr.Families {
		b.Run(f.String(), func(b *testing.B) {
			set := randomSet(f, 71_642)
			b.ReportAllocs()
			for b.Loop() {
				for r := range (batch{name: "voip_bl", entries: set.All()}).requests() {
					_ = r
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(set.Len()), "ns/entry")
		})
	}
}

// BenchmarkDecode reads a listing of 71,642 entries.
func BenchmarkDecode(b *testing.B) {
	for _, f := range cidr.Families {
		b.Run(f.String(), func(b *testing.B) {
			set := randomSet(f, 71_642)
			msgs := listingOf(f, set)
			b.ReportAllocs()
			for b.Loop() {
				if got := len(decodeAll(b, msgs).Prefixes); got != set.Len() {
					b.Fatalf("%d entries", got)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(set.Len()), "ns/entry")
		})
	}
}

// BenchmarkPlan compares 71,642 entries with what the kernel has: the same, and a list of which one
// entry in a hundred is another.
func BenchmarkPlan(b *testing.B) {
	set := randomSet(cidr.IPv4, 71_642)
	other := slices.Collect(set.All())
	for i := 0; i < len(other); i += 100 {
		other[i] = cidr.MustParsePrefix("9.9.9.9")
	}
	for _, kernel := range []struct {
		name    string
		entries []cidr.Prefix
	}{{"unchanged", slices.Collect(set.All())}, {"changed", other}} {
		b.Run(kernel.name, func(b *testing.B) {
			shape := cidr.ShapeOf(set, 0)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer() // a plan sorts what it gets
				live := liveOf()
				live.Prefixes = slices.Clone(kernel.entries)
				b.StartTimer()
				p, err := NewPlan("voip_bl", cidr.IPv4, shape, live)
				if err != nil || p.Unchanged() != (kernel.name == "unchanged") {
					b.Fatal(p, err)
				}
			}
		})
	}
}

// kernelTime returns the processor time that the kernel has used for this thread.
func kernelTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Stime.Nano())
}
