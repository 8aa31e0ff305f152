package agent

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
)

func TestStale(t *testing.T) {
	cfg, err := config.Parse("", []byte("feeds: [{name: a, url: \"https://a.example/\", schedule: \"0 */4 * * *\"}]"))
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
		{"three intervals", 12 * time.Hour, false},
		{"more than three", 12*time.Hour + time.Second, true},
		{"a clock a little behind", -time.Hour, false},
		{"a clock that was set back", -48 * time.Hour, true},
	} {
		if got := stale(now.Add(-test.age), now, cfg.Feeds[0].Schedule); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if !stale(time.Time{}, now, cfg.Feeds[0].Schedule) {
		t.Error("never: not stale")
	}
}
