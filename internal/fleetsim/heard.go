package fleetsim

import (
	"slices"
	"sync"
	"time"
)

// heard is what one host has heard of all bans. It takes a byte for each of them, so that a process has
// room for thousands of hosts.
type heard struct {
	mu        sync.Mutex
	bans      []bool // by their numbers
	all       int    // bans below this number are heard
	last      uint64 // the number of the last message in the stream
	twice     int
	latencies Latencies
}

// take takes a message with its number in the stream, and the numbers of the bans in it. latency says how
// long ago a ban was said, and whether that counts.
func (h *heard) take(message uint64, bans []int, latency func(n int) (time.Duration, bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if message <= h.last { // they come in the order of the stream
		h.twice++
	}
	h.last = max(h.last, message)
	for _, n := range bans {
		if n >= len(h.bans) {
			h.bans = append(h.bans, make([]bool, n+1-len(h.bans))...)
		}
		if h.bans[n] {
			continue
		}
		h.bans[n] = true
		if took, counts := latency(n); counts {
			h.latencies = append(h.latencies, took)
		}
	}
}

// forget forgets all: the stream is another one.
func (h *heard) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.bans)
	h.all, h.last = 0, 0
}

// forgetTimes forgets how long it took until bans were heard of.
func (h *heard) forgetTimes() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latencies = nil
}

// has reports whether the first n bans are heard.
func (h *heard) has(n int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.all < len(h.bans) && h.bans[h.all] {
		h.all++
	}
	return h.all >= n
}

func (h *heard) doubles() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.twice
}

func (h *heard) took() Latencies {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.latencies)
}

// Latencies are some, in order.
type Latencies []time.Duration

func (l Latencies) sorted() Latencies {
	slices.Sort(l)
	return l
}

// Within returns the time within which that share of all was heard; 1 for all.
func (l Latencies) Within(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(int(share*float64(len(l))), len(l)-1)]
}
