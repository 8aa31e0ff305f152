package quota

import (
	"testing"
	"time"
)

func TestQuota(t *testing.T) {
	q := Quota{Most: 60, Per: time.Minute}
	begin := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after       time.Duration
		asked, want int
	}{
		{0, 10, 10},
		{0, 60, 50}, // all of the first minute at once
		{0, 1, 0},
		{time.Second / 2, 1, 0},
		{time.Second, 5, 1},
		{time.Second, 5, 0},
		{0, 5, 0}, // the clock was set back
		{11 * time.Second, 0, 0},
		{11 * time.Second, 100, 11},
		{time.Hour, 100, 60},
	} {
		if got := q.Take(step.asked, begin.Add(step.after)); got != step.want {
			t.Errorf("after %s: %d of %d, not %d", step.after, got, step.asked, step.want)
		}
	}
}
