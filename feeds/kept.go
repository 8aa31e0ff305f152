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

// When the last good copy of a feed is lost or damaged and the feed cannot be fetched, what
// the kernel holds of it is all there is. At that moment a stand-in for the copy is made:
// what is in the kernel, without what other feeds are known to have brought. It stays the
// same, but that it loses what other feeds turn out to bring, so what leaves a feed leaves
// the set. It ends when the feed is fetched again, and after limits.keep_lost, whatever clock
// is set meanwhile.

const (
	// lostFile remembers which copies are lost.
	lostFile = "lost"
)

// losses are the feeds whose copies are lost, by name.
type losses map[string]loss

// loss is the last good copy of one feed that is lost.
type loss struct {
	Since time.Time `json:"since"` // when that was noticed, by the wall clock
	Why   string    `json:"why"`
	Over  bool      `json:"over,omitempty"` // nothing is kept, or not any more

	// Kept is for how long it had been kept until Last; older versions knew of Since only.
	Kept time.Duration  `json:"kept"`
	Last deadline.Clock `json:"last,omitzero"`
}

// keptEvery is how often it is written down for how long something has been kept, for the
// next boot.
const keptEvery = time.Hour

// stamped is the loss as it is to be written down now.
func (l loss) stamped(now deadline.Clock) loss {
	if l.Last.Wall.IsZero() {
		l.Last.Wall = l.Since
	}
	passed := now.Passed(l.Last)
	if now.Leapt(l.Last) || passed >= keptEvery {
		l.Kept, l.Last = l.Kept+passed, now.UTC()
	}
	if l.Since.After(now.Wall) { // the clock has been set back since
		l.Since = now.Wall.UTC().Truncate(time.Second)
	}
	return l
}

// until is when a loss that is stamped has been kept for a time.
func (l loss) until(keep time.Duration) time.Time { return l.Last.Wall.Add(keep - l.Kept) }

// Kept is what stays in force of a feed whose last good copy is lost.
type Kept struct {
	Feed     string    `json:"feed"`
	Why      string    `json:"why"` // "lost" or "damaged"
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Prefixes int       `json:"prefixes"`
	Sets     cidr.Sets `json:"-"`
}

// Words say what is kept, why, and how long.
func (k Kept) Words() string {
	stay := "1 prefix stays"
	if k.Prefixes != 1 {
		stay = humanize.Comma(int64(k.Prefixes)) + " prefixes stay"
	}
	return fmt.Sprintf("feed %s: copy %s %s, %s until %s", k.Feed, k.Why, minute(k.Since), stay, minute(k.Until))
}

// minute is a moment in words, without the seconds, which do not matter over days.
func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// KeptRemedy is what to do about it.
const KeptRemedy = "mend what is said about the feed; or take it out, if it is gone for good"

// CopyLost reports whether there is a feed without a last good copy. It looks at the ends of
// the files only.
func CopyLost(store *fetch.Store, feeds []config.Feed) bool {
	return slices.ContainsFunc(feeds, func(f config.Feed) bool {
		c, err := store.Open(f.Name)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// Keeper finds what is kept.
type Keeper struct {
	Store  *fetch.Store
	Limits config.Limits
	Now    deadline.Clock
	DryRun bool
	Warn   func(format string, args ...any)
}

// Keep returns what is kept of the feeds that are missing, and writes it down. live is what
// the kernel holds.
func (k *Keeper) Keep(feeds []*Feed, live func() cidr.Sets) []Kept {
	last, lost := readApplied(k.Store), losses{}
	if err := k.Store.ReadJSON(lostFile, &lost); err != nil {
		if !problem.IsAbsent(err) {
			k.Warn("what is kept of lost copies begins anew: %v", err)
		}
		lost = losses{}
	}
	before := problem.Digest(lost)
	var kept []Kept
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
		if !known && !hadCopy(f, last, mayBeRenamed(k.Store, f, feeds, last)) {
			continue
		}
		if !known {
			l = loss{Since: k.Now.Wall.UTC().Truncate(time.Second), Why: lossWords(f), Last: k.Now.UTC()}
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
		sets := k.standIn(f.Name, known, live, broughtBy(feeds))
		if sets.Len() == 0 { // and what comes into the kernel later is not this feed's
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
	return kept
}

// broughtBy is what feeds are known to bring, or to have brought.
func broughtBy(feeds []*Feed) cidr.Sets {
	var all []cidr.Sets
	for _, f := range feeds {
		all = append(all, f.sets, f.before)
	}
	return cidr.Union(all...)
}

// lossWords say what became of a copy.
func lossWords(f *Feed) string {
	if f.damaged {
		return "damaged"
	}
	return "lost"
}

// standIn is the stand-in for a feed's copy: the one that is written down, else a new one of
// the kernel's, without what others bring.
func (k *Keeper) standIn(name string, known bool, live func() cidr.Sets, others cidr.Sets) cidr.Sets {
	var sets cidr.Sets
	err := error(nil)
	if known {
		if sets, err = readStandIn(k.Store, name); err != nil {
			k.Warn("feed %s: what is kept of it is taken from the kernel anew: %v", name, err)
		}
	}
	if !known || err != nil {
		sets = live()
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

// readStandIn reads the stand-in for a feed's copy.
func readStandIn(store *fetch.Store, name string) (cidr.Sets, error) {
	c, err := store.Open(state.StandInPrefix + name)
	if err != nil {
		return cidr.Sets{}, err
	}
	defer c.Close()
	var b cidr.Builder
	for _, in := range c.Parts() {
		if _, err := cidr.Read(in, cidr.Policy{}, &b); err != nil {
			return cidr.Sets{}, err
		}
	}
	return b.Sets(), c.Verify()
}

// remaining is what stays in force of a feed whose last good copy is lost: its stand-in, or
// what the kernel holds by live, if the loss is news. alone is that no other feed's copy is
// lost.
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

// unremembered is what the kernel holds of a list whose copy is lost together with all that
// is remembered of it. That can be told of the only list that is fetched, if voipbl has
// written the sets: what local lists bring is known.
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

// forget drops a loss that is made good.
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

// ReadKept is what was kept when the lists were last put in force, with the prefixes if they
// are asked for.
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

// NextEnd is when the first of what is kept is to leave; zero if nothing is.
func NextEnd(kept []Kept) time.Time {
	var next time.Time
	for _, k := range kept {
		if next.IsZero() || k.Until.Before(next) {
			next = k.Until
		}
	}
	return next
}
