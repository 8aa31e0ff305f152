// Package testpoll is how tests wait for what nothing tells them of.
package testpoll

import "time"

// What is asked is often a process, and many of them at once keep what is waited for from
// the processor. So the pause between two questions grows, by half each time: from what is
// no wait at all to what no processor feels.
const (
	first = 20 * time.Millisecond
	most  = 500 * time.Millisecond
)

// Until asks until it is so, and reports whether it was within a time. The first question
// is asked at once, and the last one when the time is over.
func Until(within time.Duration, so func() bool) bool {
	end := time.Now().Add(within)
	for pause := first; !so(); pause = min(pause*3/2, most) {
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		<-time.After(min(pause, left))
	}
	return true
}
