package banlist

import (
	"cmp"
	"container/heap"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// Most is how many bans are kept. It is more than an attack with IPv4 brings within a
// day on any host that was seen, it is what a set of fail2ban's holds (the kernel's
// default), and all of them with reasons are 8 MB on disk and 32 MB in memory.
const Most = 65536

// Ban is one address or network that this host blocks by itself, for one reason. What
// is banned for several reasons is free when the last of these bans ends.
type Ban struct {
	Prefix netip.Prefix `json:"prefix"` // what is blocked

	// Address is what was to be banned, if Prefix is the network around it.
	Address netip.Prefix `json:"address,omitzero"`

	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"` // by the wall clock; zero: until it is taken back
	Reason string    `json:"reason,omitempty"`

	For  time.Duration `json:"-"` // how long it was said to last; 0: without an end
	Ends time.Duration `json:"-"` // when it ends, by [Clock.Up] of this boot
}

// New is a ban from now on.
func New(prefix netip.Prefix, reason string, last time.Duration, now Clock) Ban {
	b := Ban{Prefix: prefix, At: now.Wall.UTC().Truncate(time.Second), Reason: reason, For: last}
	if last > 0 {
		b.Ends = now.Up + last
		b.Until = now.Wall.Add(last).UTC().Truncate(time.Second)
	}
	return b
}

// Possible reports whether a prefix can be banned, as far as the list has a line for it.
func Possible(p netip.Prefix) bool { return p.IsValid() && p.Bits() > 0 }

// Left is how long a ban still lasts; forever reports that it has no end.
func (b Ban) Left(now Clock) (left time.Duration, forever bool) {
	return b.Ends - now.Up, b.For == 0
}

func (b Ban) over(now Clock) bool { return b.For != 0 && b.Ends <= now.Up }

// key tells bans apart.
type key struct {
	prefix, address netip.Prefix
	reason          string
}

func (b Ban) key() key { return key{b.Prefix, b.Address, b.Reason} }

// compare orders bans as they are listed.
func compare(a, b Ban) int {
	return cmp.Or(
		cidr.FromNetip(a.Prefix).Compare(cidr.FromNetip(b.Prefix)),
		a.At.Compare(b.At), strings.Compare(a.Reason, b.Reason), a.Address.Addr().Compare(b.Address.Addr()))
}

// Table is the list in memory. All ends in it are of one boot.
type Table struct {
	bans     map[key]*entry
	byPrefix map[cidr.Prefix][]*entry
	ends     endHeap
	gone     map[cidr.Prefix]bool // see [Table.Gone]
	reasons  map[string]string    // each once, of the many bans that have the same
}

// maxReasons bounds how many different reasons are shared.
const maxReasons = 1000

type entry struct {
	Ban
	at int // in the heap; -1: it has no end
}

// NewTable is an empty one.
func NewTable() *Table { return newTable(0) }

// newTable is one with room for so many bans.
func newTable(n int) *Table {
	return &Table{
		bans: make(map[key]*entry, n), byPrefix: make(map[cidr.Prefix][]*entry, n),
		gone: make(map[cidr.Prefix]bool), reasons: make(map[string]string),
	}
}

// shared is a reason that other bans share, so that the line that it was read from is
// not kept for it.
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

// Len is how many bans there are, with those that are over and have not been taken out.
func (t *Table) Len() int { return len(t.bans) }

// Add puts a ban in; one of the same address for the same reason makes way for it. In
// a full table what ends soonest makes way, but never what has no end: then ok is
// false, and the ban is not in.
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

// Remove takes one ban out.
func (t *Table) Remove(b Ban) {
	if e, found := t.bans[b.key()]; found {
		t.remove(e)
	}
}

// Find returns the bans of a prefix: those that block just it, and those that block the
// network around it because of it. With a reason only those that have it.
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

// WithReason returns all bans with a reason, and all bans for "", in order.
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

// Expire takes out what is over, and returns it.
func (t *Table) Expire(now Clock) (over []Ban) {
	for len(t.ends) > 0 && t.ends[0].over(now) {
		over = append(over, t.ends[0].Ban)
		t.remove(t.ends[0])
	}
	return over
}

// Bans are those that count at now, in order. Until is what the wall clock will say,
// which is another time than was written down if it was set since.
func (t *Table) Bans(now Clock) []Ban {
	bans := []Ban{}
	for _, e := range t.bans {
		if e.over(now) {
			continue
		}
		b := e.Ban
		if left, forever := b.Left(now); !forever {
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
