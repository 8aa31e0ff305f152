// Package quota limits how much happens in a time. The time is the caller's.
package quota

import "time"

// Quota allows Most things in each Per, and so many at once after a time without any. It is not safe
// for use by several goroutines.
type Quota struct {
	Most int
	Per  time.Duration

	left float64
	last time.Time
}

// Take returns how many of n things may happen now, and counts these.
func (q *Quota) Take(n int, now time.Time) int {
	most := float64(q.Most)
	if q.last.IsZero() {
		q.left = most
	} else if since := now.Sub(q.last); since > 0 {
		q.left = min(most, q.left+most*float64(since)/float64(q.Per))
	}
	q.last = now
	n = min(n, int(q.left))
	q.left -= float64(n)
	return n
}
