package hub

import (
	"math"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet"
)

// own is what this host says, and what the hub has of it. All times are by this host's uptime.
type own struct {
	instance string
	born     uint64 // the stream's last sequence when this process first read it: what is newer was said during its life

	wanted [fleet.Slots][]timed
	whole  time.Duration // of what was made until then, not all is wanted; forever: all is
	stored [fleet.Slots]stored

	// The hub has had bans of this host in a slot. If it has lost that message, others go on with what it
	// said until they hear that there are none.
	spoken [fleet.Slots]bool

	// sent is what was sent and has not been read from the stream yet. The hub does not acknowledge what
	// it stores: what the reader sees is stored, and in the stream that all others read.
	sent [fleet.Slots]sent

	// Another host has spoken by this host's name in a slot. It is answered, but not more often than
	// answerEvery: two that have one name must not keep all others busy.
	disputed [fleet.Slots]bool
	answered [fleet.Slots]time.Duration // uptime when it was last answered; 0: never
}

// answerEvery is how often a slot is said again that another host of this name has said.
const answerEvery = time.Minute

// timed is a statement with absolute times.
type timed struct {
	fleet.Said
	made time.Duration
	ends time.Duration // never if Left < 0
}

// stored is what the hub has of a slot.
type stored struct {
	seq  uint64
	said []timed
}

// sent is a slot that was sent.
type sent struct {
	at   time.Duration // uptime; 0: nothing has been sent that was not read
	vain int           // how often it was sent before, and not read
}

// A slot that has not been read for readBack after it was sent is sent again, and then after twice that
// time, at most longestBack.
const (
	readBack    = 5 * time.Second
	longestBack = time.Minute
)

func (s sent) patience() time.Duration { return min(readBack<<min(s.vain, 8), longestBack) }

// closeEnough is how much times may differ of what is said already: clocks are rounded to seconds, and
// the hub's is known but for the time that its answers take.
const closeEnough = 5 * time.Second

// forever is before all times.
const forever = time.Duration(math.MinInt64)

// absolute is what a host has said at a time, without what had ended then.
func absolute(said []fleet.Said, at time.Duration) []timed {
	all := make([]timed, 0, len(said))
	for _, s := range said {
		all = append(all, timed{s, at - s.Age, at + s.Left})
	}
	return all
}

// asOf is absolute's reverse, without what has ended.
func asOf(all []timed, now time.Duration) []fleet.Said {
	said := make([]fleet.Said, 0, len(all))
	for _, t := range all {
		s := t.Said
		s.Age = max(0, now-t.made)
		if s.Left >= 0 {
			if s.Left = t.ends - now; s.Left <= 0 {
				continue
			}
		}
		said = append(said, s)
	}
	return said
}

// say takes what this host says from now on: see [Conn.SayNewest].
func (o *own) say(slots [fleet.Slots][]fleet.Said, whole, uptime time.Duration) {
	o.whole = forever
	if whole > 0 {
		o.whole = uptime - whole
	}
	for i, said := range slots {
		o.wanted[i] = absolute(said, uptime)
	}
}

// message is what is to be said in a slot at present.
func (o *own) message(slot int, uptime time.Duration) (text []byte, leftOut int) {
	var whole time.Duration
	if o.whole > forever {
		whole = max(uptime-o.whole, 1)
	}
	return fleet.Encode(o.instance, asOf(o.wanted[slot], uptime), whole)
}

// unsaid counts what the hub does not have of a slot as it is to be: bans to make, to end or to change.
// What has ended needs nobody to say so.
func (o *own) unsaid(slot int, uptime time.Duration) int {
	have := asOf(o.stored[slot].said, uptime)
	if len(o.wanted[slot])+len(have) == 0 {
		if o.spoken[slot] && o.stored[slot].seq == 0 {
			return 1
		}
		return 0
	}
	text, _ := o.message(slot, uptime)
	want, err := fleet.Decode(slot, text) // as others will read it
	if err != nil {
		return 0 // nobody can read what this host makes of it: saying it again is no use
	}
	return differences(want.Said, have)
}

// differences counts addresses of which two lists do not say the same.
func differences(a, b []fleet.Said) int {
	byAddr := func(x, y fleet.Said) int { return x.Addr.Compare(y.Addr) }
	slices.SortFunc(a, byAddr)
	slices.SortFunc(b, byAddr)
	n := 0
	for len(a) > 0 && len(b) > 0 {
		switch byAddr(a[0], b[0]) {
		case -1:
			n, a = n+1, a[1:]
		case 1:
			n, b = n+1, b[1:]
		default:
			if !same(a[0], b[0]) {
				n++
			}
			a, b = a[1:], b[1:]
		}
	}
	return n + len(a) + len(b)
}

func same(a, b fleet.Said) bool {
	return a.Why == b.Why && a.Proved == b.Proved && (a.Left < 0) == (b.Left < 0) &&
		(a.Left < 0 || near(a.Left, b.Left)) && near(a.Age, b.Age)
}

func near(a, b time.Duration) bool { return max(a, b)-min(a, b) <= closeEnough }

// due returns the slots that are to be sent now, and how long it takes until another one is; 0: none is.
func (o *own) due(uptime time.Duration) (now []int, next time.Duration) {
	for slot := range o.wanted {
		if o.unsaid(slot, uptime) == 0 {
			o.sent[slot] = sent{}
			continue
		}
		var from time.Duration // when it may be sent
		if o.sent[slot].at > 0 {
			from = o.sent[slot].at + o.sent[slot].patience()
		}
		if o.disputed[slot] && o.answered[slot] > 0 {
			from = max(from, o.answered[slot]+answerEvery)
		}
		switch wait := from - uptime; {
		case wait <= 0:
			now = append(now, slot)
		case next == 0 || wait < next:
			next = wait
		}
	}
	return now, next
}

// sending notes that a slot is sent now.
func (o *own) sending(slot int, uptime time.Duration) {
	if o.disputed[slot] {
		o.disputed[slot] = false
		o.answered[slot] = uptime
	}
	s := &o.sent[slot]
	if s.at > 0 {
		s.vain++
	}
	s.at = uptime
}

// unread reports whether something was sent in vain.
func (o *own) unread() bool {
	return slices.ContainsFunc(o.sent[:], func(s sent) bool { return s.vain > 0 })
}

// reconnected notes that what was sent over another connection may be lost.
func (o *own) reconnected() { o.sent = [fleet.Slots]sent{} }

// read notes a message of this host's name. It reports whether another host has said it, which lives at
// the same time as this process. What another process has said before is none of a twin, nor is a
// message of this one that comes late.
func (o *own) read(m Slot, seq uint64) (twin bool) {
	twin = m.Instance != o.instance && seq > o.born
	if seq < o.stored[m.Slot].seq {
		return twin // something newer is known already
	}
	o.stored[m.Slot] = stored{seq, absolute(m.Said, m.At)}
	o.spoken[m.Slot] = o.spoken[m.Slot] || len(m.Said) > 0
	if m.Instance == o.instance {
		o.sent[m.Slot] = sent{}
	}
	o.disputed[m.Slot] = o.disputed[m.Slot] || twin
	return twin
}

// begin notes that a stream is read from its beginning.
func (o *own) begin(last uint64) {
	o.born = last
	o.stored = [fleet.Slots]stored{}
}
