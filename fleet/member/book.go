package member

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/link"
)

const (
	// sameEnd is how far two ends of a ban may be apart that count as one: hosts say whole seconds,
	// and a message takes a moment.
	sameEnd = 5 * time.Second

	// askAgain is after how long the agent is asked again for a ban that it has refused, and whether
	// it still has all others.
	askAgain = 5 * time.Minute
)

// book is what the agent has of the bans of others as far as it has answered, and what it has refused.
// All times are by this host's uptime. It is compact, since there may be tens of thousands.
type book struct {
	held    map[netip.Addr]holding
	refused map[netip.Addr]refusal
	names   []fleet.Name          // of hosts; the first one is none
	ids     map[fleet.Name]uint16 // places in names
	round   uint32                // the number of the last comparison with all that counts: see whole
}

// holding is a ban that is in force.
type holding struct {
	until  time.Duration
	by     [link.MaxBy]uint16 // whom the agent was told that say so, as places in names
	proved bool
	round  uint32 // the last one in which it counted
}

// refusal is a ban that the agent has refused.
type refusal struct {
	why   string
	at    time.Duration
	round uint32 // the last one in which it counted
}

func newBook() *book {
	return &book{
		held: make(map[netip.Addr]holding), refused: make(map[netip.Addr]refusal),
		names: make([]fleet.Name, 1), ids: make(map[fleet.Name]uint16),
	}
}

// anew returns a book for what the agent says that it has, with the same refusals.
func (b *book) anew() *book {
	again := newBook()
	again.refused, again.round = maps.Clone(b.refused), b.round
	return again
}

// read takes a ban that the agent says that it has.
func (b *book) read(ban link.Ban, now time.Duration) {
	by, said, ok := carried(ban)
	if ok {
		b.hold(ban.Addr, now+said.Left, by, ban.Proved)
	} else if ban.Addr.IsValid() {
		b.held[ban.Addr] = holding{until: math.MaxInt64} // nobody says so: it is to be taken back
	}
}

// hold notes that the agent has a ban.
func (b *book) hold(a netip.Addr, until time.Duration, by []fleet.Name, proved bool) {
	h := holding{until: until, proved: proved}
	for i, n := range by[:min(len(by), len(h.by))] {
		h.by[i] = b.id(n)
	}
	b.held[a] = h
	delete(b.refused, a)
}

// id is the place of a name; 0 if there is no room for it.
func (b *book) id(n fleet.Name) uint16 {
	id, ok := b.ids[n]
	if !ok && len(b.names) <= math.MaxUint16 {
		id = uint16(len(b.names))
		b.names, b.ids[n] = append(b.names, n), id
	}
	return id
}

// refuse notes that the agent has refused a ban.
func (b *book) refuse(a netip.Addr, why string, now time.Duration) {
	delete(b.held, a)
	b.refused[a] = refusal{why: why, at: now}
}

// release notes that the agent has a ban no more.
func (b *book) release(a netip.Addr) { delete(b.held, a) }

// missing reports whether the agent is to be asked for a ban that counts: it does not have it, or with
// another end, as not proved while it is, or from hosts of which one is not needed for it any more. A
// host more that says so changes nothing.
func (b *book) missing(v fleet.Verdict, now time.Duration) bool {
	if v.Until <= now {
		return false
	}
	if r, ok := b.refused[v.Addr]; ok {
		return now-r.at >= askAgain || now < r.at
	}
	h, ok := b.held[v.Addr]
	if !ok || h.until <= now || v.Proved && !h.proved {
		return true
	}
	return (v.Until-h.until).Abs() >= sameEnd || !b.stillSay(h, v.By)
}

// stillSay reports whether all of whom the agent was told are among those who are named now.
func (b *book) stillSay(h holding, by []fleet.Name) bool {
	for _, id := range h.by {
		if id != 0 && !slices.Contains(by, b.names[id]) {
			return false
		}
	}
	return true
}

// surplus reports whether the agent has a ban that it is to take back, since it does not count.
func (b *book) surplus(a netip.Addr, now time.Duration) bool {
	h, ok := b.held[a]
	return ok && h.until > now
}

// counts notes in a comparison that a ban counts.
func (b *book) counts(a netip.Addr) {
	if h, ok := b.held[a]; ok {
		h.round = b.round
		b.held[a] = h
	}
	if r, ok := b.refused[a]; ok {
		r.round = b.round
		b.refused[a] = r
	}
}

// tidy forgets what is over, and refusals of bans that do not count in the comparison.
func (b *book) tidy(now time.Duration) {
	maps.DeleteFunc(b.held, func(_ netip.Addr, h holding) bool { return h.until <= now })
	maps.DeleteFunc(b.refused, func(_ netip.Addr, r refusal) bool { return r.round != b.round })
}

// left counts the bans that are refused, by the words for why.
func (b *book) left() map[string]int {
	if len(b.refused) == 0 {
		return nil
	}
	n := make(map[string]int)
	for _, r := range b.refused {
		n[r.why]++
	}
	return n
}
