package blocklist

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
)

func TestStale(t *testing.T) {
	cfg, err := config.Parse("", []byte("feeds: [{name: a, url: \"https://a.example/\", schedule: \"0 */4 * * *\", splay: 0}]"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, test := range []struct {
		name string
		age  time.Duration
		want bool
	}{
		{"just now", 0, false},
		{"due twice", 9 * time.Hour, false},                     // at 4:00 and 0:00
		{"due three times", 9*time.Hour + 10*time.Minute, true}, // at 20:00 too
		{"a clock a little behind", -time.Hour, false},
		{"a clock that was set back", -48 * time.Hour, true},
	} {
		if got := feeds.IsStale(now.Add(-test.age), now, feeds.TimesOf(cfg.Feeds[0])); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	// At a schedule with gaps, the gaps do not count.
	office, err := config.Parse("", []byte("feeds: [{name: a, url: \"https://a.example/\", schedule: \"0 8-18 * * 1-5\", splay: 0}]"))
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2026, 3, 6, 18, 1, 0, 0, time.UTC)
	if feeds.IsStale(friday, friday.Add(48*time.Hour), feeds.TimesOf(office.Feeds[0])) {
		t.Error("stale on Sunday, when nothing was due since Friday")
	}
	if !feeds.IsStale(friday, friday.Add(65*time.Hour), feeds.TimesOf(office.Feeds[0])) {
		t.Error("not stale on Monday at 11, three times due")
	}
	if !feeds.IsStale(time.Time{}, now, feeds.TimesOf(cfg.Feeds[0])) {
		t.Error("never: not stale")
	}
}

func TestFrozen(t *testing.T) {
	cfg, err := config.Parse("", []byte("feeds: [{name: a, url: \"https://a.example/\", schedule: \"@every 1h\", frozen_after: 10}, {name: b, url: \"https://b.example/\", schedule: \"0 8-18 * * 1-5\", splay: 0, frozen_after: 10}, {name: c, url: \"https://c.example/\", frozen_after: 0}]"))
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2026, 3, 6, 18, 1, 0, 0, time.UTC)
	for _, test := range []struct {
		name             string
		feed             int
		changed, success time.Time
		want             bool
	}{
		{"just now", 0, friday, friday, false},
		{"nearly ten times", 0, friday, friday.Add(10*time.Hour - time.Second), false},
		{"ten times", 0, friday, friday.Add(10 * time.Hour), true},
		{"gaps of the schedule do not count", 1, friday, friday.Add(48 * time.Hour), false},
		{"ten times on Monday", 1, friday, friday.Add(72 * time.Hour), true},
		{"never told", 2, friday, friday.AddDate(1, 0, 0), false},
		{"it is not known when it changed", 0, time.Time{}, friday, false},
		{"it never succeeded", 0, friday, time.Time{}, false},
		{"a clock that was set back", 0, friday.AddDate(9, 0, 0), friday, false},
	} {
		if got := feeds.IsFrozen(test.changed, test.success, cfg.Feeds[test.feed]); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
