// Package testpoll waits in tests for events that nothing signals.
package testpoll

import "time"

// A check often starts a process, and too many of them would slow down what the test waits
// for. So the pause between two checks grows by half each time: at first it hardly delays
// the test, at last it hardly uses the processor. It is never shorter than the check, which takes
// long on a busy machine.
const (
	first = 20 * time.Millisecond
	most  = 500 * time.Millisecond
)

// stretch limits how long Until waits on a busy machine, as a multiple of its time.
const stretch = 6

// Until calls so until it returns true, and reports whether that was within the time. It
// checks first at once, and last when the time is over. Time in which tasks on the machine
// had to wait for a processor does not count, up to a limit, so that tests do not fail on a
// busy machine.
func Until(within time.Duration, so func() bool) bool {
	return until(within, stretch*within, waited, so)
}

// For is Until with a fixed time, for checks that may stay false without a failure.
func For(within time.Duration, so func() bool) bool {
	return until(within, within, waited, so)
}

// until implements Until. waited returns how long tasks have had to wait for a
// processor since some moment.
func until(within, atMost time.Duration, waited func() time.Duration, so func() bool) bool {
	begin, before := time.Now(), waited()
	for pause := first; ; pause = min(pause*3/2, most) {
		asked := time.Now()
		if so() {
			return true
		}
		took := time.Since(asked)
		left := min(within+waited()-before, atMost) - time.Since(begin)
		if left <= 0 {
			return false
		}
		<-time.After(min(max(pause, took), left))
	}
}
