// Package deadline says when something ends that was said to last for a time, so that
// no clock that is set can make it last longer. It is pure: it reads no clock.
package deadline

import "time"

// Clock is one moment by all clocks. While a boot lasts an end is counted by Up, which no
// leap of the wall clock moves; only from one boot to the next the wall clock counts.
type Clock struct {
	Boot string        `json:"boot"` // which boot Up belongs to
	Up   time.Duration `json:"up"`   // since that boot, with the time asleep (CLOCK_BOOTTIME)
	Wall time.Time     `json:"wall"`
}

// Slack is how far two clocks drift apart without one of them having leapt.
const Slack = time.Minute

// Leapt reports whether the wall clock was set between two moments of one boot, or they
// are of different boots: what was written down by the one is not good for the other.
func (c Clock) Leapt(since Clock) bool {
	return c.Boot != since.Boot || (c.Wall.Sub(since.Wall)-(c.Up-since.Up)).Abs() > Slack
}

// After is the moment that comes after a time.
func (c Clock) After(d time.Duration) Clock {
	return Clock{c.Boot, c.Up + d, c.Wall.Add(d)}
}

// MostAway is how far the wall clock may have gone from when something was last written
// down to a later boot. A clock that is further ahead is taken to be wrong, as after an
// empty battery: no time passes by it. A host that is off for longer, or writes nothing for
// longer, has what was to end meanwhile for as long as it had left then.
const MostAway = 180 * 24 * time.Hour

// since is how long it is by the wall clock since another moment.
func (c Clock) since(last Clock) time.Duration {
	if away := c.Wall.Sub(last.Wall); away > 0 && away <= MostAway {
		return away
	}
	return 0
}

// Passed is how much time has passed since something was written down: by the clock of the
// boot while that lasts, else by the wall clock.
func (c Clock) Passed(since Clock) time.Duration {
	if since.Boot != "" && since.Boot == c.Boot {
		return max(0, c.Up-since.Up)
	}
	return c.since(since)
}

// Left is how long it is from now to an end that was written down. last is when something
// was last written down: by then there was the time left that the clock of its boot says,
// and since then the wall clock counts, though never backwards, nor further than MostAway.
// It is never longer than was said.
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

// UTC is the clock with the wall clock in UTC, as it is written down.
func (c Clock) UTC() Clock {
	c.Wall = c.Wall.UTC().Round(0)
	return c
}
