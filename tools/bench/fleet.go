package main

import "github.com/voipbl/voipbl/tools/bench/page"

// fleet runs the benchmarks of the fleet: a hub with thousands of hosts in one process, and real hosts
// around a hub. All are in the network of this program, which has a loopback device only.
func (b *bench) fleet(r *page.Results) error {
	type run struct{ where, which, times string }
	runs := []run{
		{"./internal/fleetsim", "^BenchmarkHosts$", "1x"}, // each has half an hour: see goBench
		{"./internal/fleetsim", "^Benchmark(Newcomer|Partition)$", "1x"},
		{"./internal/fleetsim", "^BenchmarkRelays$", "1x"},
		{"./cmd/voipbl", "^BenchmarkFleetNewcomer$", "1x"},
		{"./cmd/voipbl", "^BenchmarkFleetBan$", "50x"},
	}
	if b.quick {
		runs = []run{
			{"./internal/fleetsim", "^BenchmarkHosts$/^1000$", "1x"},
			{"./internal/fleetsim", "^BenchmarkNewcomer$", "1x"},
			{"./cmd/voipbl", "^BenchmarkFleetNewcomer$", "1x"},
			{"./cmd/voipbl", "^BenchmarkFleetBan$", "10x"},
		}
	}
	for _, run := range runs {
		steps, err := b.goBench(run.which, run.times, run.where)
		if err != nil {
			return err
		}
		r.Fleet = append(r.Fleet, steps...)
	}
	return nil
}
