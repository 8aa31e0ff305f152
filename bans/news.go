package bans

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// mostNews is how many of the latest bans are kept for whoever asks.
const mostNews = 4 << 10

// News is what the agent has banned of late. The watcher of the PBX asks for it: a ban takes phones
// away that the watcher knows. Each ban has a number.
type News struct {
	mu     sync.Mutex
	next   uint64         // number of the next ban
	banned []netip.Prefix // those before it
	more   chan struct{}  // closed with the next one
}

// NewNews returns news without bans. No number before is one of theirs: those are of agents that have
// ended.
func NewNews(now time.Time) *News {
	return &News{next: uint64(now.UnixNano()), more: make(chan struct{})}
}

// Bans are what was banned from a number on.
type Bans struct {
	Banned []netip.Prefix
	Missed bool   // there may have been others, which are not known
	Next   uint64 // where to go on
}

// Since returns the bans from a number on, and a channel that is closed when there are more.
func (n *News) Since(number uint64) (Bans, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := Bans{Next: n.next}
	if number > n.next || n.next-number > uint64(len(n.banned)) {
		b.Missed = true
	} else {
		b.Banned = slices.Clone(n.banned[uint64(len(n.banned))-(n.next-number):])
	}
	return b, n.more
}

// Add takes in what was banned.
func (n *News) Add(banned []netip.Prefix) {
	if n == nil || len(banned) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next += uint64(len(banned))
	n.banned = append(n.banned, banned...)
	if len(n.banned) > 2*mostNews {
		n.banned = slices.Clone(n.banned[len(n.banned)-mostNews:])
	}
	n.ring()
}

// miss says that others have banned something, which is not known here.
func (n *News) miss() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.banned = nil
	n.next++
	n.ring()
}

func (n *News) ring() {
	close(n.more)
	n.more = make(chan struct{})
}
