package agent

import (
	"time"

	"github.com/voipbl/voipbl/feeds"
)

// word is what a mirror of the fleet says of a feed's list, as the schedule needs it.
type word struct {
	fetched time.Time // when the list's source last said that this is its list
	said    time.Time // when the mirror said so
	heard   time.Time // when this host first heard of it, or of the first one since a copy was last taken
	failing bool      // the source has not answered since
	settled bool      // it was taken, or is not believed, and is not asked for again
	refused bool      // it is not believed

	// Of all words since a copy was last taken: whoever says another one each time does not begin anew.
	tries int       // how often a copy could not be had, or was not believed
	tried time.Time // when that last happened
}

const (
	// wordSlack is by how much two times of the same word differ: ages are rounded, and travel.
	wordSlack = 10 * time.Second

	// A mirror's list that cannot be had is asked for mostTries times, each a tryPause after the last. From then
	// on the source is asked by the schedule again, and the mirror each triesPause, unless the source comes first.
	mostTries  = 3
	tryPause   = 2 * time.Minute
	triesPause = time.Hour

	// wordPatience is how long a host that has no list, or a stale one, waits for a mirror's copy while the source
	// is due: longer than mostTries take.
	wordPatience = 15 * time.Minute

	// failingPace is how often a host looks for itself whether a source answers that has not answered a
	// mirror for longer than a list stays fresh: the mirror may be cut off, and the source well.
	failingPace = 24 * time.Hour

	// firstWord is how long a starting agent waits for the fleet's process with a list that a mirror has
	// brought last time: as long as the process may take to be connected.
	firstWord = 30 * time.Second
)

// nextSource returns when a feed is to be fetched next, and whether from the fleet's mirror, whose word w is;
// nil: there is none. source is when the source is due by the feed's schedule. While a mirror's word is young,
// the source is not asked; without one it is asked as it would be without a fleet.
func nextSource(times feeds.Times, a attempts, w *word, source, now time.Time) (at time.Time, mirrored bool) {
	if a.mirrored && a.failures == 0 {
		source = times.Apart(source)
	}
	if w == nil {
		return source, false
	}
	relied := times.Patience(w.fetched)
	young := now.Before(relied) || w.failing && now.Before(times.Patience(w.said))
	has := !a.success.IsZero() && !a.other
	wanted := !w.settled && (!has || w.fetched.Sub(a.success) > wordSlack)
	switch {
	case !young || w.refused:
		return source, false
	case w.tries >= mostTries:
		if at := w.tried.Add(triesPause); wanted && at.Before(source) {
			return at, true
		}
		return source, false
	case wanted:
		patience := later(source, w.heard.Add(wordPatience))
		if !patience.After(now) && (!has || feeds.IsStale(a.success, now, times)) {
			return source, false
		}
		at = times.Poked(w.heard)
		if w.tries > 0 {
			at = later(at, w.tried.Add(tryPause))
		}
		return at, true
	case !has:
		return source, false
	case w.failing && a.failures > 0:
		return later(later(source, relied), a.last.Add(failingPace)), false
	}
	return later(source, relied), false
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
