package feeds

import (
	"os"
	"sync"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/memory"
)

// A gathering collects the entries of all feeds while they are read, so that no feed keeps its
// own: the memory of one is used again for the next.
type gathering struct {
	mu  sync.Mutex
	all cidr.Builder
}

// builders have the memory of feeds that were gathered.
var builders = sync.Pool{New: func() any { return new(cidr.Builder) }}

// take takes the entries from a feed.
func (g *gathering) take(f *Feed) {
	spare := new(cidr.Builder)
	g.mu.Lock()
	*spare = g.all.Take(f.sets)
	g.mu.Unlock()
	f.sets = cidr.Sets{}
	builders.Put(spare)
	memory.ListRead()
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
	if all > 2*largest {
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
	r.gathered.mu.Lock()
	defer r.gathered.mu.Unlock()
	return r.gathered.all.Sets()
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
