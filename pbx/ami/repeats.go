package ami

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/internal/bounded"
	"github.com/voipbl/voipbl/pbx"
)

// How a phone that gets no answer repeats a request over UDP (RFC 3261, 17.1).
const (
	t1         = 500 * time.Millisecond // before the first repetition; then twice as long each time
	t2         = 4 * time.Second        // but no longer than this, except for a call
	repeatsFor = 64 * t1
	repeatsOf  = 10 // how many there are
)

// maxAnswers is how many answers are remembered, and as many sources of repetitions in a day. Anybody can
// make more, and push out others: then a repetition counts as an attempt.
const maxAnswers = 2 << 10

// repeats tells wrong answers to a challenge that are sent again from attempts. Asterisk checks each.
//
// An attacker can make attempts that look like repetitions: the event has the first answer that a request
// has in its header, and Asterisk checks the one for its own realm. So they have to come at the times at
// which a phone repeats a request, and there is only one request's worth of them in a day.
type repeats struct {
	answers bounded.Table[answer]
	spent   map[netip.Prefix]int // repetitions, by source, since day
	day     time.Time
}

// answer is when an answer came, and how often it was repeated.
type answer struct {
	first, last time.Time
	repeated    int
}

func newRepeats() repeats {
	return repeats{answers: bounded.NewTable[answer](maxAnswers), spent: make(map[netip.Prefix]int)}
}

// repeated reports whether an answer from a source is one that has come before, by its hash.
func (r *repeats) repeated(key uint64, source netip.Addr, now time.Time) bool {
	a, _ := r.answers.Get(key) // one that has not come before came very long ago
	// Half as long is enough: packets are late, and so are events.
	if now.Sub(a.first) >= repeatsFor || now.Sub(a.last) < min(t1<<a.repeated, t2)/2 || !r.spend(source, now) {
		r.answers.Put(key, answer{first: now, last: now})
		return false
	}
	r.answers.Put(key, answer{a.first, now, a.repeated + 1})
	return true
}

// spend takes one of the repetitions that a source has in a day. All of a /64 are one source.
func (r *repeats) spend(source netip.Addr, now time.Time) bool {
	if now.Sub(r.day) >= 24*time.Hour {
		clear(r.spent)
		r.day = now
	}
	p, _ := source.Prefix(min(source.BitLen(), pbx.SourceBits6))
	if n, ok := r.spent[p]; n == repeatsOf || !ok && len(r.spent) == maxAnswers {
		return false
	}
	r.spent[p]++
	return true
}
