package watch

import "time"

// What shows that the PBX has ceased to copy its SIP messages: so many requests that the manager
// interface has told of without a copy between them, over so long a time. Asterisk also copies its
// answers, and copies each message before it tells of it.
const (
	leastMissed = 3
	missedFor   = healthEvery - time.Second // so that the looks of two beats in a row are enough
)

// witness finds out whether the PBX still copies its SIP messages, by what the manager interface tells of.
type witness struct {
	copies, events uint64    // at the last look
	missed         uint64    // events since the last copy
	first, last    time.Time // when the first and the last of these were noticed
}

// look takes in how many copies and how many events about SIP requests have come so far. It returns how
// many of the events have come since the PBX ceased to copy; 0 if it has not, as far as is known.
func (w *witness) look(now time.Time, copies, events uint64) uint64 {
	if copies != w.copies {
		*w = witness{copies: copies, events: events}
		return 0
	}
	if events > w.events {
		if w.missed == 0 {
			w.first = now
		}
		w.missed += events - w.events
		w.last = now
	}
	w.events = events
	if w.missed < leastMissed || w.last.Sub(w.first) < missedFor {
		return 0
	}
	return w.missed
}
