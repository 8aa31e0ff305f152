package feeds

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
)

// timesOf returns the times of a schedule with a splay, on a host with a share of it.
func timesOf(t *testing.T, schedule, splay string, share float64) Times {
	t.Helper()
	cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, "feeds: [{name: a, url: \"https://a.example/\", schedule: %q, splay: %s}]", schedule, splay))
	if err != nil {
		t.Fatal(err)
	}
	return Times{cfg.Feeds[0].Schedule, cfg.Feeds[0].Splay, share, share}
}

func clock(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("Mon 15:04:05 2006-01-02", text, time.Local)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestTimes(t *testing.T) {
	old := time.Local
	time.Local = time.UTC
	defer func() { time.Local = old }()
	for _, test := range []struct {
		schedule, splay string
		share           float64
		after           string
		want            []string
	}{
		{"0 */4 * * *", "auto", 0, "Mon 03:59:59 2026-03-02", []string{"Mon 04:00:00 2026-03-02", "Mon 08:00:00 2026-03-02"}},
		{"0 */4 * * *", "auto", 0.5, "Mon 03:59:59 2026-03-02", []string{"Mon 06:00:00 2026-03-02", "Mon 10:00:00 2026-03-02"}},
		{"0 */4 * * *", "auto", 0.9999999, "Mon 00:00:00 2026-03-02", []string{"Mon 03:59:59 2026-03-02", "Mon 07:59:59 2026-03-02"}},
		{"0 */4 * * *", "auto", 0.5, "Mon 05:59:59 2026-03-02", []string{"Mon 06:00:00 2026-03-02"}}, // somebody has just synced
		{"0 */4 * * *", "auto", 0.5, "Mon 06:00:00 2026-03-02", []string{"Mon 10:00:00 2026-03-02"}},
		{"0 */4 * * *", "15m", 0.5, "Mon 04:00:00 2026-03-02", []string{"Mon 04:07:30 2026-03-02", "Mon 08:07:30 2026-03-02"}},
		{"0 */4 * * *", "24h", 0.5, "Mon 04:00:00 2026-03-02", []string{"Mon 06:00:00 2026-03-02"}}, // never beyond the next
		{"0 */4 * * *", "0", 0.5, "Mon 04:00:00 2026-03-02", []string{"Mon 08:00:00 2026-03-02"}},
		{"@every 4h", "auto", 0.5, "Mon 04:01:02 2026-03-02", []string{"Mon 08:01:02 2026-03-02"}},
		{"@hourly", "auto", 0.5, "Mon 04:01:02 2026-03-02", []string{"Mon 04:30:00 2026-03-02", "Mon 05:30:00 2026-03-02"}},
		{"* * * * *", "auto", 0.5, "Mon 04:01:40 2026-03-02", []string{"Mon 04:02:30 2026-03-02", "Mon 04:03:30 2026-03-02"}},
		{"0 */6 * * *", "auto", 0.5, "Mon 00:00:00 2026-03-02", []string{"Mon 02:00:00 2026-03-02", "Mon 08:00:00 2026-03-02"}},
		{"0 3 * * *", "auto", 0.5, "Mon 00:00:00 2026-03-02", []string{"Mon 03:30:00 2026-03-02", "Tue 03:30:00 2026-03-03"}},
		{"0 3 * * *", "24h", 0.5, "Mon 00:00:00 2026-03-02", []string{"Mon 15:00:00 2026-03-02", "Tue 15:00:00 2026-03-03"}},
		{"30 6,7 * * *", "auto", 0.5, "Mon 00:00:00 2026-03-02", []string{"Mon 07:00:00 2026-03-02", "Mon 08:00:00 2026-03-02", "Tue 07:00:00 2026-03-03"}},
		{"0 8-18 * * 1-5", "auto", 0.5, "Fri 16:59:00 2026-03-06", []string{"Fri 17:30:00 2026-03-06", "Fri 18:30:00 2026-03-06", "Mon 08:30:00 2026-03-09"}},
		{"0 0 29 2 *", "auto", 0.5, "Mon 00:00:00 2026-03-02", []string{"Tue 00:30:00 2028-02-29"}},
	} {
		times, at := timesOf(t, test.schedule, test.splay, test.share), clock(t, test.after)
		for _, want := range test.want {
			if at = times.Next(at); !at.Equal(clock(t, want)) {
				t.Errorf("%s, splay %s, share %v, after %s: %v, not %s", test.schedule, test.splay, test.share, test.after, at, want)
				break
			}
		}
	}
	// A local list has none.
	if got := TimesOn("any", config.Default().Feeds[1]); got.share != 0 {
		t.Errorf("%+v", got)
	}
}

func TestMissed(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name, schedule, splay string
		since                 time.Duration // the last attempt, at midnight, and the start
		want                  time.Duration // from the start, for all of the splay
		failed                time.Duration // from the last success to the last attempt
	}{
		{"one", "0 */4 * * *", "auto", 5 * time.Hour, time.Hour, 0},
		{"one of an hourly list", "0 * * * *", "auto", 90 * time.Minute, 15 * time.Minute, 0},
		{"one of a daily list", "0 0 * * *", "auto", 25 * time.Hour, time.Hour, 0},
		{"a day", "0 */4 * * *", "auto", day, 5 * time.Minute, 0},
		{"one, and the copy is stale", "0 */4 * * *", "auto", 5 * time.Hour, 5 * time.Minute, day},
		{"a day of a list with a short splay", "0 */4 * * *", "1m", day, time.Minute, 0},
		{"a day of a list without splay", "0 */4 * * *", "0", day, 0, 0},
		{"one of @every", "@every 4h", "auto", 5 * time.Hour, time.Hour, 0},
	} {
		times := timesOf(t, test.schedule, test.splay, 0.999999999)
		last := clock(t, "Mon 00:00:00 2026-03-02")
		awake := last.Add(test.since)
		due := times.Next(last)
		due = last.Add(times.Next(due).Sub(due)) // as if the last one had been by the schedule
		got := times.Missed(last, last.Add(-test.failed), due, awake).Sub(awake)
		if got > test.want || got < test.want-2*time.Second {
			t.Errorf("%s: %v, not %v", test.name, got, test.want)
		}
	}
}

// machine returns one of many random machine ids.
func machine(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 2026))
	return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
}

// TestShares: hosts differ, also those with numbered names, which count where there is no machine
// id; the lists of one server do not.
func TestShares(t *testing.T) {
	const hosts = 1000
	f := config.Default().Feeds[0]
	for name, host := range map[string]func(i int) string{
		"machine ids":         machine,
		"names with a number": func(i int) string { return fmt.Sprintf("pbx%02d", i) },
		"names with a domain": func(i int) string { return fmt.Sprintf("pbx%02d.example.net", i) },
	} {
		var tenths [10]int
		for i := range hosts {
			got := TimesOn(host(i), f).share
			if again := TimesOn(host(i), f).share; got != again {
				t.Fatalf("%s: host %d has now %v, now %v", name, i, got, again)
			}
			tenths[int(10*got)]++
		}
		// Of 1,000 hosts, 100 are in each tenth, with a standard deviation of 9.5. Five times
		// that does not happen by chance.
		for i, n := range tenths {
			if n < 52 || n > 148 {
				t.Errorf("%s: %d hosts of %d in tenth %d: %v", name, n, hosts, i, tenths)
			}
		}
	}
	other, another := f, f
	other.Name, other.URL = "other", f.URL+"?bc=US"
	another.URL = "https://lists.example/"
	if a, b := TimesOn("x", f).share, TimesOn("x", other).share; a != b {
		t.Errorf("two lists of one server: %v and %v", a, b)
	}
	if a, b := TimesOn("x", f).share, TimesOn("x", another).share; a == b {
		t.Errorf("two servers: %v", a)
	}
	if id := thisHost(); id == "" {
		t.Error("this host has no name")
	}
}
