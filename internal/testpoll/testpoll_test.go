package testpoll

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// idle is waited on an idle machine.
func idle() time.Duration { return 0 }

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
				got := until(c.within, stretch*c.within, idle, func() bool {
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
		var asked []time.Duration
		begin := time.Now()
		until(10*time.Second, time.Minute, idle, func() bool {
			asked = append(asked, time.Since(begin))
			<-time.After(2 * time.Second)
			return false
		})
		if want := []time.Duration{0, 4 * time.Second, 8 * time.Second}; !slices.Equal(asked, want) {
			t.Errorf("slow checks: asked at %v, want %v", asked, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var longest time.Duration
		until(time.Hour, time.Hour, idle, func() bool {
			longest, begin = max(longest, time.Since(begin)), time.Now()
			return false
		})
		if longest != most {
			t.Errorf("the longest pause is %v, want %v", longest, most)
		}
	})
}

// TestUntilOnBusyMachine: only time in which no task waits for a processor counts, but Until
// ends at the limit.
func TestUntilOnBusyMachine(t *testing.T) {
	for busy, want := range map[float64]time.Duration{0: 10 * time.Second, 0.5: 20 * time.Second, 0.75: 40 * time.Second, 0.9: 60 * time.Second, 1: 60 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			waited := func() time.Duration { return time.Hour + time.Duration(busy*float64(time.Since(begin))) }
			until(10*time.Second, 60*time.Second, waited, func() bool { return false })
			if took := time.Since(begin); (took - want).Abs() > time.Millisecond {
				t.Errorf("%.2f busy: given up after %v, want %v", busy, took, want)
			}
		})
	}
	for text, want := range map[string]time.Duration{
		"some avg10=87.73 avg60=87.80 avg300=93.24 total=21228528\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n": 21228528 * time.Microsecond,
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n":                                                           0,
		"some avg10=87.73\n": 0,
		"":                   0,
	} {
		if got := parsePressure(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
