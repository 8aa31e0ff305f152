package banlist

import "time"

// Clock is one moment by all clocks. While a boot lasts the end of a ban is counted by
// Up, which no leap of the wall clock moves; only from one boot to the next the wall
// clock counts.
type Clock struct {
	Boot string        // which boot Up belongs to
	Up   time.Duration // since that boot, with the time asleep (CLOCK_BOOTTIME)
	Wall time.Time
}

// slack is how far two clocks drift apart without one of them having leapt.
const slack = time.Minute

// Leapt reports whether the wall clock was set between two moments of one boot, or they
// are of different boots: what was written down by the one is not good for the other.
func (c Clock) Leapt(since Clock) bool {
	return c.Boot != since.Boot || (c.Wall.Sub(since.Wall)-(c.Up-since.Up)).Abs() > slack
}

// end is when a ban ends, by the clocks of the moment at which that was written down.
type end struct {
	boot string
	up   time.Duration
	wall time.Time
}

// left is how long a ban still lasts at now. last is when something was last written
// down: by then the ban had the time left that the clock of its boot says, and since
// then the wall clock counts, though never backwards. A ban never lasts longer than
// was said.
func (e end) left(now, last Clock, said time.Duration) time.Duration {
	var left time.Duration
	switch {
	case e.boot != "" && e.boot == now.Boot:
		left = e.up - now.Up
	case e.boot != "" && e.boot == last.Boot:
		left = e.up - last.Up - max(0, now.Wall.Sub(last.Wall))
	default:
		wall := now.Wall
		if last.Wall.After(wall) { // the clock is behind
			wall = last.Wall
		}
		left = e.wall.Sub(wall)
	}
	return min(left, said)
}
