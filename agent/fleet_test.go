package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
)

// A crowd is many hosts that fetch one list. The clock is virtual; when each host asks is what
// the agent's own scheduler says.
type crowd struct {
	feed  config.Feed
	hosts []member
	asked []time.Time // the requests of all hosts, sorted
}

type member struct {
	times feeds.Times
	a     attempts
	awake time.Time
}

// newFleet returns hosts that were installed at any moment of the day before begin.
func newFleet(f config.Feed, hosts int, begin time.Time) *crowd {
	fl := &crowd{feed: f}
	for i := range hosts {
		r := rand.New(rand.NewPCG(uint64(i), 2026))
		id := fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		m := member{times: feeds.TimesOn(id, f), a: attempts{last: begin.Add(-time.Duration(r.Int64N(int64(24 * hour))))}}
		fl.hosts = append(fl.hosts, m)
		fl.pass(i, begin, nil)
	}
	return fl
}

// pass lets a host fetch until a time, and tells of each fetch.
func (fl *crowd) pass(i int, to time.Time, tell func(time.Time)) {
	m := &fl.hosts[i]
	for now := m.a.last; ; {
		at := nextFetch(m.times, m.a, now, time.Time{}, m.awake)
		if !at.Before(to) {
			return
		}
		now = at
		m.a = attempts{last: at}
		if tell != nil {
			tell(at)
		}
	}
}

// run lets all hosts run until a time.
func (fl *crowd) run(to time.Time) {
	fl.asked = nil
	for i := range fl.hosts {
		fl.pass(i, to, func(at time.Time) { fl.asked = append(fl.asked, at) })
	}
	slices.SortFunc(fl.asked, time.Time.Compare)
}

// peak is the most requests in any window of time, a second.
func (fl *crowd) peak(window time.Duration) float64 {
	most, from := 0, 0
	for i, at := range fl.asked {
		for at.Sub(fl.asked[from]) >= window {
			from++
		}
		most = max(most, i+1-from)
	}
	return float64(most) / window.Seconds()
}

// TestFleet: 10,000 hosts on the default schedule ask as often as it says, none skips one of its
// times or is later than the splay, and their requests are spread evenly: below 2.5 a second over
// any ten seconds. (In a single second there are a few more by chance: shares of independent
// hosts are random.)
func TestFleet(t *testing.T) {
	hostZone(t, time.UTC)
	const hosts = 10_000
	f := config.Default().Feeds[0]
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	fl := newFleet(f, hosts, begin)
	for i := range fl.hosts {
		var got []time.Time
		m := fl.hosts[i]
		fl.pass(i, begin.Add(24*hour), func(at time.Time) { got = append(got, at) })
		fl.hosts[i] = m
		for tick := begin; tick.Before(begin.Add(24 * hour)); tick = f.Schedule.Next(tick) {
			if len(got) == 0 || got[0].Before(tick) || !got[0].Before(f.Schedule.Next(tick)) {
				t.Fatalf("host %d does not ask once between %v and %v: %v", i, tick, f.Schedule.Next(tick), got)
			}
			got = got[1:]
		}
		if len(got) > 0 {
			t.Fatalf("host %d asks once more at %v", i, got)
		}
	}
	fl.run(begin.Add(24 * hour))
	t.Logf("%d requests a day; a second at most %.1f over 1 s, %.1f over 10 s, %.1f over a minute", len(fl.asked), fl.peak(time.Second), fl.peak(10*time.Second), fl.peak(time.Minute))
	if len(fl.asked) != 6*hosts {
		t.Errorf("%d requests a day", len(fl.asked))
	}
	if got := fl.peak(10 * time.Second); got >= 2.5 {
		t.Errorf("%.1f requests a second", got)
	}
	if got := fl.peak(time.Second); got > 8 {
		t.Errorf("%.0f requests in one second", got)
	}
}

// TestFleetAfterAPowerCut: 2,000 hosts come back within the same second. A host that has missed a
// fetch makes it up soon, but not all at once, and then the fleet is spread as before.
func TestFleetAfterAPowerCut(t *testing.T) {
	hostZone(t, time.UTC)
	const hosts = 2_000
	f := config.Default().Feeds[0]
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		cut    time.Duration
		within time.Duration // all have fetched what they have missed
		most   float64       // requests a second over ten seconds
	}{
		{10 * min1, hour, 1.2},
		{5 * hour, hour, 2},
		{48 * hour, 5 * min1, 12},
	} {
		fl := newFleet(f, hosts, begin)
		back := begin.Add(test.cut)
		missed := 0
		for i := range fl.hosts {
			m := &fl.hosts[i]
			m.awake = back
			due := m.times.Next(m.a.last)
			if !due.Before(back) {
				continue
			}
			missed++
			if at := nextFetch(m.times, m.a, back, time.Time{}, back); at.Before(back) || at.After(back.Add(test.within)) {
				t.Fatalf("after %v host %d asks %v later", test.cut, i, at.Sub(back))
			}
		}
		fl.run(back.Add(4 * hour))
		t.Logf("after %v: %d have missed a fetch; a second at most %.1f over 10 s", test.cut, missed, fl.peak(10*time.Second))
		if got := fl.peak(10 * time.Second); got >= test.most {
			t.Errorf("after %v: %.1f requests a second", test.cut, got)
		}
		fl.run(back.Add(24 * hour))
		if got := fl.peak(10 * time.Second); got >= 1.2 {
			t.Errorf("later that day: %.1f requests a second", got)
		}
	}
	// A list is held back: what counts is the last success, and not the last attempt five hours ago.
	m := newFleet(f, 1, begin).hosts[0]
	back := begin.Add(5 * hour)
	for success, most := range map[time.Time]time.Duration{begin.Add(-4 * hour): hour, begin.Add(-24 * hour): 5 * min1} {
		a := attempts{last: begin, failures: 2, reason: feeds.ReasonShrank, success: success}
		wait := nextFetch(m.times, a, back, time.Time{}, back).Sub(back)
		if a.success = begin; wait < 0 || wait > most || most < hour && wait >= nextFetch(m.times, a, back, time.Time{}, back).Sub(back) {
			t.Errorf("it succeeded at %v and waits for %v", success, wait)
		}
	}
	// Without a copy, or after a failure, a host does not wait.
	for _, a := range []attempts{{}, {last: begin.Add(-48 * hour), failures: 1, reason: fetch.ReasonUnreachable}, {last: begin.Add(-48 * hour), other: true}} {
		if at := nextFetch(m.times, a, begin, time.Time{}, begin); at.After(begin) {
			t.Errorf("%+v: it waits until %v", a, at)
		}
	}
}
