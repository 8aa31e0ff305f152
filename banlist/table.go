package banlist

import (
	"container/heap"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// Most is the largest number of bans. It is more than an attack over IPv4 has caused
// within a day on any known host, and as many as a set of fail2ban's holds (the
// kernel's default). With reasons that many take 8 MB on disk and 32 MB in memory.
const Most = 65536

// Table is the list in memory. All its ends are in the time of one boot.
type Table struct {
	bans     map[key]*entry
	byPrefix map[cidr.Prefix][]*entry
	ends     endHeap
	gone     map[cidr.Prefix]bool // see [Table.Gone]
	reasons  map[string]string    // each reason once, shared by all bans that have it
}

// maxReasons is how many different reasons are shared.
const maxReasons = 1000

type entry struct {
	Ban
	at int // index in the heap; -1 for a ban without an end
}

// NewTable returns an empty table.
func NewTable() *Table { return newTable(0) }

// newTable returns a table with room for n bans.
func newTable(n int) *Table {
	return &Table{
		bans: make(map[key]*entry, n), byPrefix: make(map[cidr.Prefix][]*entry, n),
		gone: make(map[cidr.Prefix]bool), reasons: make(map[string]string),
	}
}

// shared returns a copy of reason that other bans share, so that the line that it was
// read from need not stay in memory.
func (t *Table) shared(reason string) string {
	if known, found := t.reasons[reason]; found {
		return known
	}
	if len(t.reasons) >= maxReasons {
		clear(t.reasons)
	}
	reason = strings.Clone(reason)
	t.reasons[reason] = reason
	return reason
}

// Len returns the number of bans, including those that are over and not yet removed.
func (t *Table) Len() int { return len(t.bans) }

// Add adds a ban. It replaces one of the same address for the same reason. A full table
// evicts the ban that ends soonest, but never one without an end: if all have none, ok
// is false and b is not added.
func (t *Table) Add(b Ban) (evicted []Ban, ok bool) {
	if old, found := t.bans[b.key()]; found {
		t.remove(old)
	}
	for len(t.bans) >= Most {
		if len(t.ends) == 0 {
			return evicted, false
		}
		soonest := t.ends[0]
		t.remove(soonest)
		evicted = append(evicted, soonest.Ban)
	}
	b.Reason = t.shared(b.Reason)
	p := cidr.FromNetip(b.Prefix)
	t.replaceStandIns(b)
	e := &entry{Ban: b, at: -1}
	t.bans[b.key()] = e
	t.byPrefix[p] = append(t.byPrefix[p], e)
	delete(t.gone, p)
	if b.For != 0 {
		heap.Push(&t.ends, e)
	}
	return evicted, true
}

func (t *Table) remove(e *entry) {
	delete(t.bans, e.key())
	p := cidr.FromNetip(e.Prefix)
	t.gone[p] = true
	if rest := slices.DeleteFunc(t.byPrefix[p], func(o *entry) bool { return o == e }); len(rest) > 0 {
		t.byPrefix[p] = rest
	} else {
		delete(t.byPrefix, p)
	}
	if e.at >= 0 {
		heap.Remove(&t.ends, e.at)
	}
}

// Remove removes one ban.
func (t *Table) Remove(b Ban) {
	if e, found := t.bans[b.key()]; found {
		t.remove(e)
	}
}

// Find returns the bans of a prefix: those of exactly p, and those of the network
// around it that were made because of p. If reason is not "", it returns only bans with
// that reason.
func (t *Table) Find(p netip.Prefix, reason string) []Ban {
	var found []Ban
	add := func(list []*entry, which func(*entry) bool) {
		for _, e := range list {
			if which(e) && (reason == "" || e.Reason == reason) {
				found = append(found, e.Ban)
			}
		}
	}
	add(t.byPrefix[cidr.FromNetip(p)], func(*entry) bool { return true })
	for bits := p.Bits() - 1; bits > 0; bits-- {
		wider, _ := p.Addr().Prefix(bits)
		add(t.byPrefix[cidr.FromNetip(wider)], func(e *entry) bool { return e.Address == p })
	}
	return found
}

// WithReason returns the bans with a reason, or all bans for "", in order.
func (t *Table) WithReason(reason string) []Ban {
	var found []Ban
	for _, e := range t.bans {
		if reason == "" || e.Reason == reason {
			found = append(found, e.Ban)
		}
	}
	slices.SortFunc(found, compare)
	return found
}

// Count returns how many bans have a reason, including those that are over and not yet removed.
func (t *Table) Count(reason string) (n int) {
	for _, e := range t.bans {
		if e.Reason == reason {
			n++
		}
	}
	return n
}

// Expire removes the bans that are over, and returns them.
func (t *Table) Expire(now Clock) (over []Ban) {
	for len(t.ends) > 0 && t.ends[0].over(now) {
		over = append(over, t.ends[0].Ban)
		t.remove(t.ends[0])
	}
	return over
}

// Bans returns the bans in force at now, in order. Their Until is the time that the
// wall clock will show, which differs from the journal if the clock was set since.
func (t *Table) Bans(now Clock) []Ban {
	bans := []Ban{}
	for _, e := range t.bans {
		if e.over(now) {
			continue
		}
		b := e.Ban
		if left, forever := b.left(now); !forever {
			if until := now.Wall.Add(left).UTC(); until.Sub(b.Until).Abs() > 2*time.Second {
				b.Until = until.Truncate(time.Second)
			}
		}
		bans = append(bans, b)
	}
	slices.SortFunc(bans, compare)
	return bans
}

// endHeap has the ban that ends soonest first.
type endHeap []*entry

func (h endHeap) Len() int           { return len(h) }
func (h endHeap) Less(i, j int) bool { return h[i].Ends < h[j].Ends }
func (h endHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is part of [heap.Interface].
func (h *endHeap) Push(x any) {
	e := x.(*entry)
	e.at = len(*h)
	*h = append(*h, e)
}

// Pop is part of [heap.Interface].
func (h *endHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
