package watch

import (
	"testing"
	"time"
)

// TestWitness: copies have ceased if requests go on without them, and not sooner.
func TestWitness(t *testing.T) {
	type look struct {
		after          time.Duration // since the begin
		copies, events uint64
		missed         uint64
	}
	const s = time.Second
	for _, c := range []struct {
		name  string
		looks []look
	}{
		{"both go on", []look{{0, 10, 5, 0}, {10 * s, 20, 9, 0}, {20 * s, 30, 15, 0}}},
		{"nothing happens", []look{{0, 10, 5, 0}, {1000 * s, 10, 5, 0}}},
		{"copies cease", []look{{0, 10, 5, 0}, {10 * s, 10, 6, 0}, {20 * s, 10, 7, 0}, {30 * s, 10, 8, 3}, {40 * s, 10, 8, 3}, {50 * s, 10, 18, 13}}},
		{"beats that are not exact", []look{{0, 10, 5, 0}, {10*s + 3, 10, 8, 0}, {20 * s, 10, 11, 6}, {30 * s, 10, 11, 6}}},
		{"and come again", []look{{0, 10, 5, 0}, {10 * s, 10, 7, 0}, {20 * s, 10, 9, 4}, {30 * s, 11, 10, 0}, {40 * s, 11, 11, 0}}},
		{"none has ever come", []look{{0, 0, 0, 0}, {10 * s, 0, 2, 0}, {20 * s, 0, 4, 4}}},
		{"an event of the last look, and a copy of this one", []look{{0, 10, 5, 0}, {10 * s, 10, 6, 0}, {20 * s, 12, 8, 0}, {30 * s, 12, 8, 0}}},
		{"many at once, then nothing", []look{{0, 10, 5, 0}, {10 * s, 10, 99, 0}, {100 * s, 10, 99, 0}}},
		{"looks that follow each other at once", []look{{0, 10, 5, 0}, {1 * s, 10, 9, 0}, {2 * s, 10, 19, 0}, {9 * s, 10, 29, 0}, {10 * s, 10, 39, 34}}},
	} {
		var w witness
		begin := time.Now()
		for i, l := range c.looks {
			if got := w.look(begin.Add(l.after), l.copies, l.events); got != l.missed {
				t.Errorf("%s, look %d: %d", c.name, i, got)
			}
		}
	}
}
