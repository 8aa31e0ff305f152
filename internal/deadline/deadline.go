// Package deadline computes when something ends that was made for a limited time, such
// as a ban, so that setting a clock cannot make it last longer. It reads no clock:
// callers pass the times. allowlist, banlist, exempt, feeds and rules use it; it
// imports nothing of voipbl.
package deadline

import "time"

// Clock is one moment by all clocks. Within a boot, time is counted by Up, which does not
// change when the wall clock is set. The wall clock counts only from one boot to the
// next.
type Clock struct {
	Boot string        `json:"boot"` // which boot Up belongs to
	Up   time.Duration `json:"up"`   // since that boot, with the time asleep (CLOCK_BOOTTIME)
	Wall time.Time     `json:"wall"`
}

// Slack is how far two clocks may drift apart before one of them counts as set.
const Slack = time.Minute

// Leapt reports whether the wall clock was set between two moments of one boot, or they
// are of different boots. If so, what was written by the earlier clock must be
// rewritten.
func (c Clock) Leapt(since Clock) bool {
	return c.Boot != since.Boot || (c.Wall.Sub(since.Wall)-(c.Up-since.Up)).Abs() > Slack
}

// After returns the moment d later.
func (c Clock) After(d time.Duration) Clock {
	return Clock{c.Boot, c.Up + d, c.Wall.Add(d)}
}

// mostAway is the longest time that may pass by the wall clock between the last write and a
// later boot. A clock that is further ahead counts as wrong, as after an empty battery, and
// then no time has passed. So on a host that was off, or wrote nothing, for longer than
// that, things last as long as they had left at the last write.
const mostAway = 180 * 24 * time.Hour

// since returns the time since another moment by the wall clock.
func (c Clock) since(last Clock) time.Duration {
	if away := c.Wall.Sub(last.Wall); away > 0 && away <= mostAway {
		return away
	}
	return 0
}

// Passed returns the time since something was written: by the clock of the boot within one
// boot, otherwise by the wall clock.
func (c Clock) Passed(since Clock) time.Duration {
	if since.Boot != "" && since.Boot == c.Boot {
		return max(0, c.Up-since.Up)
	}
	return c.since(since)
}

// Left returns the time from now to a written end. last is the time of the last write.
// Until then the clock of that boot counts, and after it the wall clock, but never
// backwards nor more than mostAway. The result is never longer than said, the time for
// which it was made.
func (end Clock) Left(now, last Clock, said time.Duration) time.Duration {
	var left time.Duration
	switch {
	case end.Boot != "" && end.Boot == now.Boot:
		left = end.Up - now.Up
	case end.Boot != "" && end.Boot == last.Boot:
		left = end.Up - last.Up - now.since(last)
	case last.Wall.IsZero():
		left = end.Wall.Sub(now.Wall)
	default:
		left = end.Wall.Sub(last.Wall.Add(now.since(last)))
	}
	return min(left, said)
}

// UTC returns the clock with the wall clock in UTC, as in files.
func (c Clock) UTC() Clock {
	c.Wall = c.Wall.UTC().Round(0)
	return c
}
