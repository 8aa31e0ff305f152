package agent

import (
	"testing"
	"time"
)

// TestWatchdogNext: a watchdog that is not fed, because fetching hangs, does not keep the loop busy.
func TestWatchdogNext(t *testing.T) {
	now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	later := now.Add(time.Hour)
	for name, c := range map[string]struct {
		dog  watchdog
		want time.Time
	}{
		"none":            {watchdog{}, later},
		"fed":             {watchdog{every: time.Minute, last: now}, now.Add(time.Minute)},
		"something first": {watchdog{every: 2 * time.Hour, last: now}, later},
	} {
		if got := c.dog.next(later); !got.Equal(c.want) {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}
