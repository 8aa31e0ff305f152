package hub

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// clock turns the hub's time stamps into this host's uptime when they are read. From there on only the
// uptime counts: nobody who sets a clock, on this host or on the hub, lengthens or ends a ban here.
type clock struct {
	boot func() time.Duration // since this host's boot, with the time asleep
	wall func() time.Time

	mu    sync.Mutex
	ahead time.Duration // of the hub's clock, since 1970, to boot, by what the hub has said last
	skew  time.Duration // of this host's clock to the hub's, when the hub said its time
}

func newClock(boot func() time.Duration, wall func() time.Time) *clock {
	// Until a hub has answered, this host's clock has to do.
	return &clock{boot: boot, wall: wall, ahead: since1970(wall()) - boot()}
}

// uptime is CLOCK_BOOTTIME.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every kernel since 2.6.39 has it
	}
	return time.Duration(t.Nano())
}

func since1970(t time.Time) time.Duration { return time.Duration(t.UnixNano()) }

// uptime returns when this host's uptime was, or would have been, that at a time of the hub's clock. That
// is not later than now: the hub's clock may have been set back since it stamped a message.
func (c *clock) uptime(hub time.Time) time.Duration {
	now := c.boot()
	return min(0, c.offAt(hub, now)) + now
}

// off is how far a time of the hub's clock is ahead of what that clock should show now.
func (c *clock) off(hub time.Time) time.Duration { return c.offAt(hub, c.boot()) }

// offAt is off at an uptime. Asking the kernel for that is a good part of the work with a message.
func (c *clock) offAt(hub time.Time, now time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return since1970(hub) - c.ahead - now
}

// set takes over what the hub has just said. It returns how far its clock is from where it was by what the
// hub had said before.
func (c *clock) set(hub time.Time) (moved time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.ahead
	c.ahead = since1970(hub) - c.boot()
	c.skew = c.wall().Sub(hub)
	return (c.ahead - before).Abs()
}

func (c *clock) difference() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}
