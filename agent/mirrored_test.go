package agent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
)

// said is what a mirror says from a time on, and how its list's source is then.
type said struct {
	at, fetched time.Time
	failing     bool
	forged      bool // the hosts do not believe its list
}

// simHost is one in a fleet with a mirror. The clock is virtual; when it asks whom is what the agent's own
// scheduler says.
type simHost struct {
	times feeds.Times
	a     attempts
	w     *word
	fails bool // the source does not answer
}

// hears takes over what the mirror says, as lists does.
func (h *simHost) hears(s said, now time.Time) {
	w := &word{fetched: s.fetched, said: s.at, heard: now, failing: s.failing, settled: s.forged, refused: s.forged}
	if h.w != nil && h.w.fetched.Equal(w.fetched) {
		w.heard, w.settled = h.w.heard, h.w.settled || s.forged
	}
	h.w = w
}

// run lets a host live until a time, and returns when it has asked the source.
func (h *simHost) run(words []said, begin, end time.Time) (asked []time.Time) {
	for now := begin; now.Before(end); {
		for len(words) > 0 && !words[0].at.After(now) {
			h.hears(words[0], now)
			words = words[1:]
		}
		at, mirrored := nextSource(h.times, h.a, h.w, nextFetch(h.times, h.a, now, time.Time{}, time.Time{}), now)
		switch {
		case at.After(now):
			if len(words) > 0 && words[0].at.Before(at) {
				at = words[0].at
			}
			now = at
			continue
		case mirrored:
			h.w.settled = true
			h.a = attempts{last: now, success: h.w.fetched, mirrored: true}
		case h.fails:
			asked = append(asked, now)
			h.a.last, h.a.failures, h.a.reason = now, h.a.failures+1, fetch.ReasonUnreachable
		default:
			asked = append(asked, now)
			h.a = attempts{last: now, success: now}
		}
	}
	return asked
}

// mirrorFleet is so many hosts that have just taken a list, and their mirror's words.
func mirrorFleet(t *testing.T, schedule string, size int) (begin time.Time, mirror *simHost, hosts []*simHost) {
	hostZone(t, time.UTC)
	begin = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	f := urls(t, "a "+schedule).Feeds[0]
	f.Splay = config.SplayAuto
	mirror = &simHost{times: feeds.TimesOn("acme_hub", f), a: attempts{last: begin, success: begin}}
	for i := range size {
		id := fmt.Sprintf("%08x", i*2654435761)
		hosts = append(hosts, &simHost{times: feeds.TimesOn(id, f), a: attempts{last: begin.Add(time.Duration(i%60) * time.Second), success: begin, mirrored: true}, w: &word{fetched: begin, said: begin, heard: begin, settled: true}})
	}
	return begin, mirror, hosts
}

// most is the most requests of all hosts within a time.
func most(asked []time.Time, window time.Duration) (n int) {
	slices.SortFunc(asked, time.Time.Compare)
	from := 0
	for i, at := range asked {
		for at.Sub(asked[from]) >= window {
			from++
		}
		n = max(n, i+1-from)
	}
	return n
}

// fewHosts are enough where each lives long.
const fewHosts = 100

var mirrorSchedules = []string{"0 */4 * * *", "@every 4h", "*/30 * * * *", "@every 30m"}

// TestOneFetchAFleet: of a thousand hosts with a mirror, only the mirror asks the source, as often as its
// schedule says. If it is gone, the others ask, spread over the time until their lists would be stale.
func TestOneFetchAFleet(t *testing.T) {
	for i, schedule := range mirrorSchedules {
		size := fewHosts
		if i == 0 {
			size = 1000
		}
		begin, mirror, hosts := mirrorFleet(t, schedule, size)
		gone := begin.Add(48 * hour)
		fetches := mirror.run(nil, begin, gone)
		perDay := len(fetches) / 2
		if schedule == mirrorSchedules[0] && 2*perDay > 12 {
			t.Errorf("%s: %d requests a day with two mirrors", schedule, 2*perDay)
		}
		var words []said
		for _, at := range fetches {
			words = append(words, said{at: at, fetched: at})
		}
		last := fetches[len(fetches)-1]
		every := 24 * hour / time.Duration(perDay)
		var asked []time.Time
		for i, h := range hosts {
			all := h.run(words, begin, last.Add(3*every))
			for _, at := range all {
				if at.Sub(last) < every*3/2 {
					t.Fatalf("%s: host %d asks the source %s after its mirror did", schedule, i, at.Sub(last))
				}
			}
			if len(all) == 0 || feeds.IsStale(last, all[0], h.times) {
				t.Fatalf("%s: host %d asks at %v, and its list was fetched at %s", schedule, i, all, last)
			}
			asked = append(asked, all[0])
		}
		// All ask within an interval.
		if n, fair := most(asked, every/10), size/10; n > 3*fair {
			t.Errorf("%s: %d hosts ask the source within a tenth of an interval, in which %d would be even", schedule, n, fair)
		}
	}
}

// TestSourceAway: while the source answers nobody for a week, hosts with a mirror do not ask it until their
// lists are old, and then once a day, each at its own time; the mirror's first new list ends that.
func TestSourceAway(t *testing.T) {
	for _, schedule := range mirrorSchedules[:2] {
		begin, mirror, hosts := mirrorFleet(t, schedule, fewHosts)
		fetches := mirror.run(nil, begin, begin.Add(24*hour))
		last := fetches[len(fetches)-1]
		every := 24 * hour / time.Duration(len(fetches))
		back := last.Add(7 * 24 * hour)
		var words []said
		for _, at := range fetches {
			words = append(words, said{at: at, fetched: at})
		}
		for at := last.Add(every); at.Before(back); at = at.Add(every / 4) {
			words = append(words, said{at: at, fetched: last, failing: true})
		}
		words = append(words, said{at: back, fetched: back})
		var all []time.Time
		for i, h := range hosts {
			h.fails = true
			asked := h.run(words, begin, back.Add(every))
			if len(asked) > 7 || len(asked) < 6 {
				t.Fatalf("%s: host %d asks the source %d times in a week: %v", schedule, i, len(asked), asked)
			}
			if asked[0].Sub(last) < every*3/2 || !h.a.success.Equal(back) || h.a.failures > 0 {
				t.Fatalf("%s: host %d: %v, %+v", schedule, i, asked, h.a)
			}
			all = append(all, asked...)
		}
		if n, fair := most(all, every/10), fewHosts/10; n > 3*fair {
			t.Errorf("%s: %d hosts ask the source within a tenth of an interval, in which %d would be even", schedule, n, fair)
		}
	}
}

// TestForgedLists: if a mirror's lists are not believed, each host asks the source as it would without a fleet.
func TestForgedLists(t *testing.T) {
	for _, schedule := range mirrorSchedules {
		begin, mirror, hosts := mirrorFleet(t, schedule, fewHosts)
		var words []said
		for _, at := range mirror.run(nil, begin, begin.Add(48*hour)) {
			words = append(words, said{at: at, fetched: at, forged: true})
		}
		var all []time.Time
		perDay := 0
		for i, h := range hosts {
			h.w = nil
			alone := *h
			asked, without := h.run(words, begin, begin.Add(48*hour)), alone.run(nil, begin, begin.Add(48*hour))
			if d := len(asked) - len(without); d > 1 || d < -1 {
				t.Fatalf("%s: host %d asks %d times, and without a fleet %d times", schedule, i, len(asked), len(without))
			}
			perDay = len(asked) / 2
			all = append(all, asked...)
		}
		if n, fair := most(all, 24*hour/time.Duration(10*perDay)), fewHosts/10; n > 3*fair {
			t.Errorf("%s: %d hosts ask the source within a tenth of an interval, in which %d would be even", schedule, n, fair)
		}
	}
}

// TestNextSource: whom a host asks next.
func TestNextSource(t *testing.T) {
	hostZone(t, time.UTC)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	times := feeds.TimesOn("acme_pbx1", urls(t, "a @every 4h").Feeds[0])
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	due := now.Add(-hour) // when the source is due by the schedule
	had := attempts{last: ago(5 * hour), success: ago(5 * hour)}
	fresh := &word{fetched: ago(hour), said: ago(hour), heard: ago(hour)}
	with := func(w *word, change func(w *word)) *word { c := *w; change(&c); return &c }
	just := with(fresh, func(w *word) { w.heard = ago(min1) })
	relied := func(w *word) time.Time { return times.Patience(w.fetched) }
	for _, c := range []struct {
		what     string
		a        attempts
		w        *word
		at       time.Time
		mirrored bool
	}{
		{"no mirror", had, nil, due, false},
		{"no mirror any more", attempts{last: ago(5 * hour), success: ago(5 * hour), mirrored: true}, nil, times.Apart(due), false},
		{"a newer list", had, fresh, times.Poked(fresh.heard), true},
		{"a first list", attempts{}, just, times.Poked(just.heard), true},
		{"of another source here", attempts{last: now, success: now, other: true}, just, times.Poked(just.heard), true},
		{"the same list", attempts{last: ago(hour), success: ago(hour)}, fresh, relied(fresh), false},
		{"taken", had, with(fresh, func(w *word) { w.settled = true }), relied(fresh), false},
		{"not believed", had, with(fresh, func(w *word) { w.settled, w.refused = true, true }), due, false},
		{"not to be had", had, with(fresh, func(w *word) { w.tries, w.tried = 1, now }), now.Add(tryPause), true},
		{"never to be had", had, with(fresh, func(w *word) { w.tries, w.tried = mostTries, now }), due, false},
		{"nor for an hour", attempts{last: ago(4 * hour), failures: 9, success: ago(4 * hour)}, with(fresh, func(w *word) { w.tries, w.tried = mostTries, ago(3*hour) }), ago(2 * hour), true},
		{"no list, and it takes long", attempts{}, with(fresh, func(w *word) { w.tries, w.tried = 1, now }), due, false},
		{"a stale one, and it takes long", attempts{last: ago(20 * hour), success: ago(20 * hour)}, with(fresh, func(w *word) { w.tries, w.tried = 1, now }), due, false},
		{"an old list", had, with(fresh, func(w *word) { w.fetched, w.said = ago(13*hour), ago(13*hour) }), due, false},
		{"an old list, whose source is away", attempts{last: ago(20 * hour), success: ago(20 * hour)}, with(just, func(w *word) { w.fetched, w.failing = ago(13*hour), true }), times.Poked(just.heard), true},
		{"that list is here", attempts{last: ago(13 * hour), success: ago(13 * hour)}, with(fresh, func(w *word) { w.fetched, w.failing, w.settled = ago(13*hour), true, true }), later(due, times.Patience(ago(13*hour))), false},
		{"and its source was asked", attempts{last: ago(hour), failures: 1, success: ago(13 * hour)}, with(fresh, func(w *word) { w.fetched, w.failing, w.settled = ago(13*hour), true, true }), ago(hour).Add(failingPace), false},
		{"and the mirror is gone", attempts{last: ago(hour), failures: 1, success: ago(26 * hour)}, with(fresh, func(w *word) { w.fetched, w.said, w.failing = ago(26*hour), ago(25*hour), true }), due, false},
	} {
		at, mirrored := nextSource(times, c.a, c.w, due, now)
		if !at.Equal(c.at) || mirrored != c.mirrored {
			t.Errorf("%s: at %s, by a mirror: %v; want %s, %v", c.what, at, mirrored, c.at, c.mirrored)
		}
	}
}
