// Package steps bounds what one search does in all, and ends it when whoever asks is gone.
package steps

import "context"

// Left are the steps that a search may still take. A nil one has no end.
type Left struct {
	most, left int
	done       <-chan struct{}
}

// New are so many steps, until ctx ends.
func New(ctx context.Context, most int) *Left {
	return &Left{most: most, left: most, done: ctx.Done()}
}

// lookEvery is after how many steps it is looked whether anybody waits still.
const lookEvery = 1 << 10

// Take takes some steps, and reports whether they were left.
func (l *Left) Take(n int) bool {
	if l == nil {
		return true
	}
	if before := l.left; n > 0 && (before/lookEvery != (before-n)/lookEvery || before == l.most) {
		select {
		case <-l.done:
			l.left = 0
		default:
		}
	}
	l.left = max(l.left-n, 0)
	return l.left > 0
}

// End leaves none: a part of the search has come to a bound of its own.
func (l *Left) End() {
	if l != nil {
		l.left = 0
	}
}

// Out reports whether there are none left: what is found from then on is not all.
func (l *Left) Out() bool { return l != nil && l.left <= 0 }

// Taken is how many have been taken.
func (l *Left) Taken() int { return l.most - l.left }

// Renew begins another search, with as many steps.
func (l *Left) Renew() {
	if l != nil {
		l.left = l.most
	}
}
