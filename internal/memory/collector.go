package memory

import (
	"os"
	"runtime/debug"
	"sync/atomic"
)

const (
	// commandPercent is how much the heap of a command may grow before garbage is
	// collected, in percent. A sync of the published list, in one or in a few, allocates 5
	// to 8 MB, so that nothing is collected before it ends: that would take 1 MB for the
	// collector itself, and with Go's default of 100 up to 5 % of the processor time. A
	// larger list is a few large slices, and the peak is the same with any percentage.
	commandPercent = 300

	// agentLimit is the memory in bytes at which the agent's collector starts to work
	// harder. Nothing fails above it.
	agentLimit = 64 << 20

	// heapPerEntry is how much memory an entry takes while a new list replaces the old one,
	// in bytes: 24 in each list, and some room. agentBase is what else the agent takes.
	heapPerEntry = 64
	agentBase    = 24 << 20
)

// ForCommand sets the garbage collector for a command that ends soon. It has no memory
// limit: with one that is too low for a list, the collector runs all the time. See
// [ForFeeds].
func ForCommand() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(commandPercent)
	}
}

// A command that reads many lists collects garbage early, since each list leaves some 40 KB
// behind: by a lower percentage, and by counts of lists. A memory limit would not do: near it, and
// with short lists always, the collector runs for each of them.
const (
	manyFeeds   = 8
	manyPercent = 25

	// tidyEach is after how many lists that were read memory is given back to the kernel.
	tidyEach = 16
)

var (
	many atomic.Bool  // after ForFeeds in a command that reads many lists
	read atomic.Int32 // how many of them
)

// ForFeeds adapts the garbage collector of a command to the number of lists that it reads. What
// was needed to parse the configuration goes back to the kernel.
func ForFeeds(feeds int) {
	if !inAgent.Load() && feeds >= manyFeeds && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(manyPercent)
		many.Store(true)
		debug.FreeOSMemory()
	}
}

// ListRead says that a list was read.
func ListRead() {
	if many.Load() && read.Add(1)%tidyEach == 0 {
		debug.FreeOSMemory()
	}
}

// watcherPercent is how much the heap of what watches the PBX may grow: its tables are small, and a
// flood makes much garbage.
const watcherPercent = 12

// ForWatcher sets the garbage collector for what watches the PBX, which is to use little memory for
// a long time, also while it is flooded.
func ForWatcher() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(watcherPercent)
	}
}

// inAgent is true once ForAgent was called.
var inAgent atomic.Bool

// ForAgent sets the garbage collector for the agent, which is to use little memory for a
// long time.
func ForAgent() {
	inAgent.Store(true)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(100)
	}
	Follow(0)
}

// Follow makes the agent's memory limit suit lists with that many entries.
func Follow(entries int) {
	if inAgent.Load() && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit(entries))
	}
}

// Settle is for when the lists are read, and together have that many entries. A command that has
// read many of them gives back to the kernel what reading took.
func Settle(entries int) {
	Follow(entries)
	if many.Load() {
		debug.FreeOSMemory()
	}
}

// limit is the agent's memory limit in bytes.
func limit(entries int) int64 { return max(agentLimit, agentBase+heapPerEntry*int64(entries)) }
