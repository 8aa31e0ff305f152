package fleet

import (
	"cmp"
	"slices"
	"time"
	"unique"
)

// statement is a ban that a host has said, in 32 bytes.
type statement struct {
	key    key
	made   time.Duration // by the clock of Heard, as all times here
	end    time.Duration // never, if it has none
	reason unique.Handle[reason]
}

// reason is what is said of a ban besides its times. Many bans have the same one.
type reason struct {
	why    string
	proved bool
	kept   bool // its host's message had no room for it any more, and has not taken it back
}

// never is later than any end.
const never = time.Duration(1<<63 - 1)

// reasons are those that are known, mostReasons at most. Others have no words.
type reasons struct {
	known map[string]bool // by what they say
	vain  int             // how many others were met since it was counted which are in use
}

func newReasons() reasons { return reasons{known: make(map[string]bool)} }

// reason returns that of a ban.
func (h *Heard) reason(s Said) unique.Handle[reason] {
	r := &h.reasons
	if !r.known[s.Why] {
		if len(r.known) >= mostReasons && r.vain >= max(mostReasons, h.statements) {
			*r = newReasons()
			for _, o := range h.hosts {
				for _, s := range o.said {
					r.known[s.reason.Value().why] = true
				}
			}
		}
		if len(r.known) >= mostReasons {
			r.vain++
			s.Why = ""
		} else {
			r.known[s.Why] = true
		}
	}
	return unique.Make(reason{why: s.Why, proved: s.Proved})
}

// stated returns what was said at a moment; false for an address that is not canonical.
func (h *Heard) stated(s Said, at time.Duration) (statement, bool) {
	k, ok := keyOf(s.Addr)
	st := statement{key: k, made: at - min(max(s.Age, 0), mostTime), end: never, reason: h.reason(s)}
	if s.Left >= 0 {
		st.end = after(at, s.Left)
	}
	return st, ok
}

// after returns the time d after t, which is no sooner than 0.
func after(t, d time.Duration) time.Duration {
	sum := t + d
	if sum < t { // an overflow
		return never
	}
	return sum
}

// jitter is how far the times of one ban differ from message to message: they are in whole seconds,
// and a message takes a moment to the hub.
const jitter = 2 * time.Second

// same reports whether two statements about one address say the same.
func (s statement) same(o statement) bool {
	return s.reason == o.reason && (s.made-o.made).Abs() < jitter && (s.end == o.end || (s.end-o.end).Abs() < jitter)
}

func byKey(a, b statement) int { return cmp.Compare(a.key, b.key) }

// place is where a statement stands among those of its host: the newest first.
type place struct {
	made time.Duration
	key  key
}

func (s statement) place() place { return place{s.made, s.key} }

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(b.made, a.made), cmp.Compare(a.key, b.key))
}

// cut says which statements of a host are too many. The zero value cuts none.
type cut struct {
	cuts   bool
	last   place  // the last one that counts of those within their networks' shares
	shares shares // what is beyond them
	beyond place  // the last one that counts of those
}

func (c cut) leavesOut(s statement) bool { return c.leavesOutPlace(s.place()) }

func (c cut) leavesOutPlace(p place) bool {
	if !c.cuts {
		return false
	}
	if c.shares.exceeds(p) {
		return comparePlaces(p, c.beyond) > 0
	}
	return comparePlaces(p, c.last) > 0
}

func (c cut) same(o cut) bool {
	return c.cuts == o.cuts && c.last == o.last && c.beyond == o.beyond && slices.Equal(c.shares, o.shares)
}

// foremostOf is behind no other place.
var foremostOf = place{made: never}

// cutBehind returns the cut behind so many of the places, which it sorts.
func cutBehind(places []place, most int) cut {
	if len(places) <= most {
		return cut{}
	}
	c := cut{cuts: true, last: foremostOf, beyond: foremostOf}
	if most <= 0 {
		return c
	}
	slices.SortFunc(places, comparePlaces)
	c.shares = sharesOf(places)
	left := most
	for beyond, to := range []*place{&c.last, &c.beyond} {
		for _, p := range places {
			if left > 0 && c.shares.exceeds(p) == (beyond == 1) {
				*to = p
				left--
			}
		}
	}
	return c
}

// cuts are those of a host: what it has not repeated, since its message had no room for it, takes no place of
// what it says.
type cuts struct {
	said, kept cut

	until time.Duration // as time passes, they change then
}

func (c cuts) leavesOut(s statement) bool {
	if s.reason.Value().kept {
		return c.kept.leavesOut(s)
	}
	return c.said.leavesOut(s)
}

func (c cuts) same(o cuts) bool { return c.said.same(o.said) && c.kept.same(o.kept) }

// cutAt returns the cuts behind the foremost statements of a host that may count by a policy. What is over, and
// what does not count otherwise, takes no place.
func cutAt(all []statement, p Policy, now time.Duration) cuts {
	c := cuts{until: never}
	if len(all) <= p.PerHost {
		return c
	}
	said, kept := make([]place, 0, len(all)), []place(nil)
	for _, s := range all {
		r := s.reason.Value()
		end := min(s.end, after(s.made, p.Longest))
		switch {
		case end <= now || p.Proved && !r.proved:
			continue
		case r.kept:
			kept = append(kept, s.place())
		default:
			said = append(said, s.place())
		}
		c.until = min(c.until, end)
	}
	c.said, c.kept = cutBehind(said, p.PerHost), cutBehind(kept, p.PerHost)
	return c
}
