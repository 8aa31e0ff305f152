package hub

import (
	"testing"
	"time"
)

// TestPause: the first pauses are short, none is longer than the longest, none is 0.
func TestPause(t *testing.T) {
	for _, p := range []pause{hostPause, keeperPause} {
		first := p.limit
		for i := range 10 {
			if d := p.next(0); d < p.least || d > p.most || i == 0 && d > first {
				t.Errorf("pause %d: %s", i, d)
			}
		}
	}
}

// TestPauseSpent: what an attempt has waited for a hub that does not answer is a part of the pause.
func TestPauseSpent(t *testing.T) {
	for _, c := range []struct{ spent, least, most time.Duration }{
		{0, time.Second, 2 * time.Second},
		{time.Second, 0, time.Second},
		{2 * time.Second, 0, 0},
		{time.Hour, 0, 0},
	} {
		for range 100 {
			p := pause{time.Second, 2 * time.Second, 4 * time.Second}
			if d := p.next(c.spent); d < c.least || d > c.most {
				t.Fatalf("after an attempt that has waited for %s, the pause is %s", c.spent, d)
			}
		}
	}
}

// TestAlike: errors that differ in their numbers alone are said once.
func TestAlike(t *testing.T) {
	if !alike("dial tcp 127.0.0.1:4222: refused", "dial tcp 127.0.0.1:5333: refused") || alike("a", "b") {
		t.Error("alike")
	}
}
