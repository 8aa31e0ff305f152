// Package steps limits the total work of a search, and stops it when its caller no longer
// waits. It does not search itself. Packages that search rules use it; it imports nothing
// of voipbl.
package steps

import "context"

// Left is the number of steps that a search may still take. A nil *Left has no limit.
type Left struct {
	most, left int
	ctx        func() error // the context's error
	done       <-chan struct{}
}

// New returns a limit of most steps. It is used up when ctx ends.
func New(ctx context.Context, most int) *Left {
	return &Left{most: most, left: most, ctx: ctx.Err, done: ctx.Done()}
}

// lookEvery is after how many steps the context is checked.
const lookEvery = 1 << 10

// Take takes n steps, and reports whether they were left.
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

// End uses up all steps, because a part of the search has reached its own limit.
func (l *Left) End() {
	if l != nil {
		l.left = 0
	}
}

// Out reports whether no steps are left, so that the results are incomplete.
func (l *Left) Out() bool { return l != nil && l.left <= 0 }

// Err returns the error of a search that was cut short: that of the context if it has ended, else
// tooMany. It is nil if steps are left.
func (l *Left) Err(tooMany error) error {
	if !l.Out() {
		return nil
	}
	if err := l.ctx(); err != nil {
		return err
	}
	return tooMany
}

// Taken returns the number of steps taken.
func (l *Left) Taken() int { return l.most - l.left }

// Renew starts another search with the same number of steps.
func (l *Left) Renew() {
	if l != nil {
		l.left = l.most
	}
}
