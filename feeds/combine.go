package feeds

import (
	"os"
	"runtime"
	"sync"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/memory"
)

// A gathering collects the entries of all feeds while they are read, so that no feed keeps its
// own: the memory of one is used again for the next.
type gathering struct {
	mu    sync.Mutex
	all   cidr.Builder
	spare []cidr.Builder // the memory of feeds that were gathered, for the next
	slots chan struct{}  // holds as many values as feeds are read now
}

// newGathering lets as many feeds be read at a time as there are processors for it, since each takes
// memory for its entries. More of them may wait for a server or the disk.
func newGathering() *gathering {
	return &gathering{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// hold waits until a feed may be read, which it then may be until it is taken.
func (g *gathering) hold(f *Feed) {
	if g != nil && !f.held {
		g.slots <- struct{}{}
		f.held = true
	}
}

// builder returns an empty builder.
func (g *gathering) builder() (b cidr.Builder) {
	if g == nil {
		return b
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.spare); n > 0 {
		b, g.spare = g.spare[n-1], g.spare[:n-1]
	}
	return b
}

// take takes the entries from a feed, unless it has none any more.
func (g *gathering) take(f *Feed) {
	switch {
	case g == nil:
		return
	case !f.taken:
		g.mu.Lock()
		g.spare = append(g.spare, g.all.Take(f.sets))
		g.mu.Unlock()
		f.sets, f.taken = cidr.Sets{}, true
		memory.ListRead()
	}
	if f.held {
		<-g.slots
		f.held = false
	}
}

// grow makes room for the entries of feeds, by the size of their files or last good copies. If
// one of them has most of the entries, its own memory is taken over instead.
func (g *gathering) grow(r *Reader, feeds []config.Feed) {
	var all, largest int64
	for _, f := range feeds {
		size := r.store.Size(f.Name)
		if info, err := os.Stat(f.Path); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		size = min(size, r.limits.MaxBytes)
		all, largest = all+size, max(largest, size)
	}
	if 2*all > 3*largest {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all.Grow(cidr.IPv4, min(int(all/bytesPerEntry), mostGrown))
	}
}

// mostGrown is for how many entries room is made at most, 24 MB: lists that overlap have fewer
// together.
const mostGrown = 1 << 20

// Brought returns the entries of all feeds that GetAll got, and forgets them.
func (r *Reader) Brought() cidr.Sets {
	g := r.gathered
	if g == nil {
		return cidr.Sets{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spare = nil
	return g.all.Sets()
}

// Combine returns the union of what all feeds brought and of what is kept. It clears the sets
// that are kept, to free their memory.
func Combine(brought cidr.Sets, kept []Kept) cidr.Sets {
	all := []cidr.Sets{brought}
	for i := range kept {
		all = append(all, kept[i].Sets)
		kept[i].Sets = cidr.Sets{}
	}
	return cidr.Union(all...)
}
