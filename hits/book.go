package hits

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

const (
	// file is the name of the totals in the state folder.
	file = "hits"

	// keptGone is how long the totals of a list are kept that is no longer configured, and mostGone
	// of how many such lists.
	keptGone = 30 * 24 * time.Hour
	mostGone = 256
)

// Book has the totals of the lists.
type Book struct {
	Of    string           `json:"of"` // the sets that Counted is about; see SetsOf
	At    time.Time        `json:"at"` // when anything was last counted
	Feeds map[string]*List `json:"feeds"`
}

// List is what one list has stopped.
type List struct {
	Since time.Time `json:"since"`
	Gone  time.Time `json:"gone,omitzero"` // since when it is not configured

	// Totals up to the last sync. Only are packets of entries of which no other list had a part.
	Packets uint64 `json:"packets"`
	Only    uint64 `json:"only"`

	// What the entries in the sets had counted then, which is in the totals already, as far as it was
	// counted while the list had them.
	Counted     uint64 `json:"counted,omitempty"`
	OnlyCounted uint64 `json:"only_counted,omitempty"`
	Unsure      bool   `json:"unsure,omitempty"` // that is not known
}

// SetsOf identifies the contents of the sets of one boot.
func SetsOf(r state.SetRecord) string {
	return r.Kernel + " " + r.Sets[cidr.IPv4].Digest + " " + r.Sets[cidr.IPv6].Digest
}

// Read reads the totals. They are empty if there are none, or if they are damaged, which is the error.
func Read(store *fetch.Store) (*Book, error) {
	b := &Book{}
	err := store.ReadJSON(file, b)
	if err != nil {
		b = &Book{}
		if problem.IsAbsent(err) {
			err = nil
		}
	}
	maps.DeleteFunc(b.Feeds, func(_ string, l *List) bool { return l == nil })
	if b.Feeds == nil {
		b.Feeds = make(map[string]*List)
	}
	return b, err
}

// Now returns a list's totals; t is what the entries in the sets have counted by now, and of says
// which sets these are.
func (b *Book) Now(name, of string, t Tally) (total List, known bool) {
	l := b.Feeds[name]
	if l == nil {
		return List{}, false
	}
	total = *l
	total.add(t, b.Of == of)
	return total, true
}

// add adds what t has more than what was counted before. same says that the sets are the same as
// then. Counters that went down have begun anew, or entries were taken out: no packet counts twice.
func (l *List) add(t Tally, same bool) {
	if t.Unknown || l.Unsure || !same && l.Counted > 0 {
		return
	}
	l.Packets += t.Packets - min(t.Packets, l.Counted)
	l.Only += t.OnlyPackets - min(t.OnlyPackets, l.OnlyCounted)
}

// Settle adds what was counted up to a swap, and begins anew with what the swap has carried over.
func (b *Book) Settle(now time.Time, same bool, before map[string]Tally, of string, after map[string]Tally) {
	for name, l := range b.Feeds {
		l.add(before[name], same)
		if _, configured := after[name]; !configured && l.Gone.IsZero() {
			l.Gone = now
		}
		l.Counted, l.OnlyCounted, l.Unsure = 0, 0, false
	}
	for name, t := range after {
		l := b.Feeds[name]
		if l == nil {
			l = &List{Since: now}
			b.Feeds[name] = l
		}
		l.Gone, l.Counted, l.OnlyCounted, l.Unsure = time.Time{}, t.Packets, t.OnlyPackets, t.Unknown
	}
	b.Of = of
	b.forget(now)
}

// forget drops the totals of lists that have not been configured for long.
func (b *Book) forget(now time.Time) {
	var gone []string
	for name, l := range b.Feeds {
		if !l.Gone.IsZero() {
			gone = append(gone, name)
		}
	}
	slices.SortFunc(gone, func(x, y string) int {
		return cmp.Or(b.Feeds[y].Gone.Compare(b.Feeds[x].Gone), cmp.Compare(x, y))
	})
	for i, name := range gone {
		if i >= mostGone || now.Sub(b.Feeds[name].Gone) > keptGone {
			delete(b.Feeds, name)
		}
	}
}

// Sync is what a sync did to the sets.
type Sync struct {
	Cfg           config.Config
	Now           time.Time
	Was, Is       string            // the sets before and after; see SetsOf
	Before, After []ipsetsync.Count // what their entries had counted at the swap, sorted
	Held          bool              // the lists in force stay, and newer copies of them wait
}

// Every is how often the totals are settled while nothing changes the sets: so much may be lost at a
// reboot.
const Every = time.Hour

// Settling settles the totals of the lists for a sync.
type Settling struct {
	sync     Sync
	store    *fetch.Store
	read     chan struct{} // closed when all that follows is known
	book     *Book
	damaged  error // why the book begins anew
	between  bool  // no sync is made
	idle     bool  // nothing is to be settled
	replaced []string
	before   map[string]Tally
	after    map[string]Tally
	errs     []error
}

// Begin begins to read the lists that had what was counted, beside a sync that is about to change the
// sets. Call End after it has, or Wait.
func Begin(store *fetch.Store, s Sync) *Settling {
	g := &Settling{sync: s, store: store, read: make(chan struct{})}
	go func() {
		defer close(g.read)
		g.attribute()
	}()
	return g
}

// Between settles between two syncs: counts, which need not be sorted, are what the entries of sets have
// counted; see [SetsOf]. It does nothing if the last time was less than Every ago, or if a sync is near,
// since a list was replaced or the configuration has others. The caller holds the lock for the sets.
func Between(store *fetch.Store, cfg config.Config, now time.Time, sets string, counts []ipsetsync.Count) (warnings []string) {
	counts = Sorted(counts)
	g := &Settling{sync: Sync{Cfg: cfg, Now: now, Was: sets, Is: sets, Before: counts, After: counts}, store: store, read: make(chan struct{}), between: true}
	g.attribute()
	close(g.read)
	return g.End()
}

// Last settles before the sets are removed; see [Between].
func Last(store *fetch.Store, cfg config.Config, now time.Time, sets string, counts []ipsetsync.Count) (warnings []string) {
	return Begin(store, Sync{Cfg: cfg, Now: now, Was: sets, Before: Sorted(counts)}).End()
}

// Wait waits until nothing more is read.
func (g *Settling) Wait() { <-g.read }

func (g *Settling) attribute() {
	s := g.sync
	g.book, g.damaged = Read(g.store)
	var listed, had []string
	for _, f := range s.Cfg.Feeds {
		listed = append(listed, f.Name)
	}
	for name, l := range g.book.Feeds {
		if l.Gone.IsZero() {
			had = append(had, name)
		}
	}
	if s.Held {
		listed = slices.DeleteFunc(listed, func(name string) bool { return !slices.Contains(had, name) })
	}
	slices.Sort(listed)
	slices.Sort(had)
	g.replaced = feeds.Replaced(g.store)
	same := slices.Equal(listed, had) && len(g.replaced) == 0
	g.idle = same && s.Was == s.Is && g.book.Of == s.Was && s.Now.Sub(g.book.At).Abs() < Every
	if g.between && !same {
		g.idle = true
	}
	if !g.idle {
		g.before, g.after, g.errs = s.tallies(g.store, had, listed, g.replaced)
	}
}

// End writes the totals down after the sync, and forgets the copies that were in force before it. It
// returns what could not be counted, which hurts nobody but the totals.
func (g *Settling) End() (warnings []string) {
	g.Wait()
	if g.idle {
		return nil
	}
	if g.damaged != nil {
		warnings = append(warnings, "what the lists have stopped is counted anew: "+problem.Line(g.damaged))
	}
	for _, err := range g.errs {
		warnings = append(warnings, "what a list has stopped is not counted: "+problem.Line(err))
	}
	if !g.sync.Held {
		feeds.ForgetReplaced(g.store, g.replaced)
	}
	s, old := g.sync, problem.Digest(g.book)
	same, of := g.book.Of == s.Was, g.book.Of
	if len(s.Before)+len(s.After) > 0 { // else it is not worth a write
		g.book.At, of = s.Now, s.Is
	}
	g.book.Settle(s.Now, same, g.before, of, g.after)
	if problem.Digest(g.book) == old && g.damaged == nil {
		return warnings
	}
	if err := g.store.WriteJSON(file, g.book); err != nil {
		warnings = append(warnings, "what the lists have stopped is not remembered: "+problem.Line(err))
	}
	return warnings
}

// tallies attributes what was counted before a sync to the lists that were in force, and what is carried
// over to those that are. Lists that were not replaced are read once for both.
func (s Sync) tallies(store *fetch.Store, had, listed, replaced []string) (before, after map[string]Tally, errs []error) {
	was, is := newTallier(s.Before), newTallier(s.After)
	inForce := func(name string, each func(cidr.Prefix)) error { return feeds.Visit(store, name, s.Cfg.Limits, each) }
	newest := func(name string, each func(cidr.Prefix)) error {
		return feeds.VisitNewest(store, name, s.Cfg.Limits, each)
	}
	if s.Held {
		newest = inForce
	}
	for _, name := range had {
		if !slices.Contains(listed, name) || slices.Contains(replaced, name) || len(s.Before) == 0 {
			errs = was.list(name, inForce, errs)
			continue
		}
		errs = was.list(name, func(name string, each func(cidr.Prefix)) error {
			err := inForce(name, func(p cidr.Prefix) { each(p); is.mark(p) })
			is.end(name, err)
			return err
		}, errs)
	}
	for _, name := range listed {
		if _, done := is.of[name]; !done {
			errs = is.list(name, newest, errs)
		}
	}
	return was.tallies(), is.tallies(), errs
}
