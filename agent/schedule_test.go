package agent

import (
	"fmt"
	"math/rand/v2"
	"strings"
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

func noSplay(time.Duration) time.Duration { return 0 }

// tenth is the longest splay that a host can have.
func tenth(interval time.Duration) time.Duration { return min(interval/splayShare, maxSplay) }

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
		splay        func(time.Duration) time.Duration
		want         time.Time
	}{
		{"never fetched", fourHours, attempts{}, at(1, "05:00:00"), never, tenth, at(1, "05:00:00")},
		{"never fetched, and it has failed", fourHours, attempts{failures: 3}, at(1, "05:00:00"), never, tenth, at(1, "05:00:00")},
		{"at the next tick", fourHours, attempts{last: at(1, "04:00:00")}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a second before a tick", fourHours, attempts{last: at(1, "03:59:59")}, at(1, "03:59:59"), never, noSplay, at(1, "04:00:00")},
		{"at the next tick with the splay", fourHours, attempts{last: at(1, "04:15:00")}, at(1, "05:00:00"), never, tenth, at(1, "08:15:00")},
		{"the splay of a short interval", "*/10 * * * *", attempts{last: at(1, "04:01:00")}, at(1, "04:02:00"), never, tenth, at(1, "04:11:00")},
		{"the splay of an uneven interval", "0,50 * * * *", attempts{last: at(1, "04:00:00")}, at(1, "04:02:00"), never, tenth, at(1, "04:51:00")},
		{"somebody synced between the tick and its splay", fourHours, attempts{last: at(1, "04:05:00")}, at(1, "04:06:00"), never, tenth, at(1, "08:15:00")},
		{"@every has no splay", "@every 4h", attempts{last: at(1, "04:07:09")}, at(1, "05:00:00"), never, tenth, at(1, "08:07:09")},
		{"@hourly has one", "@hourly", attempts{last: at(1, "04:07:09")}, at(1, "04:08:00"), never, tenth, at(1, "05:06:00")},

		{"a tick was missed", fourHours, attempts{last: at(1, "04:00:00")}, at(1, "09:00:00"), never, noSplay, at(1, "08:00:00")},
		{"days were missed", fourHours, attempts{last: at(1, "04:00:00")}, at(5, "09:00:00"), never, tenth, at(1, "08:15:00")},
		{"days were missed, and it was made up", fourHours, attempts{last: at(5, "09:00:00")}, at(5, "09:00:01"), never, tenth, at(5, "12:15:00")},
		{"@every, days were missed and it was made up", "@every 4h", attempts{last: at(5, "09:00:00")}, at(5, "09:00:01"), never, tenth, at(5, "13:00:00")},

		{"the clock was set back", fourHours, attempts{last: at(5, "04:00:00")}, at(1, "05:00:00"), never, tenth, at(1, "05:00:00")},
		{"the clock was set back after a failure", fourHours, attempts{"", at(5, "04:00:00"), 3, fetch.ReasonStatus, false}, at(1, "05:00:00"), never, tenth, at(1, "05:00:00")},
		{"the clock was set back, and a list is held", fourHours, attempts{"", at(5, "04:00:00"), 3, feeds.ReasonShrank, false}, at(1, "05:00:00"), never, tenth, at(1, "05:00:00")},
		{"the clock runs a little behind", fourHours, attempts{last: at(1, "05:01:00")}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"the clock runs more than a little behind", fourHours, attempts{last: at(1, "05:01:01")}, at(1, "05:00:00"), never, noSplay, at(1, "05:00:00")},

		{"the first failure", fourHours, attempts{"", at(1, "04:00:10"), 1, fetch.ReasonUnreachable, false}, at(1, "04:00:20"), never, tenth, at(1, "04:01:10")},
		{"the second", fourHours, attempts{"", at(1, "04:00:10"), 2, fetch.ReasonStatus, false}, at(1, "04:00:20"), never, tenth, at(1, "04:02:10")},
		{"the sixth", fourHours, attempts{"", at(1, "04:00:10"), 6, fetch.ReasonTLS, false}, at(1, "04:00:20"), never, tenth, at(1, "04:30:10")},
		{"one of many", fourHours, attempts{"", at(1, "04:00:10"), many, feeds.ReasonNotAList, false}, at(1, "04:00:20"), never, tenth, at(1, "04:30:10")},
		{"the next tick is before the retry", fourHours, attempts{"", at(1, "07:55:00"), 6, fetch.ReasonStatus, false}, at(1, "07:55:01"), never, noSplay, at(1, "08:00:00")},
		{"the next tick of @every is before the retry", "@every 5m", attempts{"", at(1, "07:55:00"), 6, fetch.ReasonStatus, false}, at(1, "07:55:01"), never, noSplay, at(1, "08:00:00")},
		{"a retry was missed", fourHours, attempts{"", at(1, "04:00:10"), 1, fetch.ReasonStatus, false}, at(2, "09:00:00"), never, tenth, at(1, "04:01:10")},

		{"a list that has shrunk", fourHours, attempts{"", at(1, "04:00:10"), 1, feeds.ReasonShrank, false}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that has grown", fourHours, attempts{"", at(1, "04:00:10"), 1, feeds.ReasonGrew, false}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that has widened", fourHours, attempts{"", at(1, "04:00:10"), 1, feeds.ReasonWidened, false}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that is another one", fourHours, attempts{"", at(1, "04:00:10"), 1, feeds.ReasonTurned, false}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a server that asks for a pause", fourHours, attempts{"", at(1, "04:00:10"), 1, fetch.ReasonRetryLater, false}, at(1, "05:00:00"), never, noSplay, at(1, "08:00:00")},
		{"a list that has shrunk, in another network", fourHours, attempts{"", at(1, "04:00:10"), 1, feeds.ReasonShrank, false}, at(1, "05:00:00"), at(1, "05:00:00"), noSplay, at(1, "08:00:00")},
		{"a server that asks for a pause, in another network", fourHours, attempts{"", at(1, "04:00:10"), 1, fetch.ReasonRetryLater, false}, at(1, "05:00:00"), at(1, "05:00:00"), noSplay, at(1, "08:00:00")},

		{"the network has changed", fourHours, attempts{"", at(1, "04:00:00"), 6, fetch.ReasonUnreachable, false}, at(1, "04:05:00"), at(1, "04:05:00"), tenth, at(1, "04:05:00")},
		{"the network has changed since", fourHours, attempts{"", at(1, "04:00:00"), 6, fetch.ReasonUnreachable, false}, at(1, "04:06:00"), at(1, "04:05:00"), tenth, at(1, "04:05:00")},
		{"the network has changed just after the attempt", fourHours, attempts{"", at(1, "04:00:00"), 6, fetch.ReasonUnreachable, false}, at(1, "04:00:03"), at(1, "04:00:03"), tenth, at(1, "04:00:10")},
		{"the network has changed before the attempt", fourHours, attempts{"", at(1, "04:00:00"), 6, fetch.ReasonUnreachable, false}, at(1, "04:00:03"), at(1, "03:59:59"), tenth, at(1, "04:30:00")},
		{"the network has changed, and nothing has failed", fourHours, attempts{last: at(1, "04:00:00")}, at(1, "04:05:00"), at(1, "04:05:00"), noSplay, at(1, "08:00:00")},
		{"the network has changed when the clock was wrong", fourHours, attempts{"", at(1, "04:00:00"), 6, fetch.ReasonUnreachable, false}, at(1, "04:05:00"), at(1, "04:20:00"), tenth, at(1, "04:30:00")},
		{"the tick is before what the network allows", fourHours, attempts{"", at(1, "07:59:55"), 6, fetch.ReasonUnreachable, false}, at(1, "07:59:58"), at(1, "07:59:58"), noSplay, at(1, "08:00:00")},

		{"the copy is of another source", fourHours, attempts{last: at(1, "04:00:00"), other: true}, at(1, "04:00:01"), never, tenth, at(1, "04:00:01")},
		{"the copy is of another source, whose list has shrunk", fourHours, attempts{"", at(1, "04:00:00"), 1, feeds.ReasonShrank, true}, at(1, "04:00:01"), never, tenth, at(1, "04:00:01")},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := nextFetch(feedEvery(t, test.schedule), test.a, test.now, test.network, test.splay)
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
		if due := nextFetch(f, a, now, time.Time{}, tenth); due.After(now) {
			t.Errorf("%s: what was missed is due at %v only, after %v", schedule, due, now)
		}
		a.last = now
		if due := nextFetch(f, a, now, time.Time{}, tenth); !due.After(now) {
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
		if got := nextFetch(f, attempts{last: last}, last.Add(time.Minute), time.Time{}, noSplay); !got.Equal(want) {
			t.Errorf("after %v it is due at %v, not at %v", last, got.Local(), want)
		}
	}
}

// machine returns one of many random machine ids.
func machine(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 2026))
	return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
}

func TestHostSplay(t *testing.T) {
	const hosts = 1000
	for _, c := range []struct{ interval, most time.Duration }{
		{time.Minute, 6 * time.Second},
		{time.Hour, 6 * time.Minute},
		{150 * time.Minute, 15 * time.Minute},
		{4 * time.Hour, 15 * time.Minute},
		{7 * 24 * time.Hour, 15 * time.Minute},
	} {
		var tenths [10]int
		for i := range hosts {
			got := hostSplay(machine(i))(c.interval)
			if again := hostSplay(machine(i))(c.interval); got != again {
				t.Fatalf("host %d has now %v, now %v", i, got, again)
			}
			if got < 0 || got > c.most {
				t.Fatalf("host %d: %v of %v is not within %v", i, got, c.interval, c.most)
			}
			if got%time.Second != 0 {
				t.Fatalf("host %d: %v", i, got)
			}
			tenths[min(10*got/c.most, 9)]++
		}
		if c.most < time.Minute {
			continue // seconds are too coarse to be counted in tenths
		}
		// Of 1,000 hosts, 100 are in each tenth, with a standard deviation of 9.5. Five times
		// that does not happen by chance.
		for i, n := range tenths {
			if n < 52 || n > 148 {
				t.Errorf("%v: %d hosts of %d in tenth %d: %v", c.interval, n, hosts, i, tenths)
			}
		}
	}
}

// TestHostSplayDiffers: hosts with numbered names, which count where there is no machine id, do
// not all fetch at once.
func TestHostSplayDiffers(t *testing.T) {
	const hosts = 100
	for name, host := range map[string]func(i int) string{
		"machine ids":         machine,
		"names with a number": func(i int) string { return fmt.Sprintf("pbx%02d", i) },
		"names with a domain": func(i int) string { return fmt.Sprintf("pbx%02d.example.net", i) },
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(map[time.Duration]int)
			for i := range hosts {
				seen[hostSplay(host(i))(4*time.Hour)]++
			}
			// There are 900 seconds, so about 5 of 100 hosts share one by chance.
			if len(seen) < 80 {
				t.Errorf("%d hosts come in only %d different seconds", hosts, len(seen))
			}
			for second, n := range seen {
				if n > 5 {
					t.Errorf("%d hosts of %d come after %v", n, hosts, second)
				}
			}
		})
	}
}

func TestMachineID(t *testing.T) {
	if id := machineID(); id == "" || id != strings.TrimSpace(id) || id != machineID() {
		t.Errorf("%q", id)
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
		splay := hostSplay(rapid.String().Draw(t, "host"))

		due := nextFetch(f, a, now, network, splay)
		tick := f.Schedule.Next(last)
		bound := tick.Add(min(f.Schedule.Next(tick).Sub(tick)/10, 15*time.Minute))
		if !due.After(last) || due.After(bound) {
			t.Fatalf("last at %v, %d failures: due at %v, not up to %v", last, a.failures, due, bound)
		}
		if gap := due.Sub(last); gap < 10*time.Second && due.Before(tick) {
			t.Fatalf("again after %v, before the tick at %v", gap, tick)
		}
		if a.failures == 0 && due.Before(tick) {
			t.Fatalf("due at %v, before the tick at %v", due, tick)
		}
		// No time of the schedule is skipped.
		if after := f.Schedule.Next(tick); !due.Before(after) {
			t.Fatalf("due at %v, as late as the tick at %v", due, after)
		}
		// It is due only once: after a fetch at that time it is due later.
		if again := nextFetch(f, attempts{last: due}, due, time.Time{}, splay); !again.After(due) {
			t.Fatalf("fetched at %v it is due again at %v", due, again)
		}
	})
}
