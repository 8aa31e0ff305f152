// Package testpoll waits in tests for events that nothing signals.
package testpoll

import "time"

// A check often starts a process, and too many of them would slow down what the test waits
// for. So the pause between two checks grows by half each time: at first it hardly delays
// the test, at last it hardly uses the processor.
const (
	first = 20 * time.Millisecond
	most  = 500 * time.Millisecond
)

// Until calls so until it returns true, and reports whether that was within the time. It
// checks first at once, and last when the time is over.
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
