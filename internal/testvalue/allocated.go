package testvalue

import "runtime"

// Allocated returns how many bytes a function allocates, on average of some runs. It is
// testing.AllocsPerRun for bytes.
func Allocated(runs int, f func()) int {
	f() // what is allocated only once
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc-before.TotalAlloc) / runs
}
