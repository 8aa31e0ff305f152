package testpoll

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestUntil runs in a synctest bubble, so its times are exact.
func TestUntil(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name         string
		within, when time.Duration // when so becomes true
		want         bool
		asked        []time.Duration
	}{
		{"so at once", time.Minute, 0, true, []time.Duration{0}},
		{"no time", 0, ms, false, []time.Duration{0}},
		{"less than none", -ms, 0, true, []time.Duration{0}},
		{"soon", time.Minute, 60 * ms, true, []time.Duration{0, 20 * ms, 50 * ms, 95 * ms}},
		{"at the end", 75 * ms, 75 * ms, true, []time.Duration{0, 20 * ms, 50 * ms, 75 * ms}},
		{"too late", 75 * ms, 76 * ms, false, []time.Duration{0, 20 * ms, 50 * ms, 75 * ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var asked []time.Duration
				got := Until(c.within, func() bool {
					asked = append(asked, time.Since(begin))
					return time.Since(begin) >= c.when
				})
				if got != c.want || !slices.Equal(asked, c.asked) {
					t.Errorf("%v, asked at %v, want %v at %v", got, asked, c.want, c.asked)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var longest time.Duration
		Until(time.Hour, func() bool {
			longest, begin = max(longest, time.Since(begin)), time.Now()
			return false
		})
		if longest != most {
			t.Errorf("the longest pause is %v, want %v", longest, most)
		}
	})
}
