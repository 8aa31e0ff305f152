package agent

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // where the system has none

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
)

// feedEvery returns a feed with a URL and the schedule.
func feedEvery(t interface{ Fatal(...any) }, schedule string) config.Feed {
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, "feeds: [{name: a, url: \"https://a.example/\", schedule: %q}]", schedule))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Feeds[0]
}

// hostZone sets the host's time zone for the rest of the test.
func hostZone(t *testing.T, zone *time.Location) {
	old := time.Local
	time.Local = zone
	t.Cleanup(func() { time.Local = old })
}

// noSplay has each feed fetched at the times of its schedule.
func noSplay(f config.Feed) feeds.Times {
	f.Splay = config.SplayNone
	return feeds.TimesOf(f)
}

// late is the splay of 15 minutes on a host that has nearly all of it: 14:59.
func late(f config.Feed) feeds.Times {
	f.Splay = 15 * time.Minute
	return feeds.TimesOn(lateHost(f), f)
}

// lateHosts are the hosts that lateHost has found, by URL.
var lateHosts sync.Map

// lateHost returns such a host.
func lateHost(f config.Feed) string {
	if host, known := lateHosts.Load(f.URL); known {
		return host.(string)
	}
	f.Schedule = config.Default().Feeds[0].Schedule
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.Local)
	for i := range 100_000 {
		host := fmt.Sprint(i)
		if feeds.TimesOn(host, f).Next(midnight).Sub(midnight) == 15*time.Minute-time.Second {
			lateHosts.Store(f.URL, host)
			return host
		}
	}
	panic("no host is so late")
}

// at returns a time in one week; day 0 is a Sunday.
func at(day int, clock string) time.Time {
	c, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 3, 1+day, c.Hour(), c.Minute(), c.Second(), 0, time.UTC)
}

func TestNextFetch(t *testing.T) {
	const (
		fourHours = "0 */4 * * *"
		many      = 42 // failures: so many that the pause has its full length
	)
	never := time.Time{}
	for _, test := range []struct {
		name         string
		schedule     string
		a            attempts
		now, network time.Time
		times        func(config.Feed) feeds.Times
		want         time.Time
	}{
		{"never fetched", fourHours, attempts{}, at(1, "05:00:00"), never, noSplay, at(1, "05:00:00")},
		{"never fetched, and it has failed", fourHours, attempts{failures: 3}, at(1, "05:00:00"), never, noSplay, at(1, "05:00:00")},
		{"at the next tick", fourHours, attempts{last: at(1, "04:00:00")}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a second before a tick", fourHours, attempts{last: at(1, "03:59:59")}, at(1, "03:59:59"), never, noSplay, at(1, "04:00:00")},
		{"at the next tick with the splay", fourHours, attempts{last: at(1, "04:15:00")}, at(1, "05:00:00"), never, late, at(1, "08:14:59")},
		{"the splay of a short interval", "*/10 * * * *", attempts{last: at(1, "04:01:00")}, at(1, "04:02:00"), never, late, at(1, "04:09:59")},
		{"the splay of an uneven interval", "0,50 * * * *", attempts{last: at(1, "04:00:00")}, at(1, "04:02:00"), never, late, at(1, "04:14:59")},
		{"somebody synced between the tick and its splay", fourHours, attempts{last: at(1, "04:05:00")}, at(1, "04:06:00"), never, late, at(1, "04:14:59")},
		{"@every has no splay", "@every 4h", attempts{last: at(1, "04:07:09")}, at(1, "05:00:00"), never, noSplay, at(1, "08:07:09")},
		{"@hourly has one", "@hourly", attempts{last: at(1, "04:07:09")}, at(1, "04:08:00"), never, late, at(1, "04:14:59")},

		{"a tick was missed", fourHours, attempts{last: at(1, "04:00:00")}, at(1, "09:00:00"), never, noSplay, at(1, "08:00:00")},
		{"days were missed", fourHours, attempts{last: at(1, "04:00:00")}, at(5, "09:00:00"), never, late, at(1, "04:14:59")},
		{"days were missed, and it was made up", fourHours, attempts{last: at(5, "09:00:00")}, at(5, "09:00:01"), never, late, at(5, "12:14:59")},
		{"@every, days were missed and it was made up", "@every 4h", attempts{last: at(5, "09:00:00")}, at(5, "09:00:01"), never, noSplay, at(5, "13:00:00")},

		{"the clock was set back", fourHours, attempts{last: at(5, "04:00:00")}, at(1, "05:00:00"), never, noSplay, at(1, "05:00:00")},
		{"the clock was set back after a failure", fourHours, attempts{last: at(5, "04:00:00"), failures: 3, reason: fetch.ReasonStatus}, at(1, "05:00:00"), never, noSplay, at(1, "05:00:00")},
		{"the clock was set back, and a list is held", fourHours, attempts{last: at(5, "04:00:00"), failures: 3, reason: feeds.ReasonShrank}, at(1, "05:00:00"), never, noSplay, at(1, "05:00:00")},
		{"the clock runs a little behind", fourHours, attempts{last: at(1, "05:01:00")}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"the clock runs more than a little behind", fourHours, attempts{last: at(1, "05:01:01")}, at(1, "05:00:00"), never, noSplay, at(1, "05:00:00")},

		{"the first failure", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: fetch.ReasonUnreachable}, at(1, "04:00:20"), never, noSplay, at(1, "04:01:10")},
		{"the second", fourHours, attempts{last: at(1, "04:00:10"), failures: 2, reason: fetch.ReasonStatus}, at(1, "04:00:20"), never, noSplay, at(1, "04:02:10")},
		{"the sixth", fourHours, attempts{last: at(1, "04:00:10"), failures: 6, reason: fetch.ReasonTLS}, at(1, "04:00:20"), never, noSplay, at(1, "04:30:10")},
		{"one of many", fourHours, attempts{last: at(1, "04:00:10"), failures: many, reason: feeds.ReasonNotAList}, at(1, "04:00:20"), never, noSplay, at(1, "04:30:10")},
		{"the next tick is before the retry", fourHours, attempts{last: at(1, "07:55:00"), failures: 6, reason: fetch.ReasonStatus}, at(1, "07:55:01"), never, noSplay, at(1, "08:00:00")},
		{"the next tick of @every is before the retry", "@every 5m", attempts{last: at(1, "07:55:00"), failures: 6, reason: fetch.ReasonStatus}, at(1, "07:55:01"), never, noSplay, at(1, "08:00:00")},
		{"a retry was missed", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: fetch.ReasonStatus}, at(2, "09:00:00"), never, noSplay, at(1, "04:01:10")},

		{"a list that has shrunk", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: feeds.ReasonShrank}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that has grown", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: feeds.ReasonGrew}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that has widened", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: feeds.ReasonWidened}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that is another one", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: feeds.ReasonTurned}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a server that asks for a pause", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: fetch.ReasonRetryLater}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that has shrunk, in another network", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: feeds.ReasonShrank}, at(1, "05:00:00"), at(1, "05:00:00"), noSplay, at(1, "08:00:00")},
		{"a server that asks for a pause, in another network", fourHours, attempts{last: at(1, "04:00:10"), failures: 1, reason: fetch.ReasonRetryLater}, at(1, "05:00:00"), at(1, "05:00:00"), noSplay, at(1, "08:00:00")},

		{"the network has changed", fourHours, attempts{last: at(1, "04:00:00"), failures: 6, reason: fetch.ReasonUnreachable}, at(1, "04:05:00"), at(1, "04:05:00"), noSplay, at(1, "04:05:00")},
		{"the network has changed since", fourHours, attempts{last: at(1, "04:00:00"), failures: 6, reason: fetch.ReasonUnreachable}, at(1, "04:06:00"), at(1, "04:05:00"), noSplay, at(1, "04:05:00")},
		{"the network has changed just after the attempt", fourHours, attempts{last: at(1, "04:00:00"), failures: 6, reason: fetch.ReasonUnreachable}, at(1, "04:00:03"), at(1, "04:00:03"), noSplay, at(1, "04:00:10")},
		{"the network has changed before the attempt", fourHours, attempts{last: at(1, "04:00:00"), failures: 6, reason: fetch.ReasonUnreachable}, at(1, "04:00:03"), at(1, "03:59:59"), noSplay, at(1, "04:30:00")},
		{"the network has changed, and nothing has failed", fourHours, attempts{last: at(1, "04:00:00")}, at(1, "04:05:00"), at(1, "04:05:00"), noSplay, at(1, "08:00:00")},
		{"the network has changed when the clock was wrong", fourHours, attempts{last: at(1, "04:00:00"), failures: 6, reason: fetch.ReasonUnreachable}, at(1, "04:05:00"), at(1, "04:20:00"), noSplay, at(1, "04:30:00")},
		{"the tick is before what the network allows", fourHours, attempts{last: at(1, "07:59:55"), failures: 6, reason: fetch.ReasonUnreachable}, at(1, "07:59:58"), at(1, "07:59:58"), noSplay, at(1, "08:00:00")},

		{"the copy is of another source", fourHours, attempts{last: at(1, "04:00:00"), other: true}, at(1, "04:00:01"), never, noSplay, at(1, "04:00:01")},
		{"the copy is of another source, whose list has shrunk", fourHours, attempts{last: at(1, "04:00:00"), failures: 1, reason: feeds.ReasonShrank, other: true}, at(1, "04:00:01"), never, noSplay, at(1, "04:00:01")},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := nextFetch(test.times(feedEvery(t, test.schedule)), test.a, test.now, test.network, time.Time{})
			if !got.Equal(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestMissedTicks: a host is off for days, again and again.
func TestMissedTicks(t *testing.T) {
	for _, schedule := range []string{"0 */4 * * *", "@every 4h", "*/5 * * * *", "@daily"} {
		f := feedEvery(t, schedule)
		a := attempts{last: at(0, "00:20:00")}
		now := at(3, "13:14:15")
		if due := nextFetch(noSplay(f), a, now, time.Time{}, time.Time{}); due.After(now) {
			t.Errorf("%s: what was missed is due at %v only, after %v", schedule, due, now)
		}
		a.last = now
		if due := nextFetch(noSplay(f), a, now, time.Time{}, time.Time{}); !due.After(now) {
			t.Errorf("%s: what was missed is made up twice", schedule)
		}
	}
}

// TestScheduleIsOfTheHostsZone: state files have their times in UTC.
func TestScheduleIsOfTheHostsZone(t *testing.T) {
	hostZone(t, time.FixedZone("UTC-5", -5*60*60))
	f := feedEvery(t, "0 3 * * *")
	last := time.Date(2026, 3, 4, 3, 0, 0, 0, time.Local)
	want := time.Date(2026, 3, 5, 3, 0, 0, 0, time.Local)
	for _, last := range []time.Time{last, last.UTC()} {
		if got := nextFetch(noSplay(f), attempts{last: last}, last.Add(time.Minute), time.Time{}, time.Time{}); !got.Equal(want) {
			t.Errorf("after %v it is due at %v, not at %v", last, got.Local(), want)
		}
	}
}

// drawSchedule draws a schedule that config accepts.
func drawSchedule(t *rapid.T) config.Feed {
	field := func(name string, low, high int) string {
		a := rapid.IntRange(low, high).Draw(t, name)
		b := rapid.IntRange(a, high).Draw(t, name+" to")
		step := rapid.IntRange(1, high).Draw(t, name+" step")
		return rapid.SampledFrom([]string{
			"*", fmt.Sprint(a), fmt.Sprintf("%d-%d", a, b), fmt.Sprintf("%d,%d", a, b), fmt.Sprintf("*/%d", step), fmt.Sprintf("%d-%d/%d", a, b, step),
		}).Draw(t, name+" form")
	}
	spec := strings.Join([]string{field("minute", 0, 59), field("hour", 0, 23), field("day", 1, 28), field("month", 1, 12), field("weekday", 0, 6)}, " ")
	if rapid.IntRange(0, 4).Draw(t, "every") == 0 {
		spec = fmt.Sprintf("@every %ds", rapid.IntRange(60, 1_000_000).Draw(t, "seconds"))
	}
	return feedEvery(t, spec)
}

func TestNextFetchProperties(t *testing.T) {
	// Zones with daylight saving time: from 2:00, from midnight, and by half an hour.
	zones := []*time.Location{time.UTC}
	for _, name := range []string{"Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	host := time.Local
	defer func() { time.Local = host }()
	rapid.Check(t, func(t *rapid.T) {
		time.Local = rapid.SampledFrom(zones).Draw(t, "zone")
		f := drawSchedule(t)
		last := time.Unix(rapid.Int64Range(1_700_000_000, 2_700_000_000).Draw(t, "last"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		now := last.Add(time.Duration(rapid.Int64Range(-int64(clockSlack), int64(30*24*time.Hour)).Draw(t, "since")))
		network := time.Time{}
		if rapid.Bool().Draw(t, "network has changed") {
			network = last.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "network")))
		}
		a := attempts{last: last, failures: rapid.IntRange(0, 100).Draw(t, "failures")}
		if a.failures > 0 {
			a.reason = rapid.SampledFrom([]fetch.Reason{fetch.ReasonUnreachable, fetch.ReasonRetryLater, feeds.ReasonShrank}).Draw(t, "reason")
		}
		f.Splay = rapid.SampledFrom([]time.Duration{config.SplayAuto, config.SplayNone, time.Minute, 24 * time.Hour}).Draw(t, "splay")
		times := feeds.TimesOn(rapid.String().Draw(t, "host"), f)
		awake := rapid.SampledFrom([]time.Time{{}, last, now}).Draw(t, "awake")

		due := nextFetch(times, a, now, network, awake)
		tick := f.Schedule.Next(last)
		bound := f.Schedule.Next(tick)
		if late := awake.Add(time.Hour); late.After(bound) {
			bound = late // it was missed
		}
		if !due.After(last) || due.After(bound) {
			t.Fatalf("last at %v, %d failures: due at %v, not up to %v", last, a.failures, due, bound)
		}
		if gap := due.Sub(last); a.failures > 0 && gap < 10*time.Second && due.Before(times.Next(last)) {
			t.Fatalf("again after %v, before the time at %v", gap, times.Next(last))
		}
		if a.failures == 0 && due.Before(times.Next(last)) {
			t.Fatalf("due at %v, before the time at %v", due, times.Next(last))
		}
		// It is due only once: after a fetch at that time it is due later.
		if again := nextFetch(times, attempts{last: due}, due, time.Time{}, awake); !again.After(due) {
			t.Fatalf("fetched at %v it is due again at %v", due, again)
		}
	})
}
