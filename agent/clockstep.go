package agent

import (
	"time"

	"github.com/voipbl/voipbl/state"
)

// Other programs tell by these times of the status how long something has not been heard of. If the clock of
// this host is set, they are restated, so that it makes nothing look dead that is well, and nothing
// alive that has ended.

// clockStep is by how much a clock has to differ to count as set. Clocks that are slewed are restated then, too.
const clockStep = 2 * time.Second

// clockAhead is how far the clock is ahead of this host's uptime.
func clockAhead() time.Duration { return time.Duration(time.Now().UnixNano()) - state.Clock().Up }

// restate restates the times if the clock was set since the last time. The caller holds the lock.
func (s *agentState) restate(ahead time.Duration) {
	if s.ahead == 0 {
		s.ahead = ahead
	}
	by := (ahead - s.ahead).Round(time.Second) // as the times are
	if by.Abs() < clockStep {
		return
	}
	s.ahead += by
	shiftTimes(&s.now, by)
}

// shiftTimes shifts the times at which something was heard.
func shiftTimes(s *state.AgentStatus, by time.Duration) {
	shift := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(by)
		}
	}
	shift(&s.ConfigLoaded)
	shift(&s.FleetConnected)
	if s.PBX != nil { // others may be reading it
		s.PBX = new(*s.PBX)
		shift(&s.PBX.At)
	}
	if s.Fleet != nil {
		s.Fleet = new(*s.Fleet)
		for _, t := range []*time.Time{&s.Fleet.At, &s.Fleet.Health.Since, &s.Fleet.Health.Connected, &s.Fleet.Health.Twin} {
			shift(t)
		}
	}
}
