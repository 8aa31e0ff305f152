package feeds

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// This file keeps the entries of a feed in force whose last good copy is lost or damaged while
// the feed cannot be fetched: only the kernel still has them. It makes a stand-in for the copy:
// what is in the kernel, without the entries of other feeds. Nothing is added to it later, and
// what other feeds turn out to have is taken out, so that an entry which leaves its feed leaves
// the set. If the feed has another name before it is fetched, the stand-in passes to that: to a
// name that was not configured before. The stand-in ends when the feed is fetched again, or
// after limits.keep_lost, even if the clock is set meanwhile.

const (
	// lostFile is the file that says which copies are lost.
	lostFile = "lost"
)

// losses are the feeds whose copies are lost, by name.
type losses map[string]loss

// loss is the loss of one feed's last good copy.
type loss struct {
	Since time.Time `json:"since"` // when the loss was noticed, by the wall clock
	Why   string    `json:"why"`
	Over  bool      `json:"over,omitempty"` // nothing is kept, or nothing any more

	// Kept is for how long entries had been kept at Last; older versions only wrote Since.
	Kept time.Duration  `json:"kept"`
	Last deadline.Clock `json:"last,omitzero"`
}

// keptEvery is how often the time for which entries have been kept is written down, for the
// next boot.
const keptEvery = time.Hour

// stamped returns the loss as it should be written down now.
func (l loss) stamped(now deadline.Clock) loss {
	if l.Last.Wall.IsZero() {
		l.Last.Wall = l.Since
	}
	passed := now.Passed(l.Last)
	if now.Leapt(l.Last) || passed >= keptEvery {
		l.Kept, l.Last = l.Kept+passed, now.UTC()
	}
	if l.Since.After(now.Wall) { // the clock was set back since
		l.Since = now.Wall.UTC().Truncate(time.Second)
	}
	return l
}

// until is when the entries of a stamped loss will have been kept for the time keep.
func (l loss) until(keep time.Duration) time.Time { return l.Last.Wall.Add(keep - l.Kept) }

// Kept are the entries that stay in force of a feed whose last good copy is lost.
type Kept struct {
	Feed     string    `json:"feed"`
	Why      string    `json:"why"` // "lost" or "damaged"
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Prefixes int       `json:"prefixes"`
	Sets     cidr.Sets `json:"-"`
}

// Words says what is kept, why, and for how long.
func (k Kept) Words() string {
	stay := "1 prefix stays"
	if k.Prefixes != 1 {
		stay = humanize.Comma(int64(k.Prefixes)) + " prefixes stay"
	}
	return fmt.Sprintf("feed %s: copy %s %s, %s until %s", k.Feed, k.Why, minute(k.Since), stay, minute(k.Until))
}

// minute formats a time without seconds, which do not matter over days.
func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// KeptRemedy is what to do about a feed whose copy is lost.
const KeptRemedy = "solve the problem of the feed; or take it out, if it is gone for good"

// copyLost reports whether any feed has no last good copy. It reads only the ends of the
// files.
func copyLost(store *fetch.Store, feeds []config.Feed) bool {
	return slices.ContainsFunc(feeds, func(f config.Feed) bool {
		c, err := store.Open(f.Name)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// Keeper finds which entries of lost copies are kept.
type Keeper struct {
	Store  *fetch.Store
	Limits config.Limits
	Now    deadline.Clock
	DryRun bool
	Warn   func(format string, args ...any)
}

// Keep returns what is kept of the feeds that are Missing, and writes it down. brought is what
// the others have; live returns what the kernel holds.
func (k *Keeper) Keep(feeds []*Feed, brought cidr.Sets, live func() cidr.Sets) []Kept {
	last, lost := readApplied(k.Store), losses{}
	if err := k.Store.ReadJSON(lostFile, &lost); err != nil {
		if !problem.IsAbsent(err) {
			k.Warn("what is kept of lost copies begins anew: %v", err)
		}
		lost = losses{}
	}
	before := problem.Digest(lost)
	var kept []Kept
	left := lost.takeUnconfigured(feeds)
	for name := range lost {
		if !slices.ContainsFunc(feeds, func(f *Feed) bool { return f.Name == name && f.Report.State == Missing }) {
			k.forget(lost, name)
		}
	}
	for _, f := range feeds {
		if f.Report.State != Missing {
			continue
		}
		l, known := lost[f.Name]
		from := live
		if !known {
			had := hadCopy(f, last, mayBeRenamed(k.Store, f, feeds, last))
			oldest, inherits := left.oldest()
			inherits = inherits && f.URL != "" && !last.knew(f.Name)
			switch {
			case had:
				l = loss{Since: k.Now.Wall.UTC().Truncate(time.Second), Why: lossWords(f), Last: k.Now.UTC()}
			case inherits:
				l = oldest
			default:
				continue
			}
			if inherits {
				from = func() cidr.Sets { return k.inheritance(left, had, live) }
			}
		}
		l = l.stamped(k.Now)
		if l.Over = l.Over || l.Kept+k.Now.Passed(l.Last) >= k.Limits.KeepLost; l.Over {
			if !lost[f.Name].Over {
				k.Warn("feed %s: copy %s %s, nothing of it is kept any more", f.Name, l.Why, minute(l.Since))
				k.remove(f.Name)
			}
			lost[f.Name] = l
			continue
		}
		sets := k.standIn(f.Name, known, from, everBrought(feeds, brought))
		if sets.Len() == 0 { // and later entries in the kernel are not this feed's
			l.Over = true
			k.remove(f.Name)
		}
		if lost[f.Name] = l; l.Over {
			continue
		}
		kept = append(kept, Kept{Feed: f.Name, Why: l.Why, Since: l.Since, Until: l.until(k.Limits.KeepLost), Prefixes: sets.Len(), Sets: sets})
	}
	if problem.Digest(lost) != before && !k.DryRun {
		if err := k.Store.WriteJSON(lostFile, lost); err != nil {
			k.Warn("it is not remembered which copies are lost, so that what leaves other lists may stay meanwhile: %v", err)
		}
	}
	for name := range left { // their heirs have stand-ins of their own by now
		k.remove(name)
	}
	return kept
}

// takeUnconfigured takes out the losses of feeds that are no longer configured: such a feed may
// have a new name now, before it was ever fetched under the old one.
func (l losses) takeUnconfigured(feeds []*Feed) losses {
	left := losses{}
	for name, lost := range l {
		if !slices.ContainsFunc(feeds, func(f *Feed) bool { return f.Name == name }) {
			left[name] = lost
			delete(l, name)
		}
	}
	return left
}

// oldest returns the loss of which something is kept for the shortest time from now on: nothing
// is to stay for longer than limits.keep_lost, and heirs share what is kept.
func (l losses) oldest() (oldest loss, found bool) {
	for _, lost := range l {
		if !lost.Over && (!found || lost.Kept > oldest.Kept) {
			oldest, found = lost, true
		}
	}
	return oldest, found
}

// inheritance returns what is kept of feeds that are no longer configured. had says that more
// is to be kept of the feed that may be one of them: then all that live returns is.
func (k *Keeper) inheritance(left losses, had bool, live func() cidr.Sets) cidr.Sets {
	var all []cidr.Sets
	for name, l := range left {
		if l.Over {
			continue
		}
		sets, err := readStandIn(k.Store, name)
		if err != nil {
			k.Warn("feed %s: what is kept of it is taken from the kernel again: %v", name, err)
			had = true
		}
		all = append(all, sets)
	}
	if had {
		all = append(all, live())
	}
	return cidr.Union(all...)
}

// everBrought returns the entries that feeds are known to have, or to have had.
func everBrought(feeds []*Feed, brought cidr.Sets) cidr.Sets {
	all := []cidr.Sets{brought}
	for _, f := range feeds {
		all = append(all, f.before)
	}
	return cidr.Union(all...)
}

// lossWords says what happened to a copy.
func lossWords(f *Feed) string {
	if f.damaged {
		return "damaged"
	}
	return "lost"
}

// standIn returns the stand-in for a feed's copy, without the entries of other feeds: the one
// that is written down, else a new one from the kernel.
func (k *Keeper) standIn(name string, known bool, from func() cidr.Sets, others cidr.Sets) cidr.Sets {
	var sets cidr.Sets
	err := error(nil)
	if known {
		if sets, err = readStandIn(k.Store, name); err != nil {
			k.Warn("feed %s: what is kept of it is taken from the kernel again: %v", name, err)
		}
	}
	if !known || err != nil {
		sets = from()
	}
	rest := sets.Subtract(others)
	if k.DryRun || known && err == nil && rest.Len() == sets.Len() && contentOf(rest) == contentOf(sets) {
		return rest
	}
	if rest.Len() > 0 {
		if err := k.write(name, rest); err != nil {
			k.Warn("feed %s: what is kept of it is not written down, so that what leaves other lists may stay meanwhile: %s", name, problem.Of(err).Error)
		}
	}
	return rest
}

func (k *Keeper) write(name string, sets cidr.Sets) error {
	staged, err := k.Store.Stage(state.StandInPrefix + name)
	if err != nil {
		return err
	}
	defer staged.Discard()
	out := bufio.NewWriter(staged)
	for p := range allOf(sets) {
		fmt.Fprintln(out, p)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return staged.Commit(fetch.Meta{Source: "the kernel", FetchedAt: k.Now.Wall.UTC().Truncate(time.Second), Entries: sets.Len(), Effective: sets.Len()})
}

func allOf(sets cidr.Sets) iter.Seq[cidr.Prefix] {
	return func(yield func(cidr.Prefix) bool) {
		for _, f := range cidr.Families {
			for p := range sets[f].All() {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// remaining returns what stays in force of a feed whose last good copy is lost: its stand-in
// or, if the loss is new, what live says is in the kernel. alone says that no other feed's copy
// is lost.
func (r *Reader) remaining(name string, live func() cidr.Sets) (sets cidr.Sets, alone bool) {
	lost := losses{}
	if r.store.ReadJSON(lostFile, &lost) != nil {
		lost = losses{}
	}
	alone = true
	for other, l := range lost {
		alone = alone && (other == name || l.Over)
	}
	l, known := lost[name]
	if known && !l.Over {
		sets, err := readStandIn(r.store, name)
		if err == nil {
			return sets, alone
		}
	}
	if !l.Over {
		sets = live()
	}
	return sets, alone
}

// unremembered returns what the kernel holds of a list whose copy and history are both lost.
// That is only known if it is the only list from the network and voipbl wrote the sets, since
// the entries of local lists are known.
func (r *Reader) unremembered(f *Feed) (sets cidr.Sets) {
	feeds, last := []*Feed{}, readApplied(r.store)
	for _, cfg := range r.feeds {
		if cfg.URL != "" && cfg.Name != f.Name {
			return sets
		}
		feeds = append(feeds, &Feed{Feed: cfg})
	}
	if c, err := r.store.Open(f.Name); err == nil {
		defer c.Close()
		if c.Meta().Source != f.source {
			return sets
		}
	}
	another := f.history.Source != "" && f.history.Source != f.source
	if another || !hadCopy(f, last, mayBeRenamed(r.store, f, feeds, last)) || !r.wrote() {
		return sets
	}
	sets = r.live()
	look := *r
	look.dryRun = true
	for _, cfg := range r.feeds {
		if cfg.URL == "" {
			sets = sets.Subtract(look.Get(context.Background(), cfg).sets)
		}
	}
	return sets
}

// forget drops the loss of a feed that has a list again.
func (k *Keeper) forget(lost losses, name string) {
	if _, known := lost[name]; known {
		delete(lost, name)
		k.remove(name)
	}
}

func (k *Keeper) remove(name string) {
	if k.DryRun {
		return
	}
	if err := k.Store.Remove(state.StandInPrefix + name); err != nil {
		k.Warn("%v", err)
	}
}

// ReadKept returns what was kept when the lists were last put in force; withSets adds the
// prefixes.
func ReadKept(store *fetch.Store, cfg config.Config, withSets bool) ([]Kept, error) {
	lost := losses{}
	if store == nil {
		return nil, nil
	}
	if err := store.ReadJSON(lostFile, &lost); err != nil {
		if problem.IsAbsent(err) {
			return nil, nil
		}
		return nil, err
	}
	now := state.Clock()
	var kept []Kept
	var errs []error
	for _, f := range cfg.Feeds {
		l, known := lost[f.Name]
		if !known || l.Over {
			continue
		}
		l = l.stamped(now)
		k := Kept{Feed: f.Name, Why: l.Why, Since: l.Since, Until: l.until(cfg.Limits.KeepLost)}
		if c, err := store.Open(state.StandInPrefix + f.Name); err == nil {
			k.Prefixes = c.Meta().Entries
			c.Close()
		}
		if withSets {
			sets, err := readStandIn(store, f.Name)
			errs = append(errs, err)
			k.Sets = sets
		}
		kept = append(kept, k)
	}
	return kept, errors.Join(errs...)
}

// NextEnd is when the first of the kept entries end; zero if none are kept.
func NextEnd(kept []Kept) time.Time {
	var next time.Time
	for _, k := range kept {
		if next.IsZero() || k.Until.Before(next) {
			next = k.Until
		}
	}
	return next
}
