package banlist

import (
	"container/heap"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// Most is the largest number of bans. It is more than an attack over IPv4 has caused
// within a day on any known host, and as many as a set of fail2ban's holds (the
// kernel's default). With reasons that many take 8 MB on disk and 14 MB in memory.
const Most = 65536

// Table is the list in memory. All its ends are in the time of one boot.
type Table struct {
	n        int                    // of bans
	byPrefix map[cidr.Prefix]*entry // the first ban of each prefix
	long     map[cidr.Prefix]*index // of prefixes with many bans
	ends     endHeap
	yielding endHeap              // the ends of those that yield: see [Fleet]
	gone     map[cidr.Prefix]bool // see [Table.Gone]
	reasons  map[string]string    // each reason once, shared by all bans that have it
}

// maxReasons is how many different reasons are shared.
const maxReasons = 1000

// entry is a ban, in less memory than a [Ban] takes.
type entry struct {
	prefix, address  cidr.Prefix // address is the zero Prefix if there is none
	reason, evidence string
	at, until        int64         // in Unix milliseconds
	last, end        time.Duration // For and Ends

	next  *entry // the next ban of the same prefix
	place int32  // index in the heap; -1 for a ban without an end
}

func newEntry(b Ban) *entry {
	e := &entry{
		prefix: cidr.FromNetip(b.Prefix), reason: b.Reason, evidence: b.Evidence,
		at: b.At.UnixMilli(), until: b.Until.UnixMilli(), last: b.For, end: b.Ends, place: -1,
	}
	if b.Address.IsValid() {
		e.address = cidr.FromNetip(b.Address)
	}
	return e
}

// ban returns the ban.
func (e *entry) ban() Ban {
	b := Ban{
		Prefix: e.prefix.Netip(), At: time.UnixMilli(e.at).UTC(), Until: time.UnixMilli(e.until).UTC(),
		Reason: e.reason, Evidence: e.evidence, For: e.last, Ends: e.end,
	}
	if e.address != (cidr.Prefix{}) {
		b.Address = e.address.Netip()
	}
	return b
}

// left, over and yields are those of the ban.
func (e *entry) left(now Clock) (left time.Duration, forever bool) {
	return e.end - now.Up, e.last == 0
}
func (e *entry) over(now Clock) bool { return e.last != 0 && e.end <= now.Up }
func (e *entry) yields() bool        { return e.reason == Fleet && e.last != 0 }

// is reports whether both are the ban of the same address for the same reason.
func (e *entry) is(o *entry) bool {
	return e.prefix == o.prefix && e.address == o.address && e.reason == o.reason
}

// NewTable returns an empty table.
func NewTable() *Table { return newTable(0) }

// newTable returns a table with room for n bans.
func newTable(n int) *Table {
	return &Table{byPrefix: make(map[cidr.Prefix]*entry, n), long: make(map[cidr.Prefix]*index), gone: make(map[cidr.Prefix]bool), reasons: make(map[string]string)}
}

// entries yields all bans, in no order.
func (t *Table) entries() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, e := range t.byPrefix {
			for ; e != nil; e = e.next {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// find returns the ban in the table that is the same as e; nil if there is none.
func (t *Table) find(e *entry) *entry {
	if i := t.long[e.prefix]; i != nil {
		return i.find(t.byPrefix[e.prefix], e)
	}
	for o := t.byPrefix[e.prefix]; o != nil; o = o.next {
		if o.is(e) {
			return o
		}
	}
	return nil
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
func (t *Table) Len() int { return t.n }

// Add adds a ban. It replaces one of the same address for the same reason. A full table
// evicts the ban that ends soonest, first of those that yield (see [Fleet]), but never one
// without an end: if all have none, ok is false and b is not added. Nor is it if it yields
// itself.
func (t *Table) Add(b Ban) (evicted []Ban, ok bool) {
	e := newEntry(b)
	if old := t.find(e); old != nil {
		t.remove(old)
	}
	for t.n >= Most {
		from := &t.yielding
		if len(*from) == 0 {
			from = &t.ends
		}
		if len(*from) == 0 || e.yields() {
			return evicted, false
		}
		soonest := (*from)[0]
		t.remove(soonest)
		evicted = append(evicted, soonest.ban())
	}
	e.reason = t.shared(e.reason)
	if e.yields() {
		e.evidence = t.shared(e.evidence) // many hosts say the same of many addresses
	}
	t.replaceStandIns(b)
	t.n++
	t.link(e)
	delete(t.gone, e.prefix)
	if e.last != 0 {
		heap.Push(t.endsOf(e), e)
	}
	return evicted, true
}

// endsOf returns the heap of a ban with an end.
func (t *Table) endsOf(e *entry) *endHeap {
	if e.yields() {
		return &t.yielding
	}
	return &t.ends
}

// remove removes a ban that is in the table.
func (t *Table) remove(e *entry) {
	t.n--
	t.gone[e.prefix] = true
	t.unlink(e)
	if e.place >= 0 {
		heap.Remove(t.endsOf(e), int(e.place))
	}
}

// Remove removes one ban.
func (t *Table) Remove(b Ban) {
	if e := t.find(newEntry(b)); e != nil {
		t.remove(e)
	}
}

// Find returns the bans of a prefix: those of exactly p, and those of the network
// around it that were made because of p. If reason is not "", it returns only bans with
// that reason.
func (t *Table) Find(p netip.Prefix, reason string) []Ban {
	var found []Ban
	one := cidr.FromNetip(p)
	add := func(e *entry, which func(*entry) bool) {
		for ; e != nil; e = e.next {
			if which(e) && (reason == "" || e.reason == reason) {
				found = append(found, e.ban())
			}
		}
	}
	add(t.byPrefix[one], func(*entry) bool { return true })
	for bits := p.Bits() - 1; bits > 0; bits-- {
		wider, _ := p.Addr().Prefix(bits)
		add(t.byPrefix[cidr.FromNetip(wider)], func(e *entry) bool { return e.address == one })
	}
	return found
}

// WithReason returns the bans with a reason, or all bans for "", in order.
func (t *Table) WithReason(reason string) []Ban {
	var found []Ban
	for e := range t.entries() {
		if reason == "" || e.reason == reason {
			found = append(found, e.ban())
		}
	}
	slices.SortFunc(found, compare)
	return found
}

// Count returns how many bans have a reason, including those that are over and not yet removed.
func (t *Table) Count(reason string) (n int) {
	for e := range t.entries() {
		if e.reason == reason {
			n++
		}
	}
	return n
}

// Expire removes the bans that are over, and returns them.
func (t *Table) Expire(now Clock) (over []Ban) {
	for _, ends := range []*endHeap{&t.ends, &t.yielding} {
		for len(*ends) > 0 && (*ends)[0].over(now) {
			over = append(over, (*ends)[0].ban())
			t.remove((*ends)[0])
		}
	}
	return over
}

// Bans returns the bans in force at now, in order. Their Until is the time that the
// wall clock will show, which differs from the journal if the clock was set since.
func (t *Table) Bans(now Clock) []Ban {
	bans := []Ban{}
	for e := range t.entries() {
		if e.over(now) {
			continue
		}
		b := e.ban()
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
func (h endHeap) Less(i, j int) bool { return h[i].end < h[j].end }
func (h endHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i), int32(j)
}

// Push is part of [heap.Interface].
func (h *endHeap) Push(x any) {
	e := x.(*entry)
	e.place = int32(len(*h))
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
