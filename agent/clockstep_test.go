package agent

import (
	"testing"
	"time"

	fleetlink "github.com/voipbl/voipbl/fleet/link"
	pbxlink "github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/state"
)

// TestClockStep: how long ago something was heard does not change because the clock of this host is set.
func TestClockStep(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, by := range []time.Duration{time.Hour, -time.Hour, 30 * 24 * time.Hour, time.Second, 0} {
		var s agentState
		s.change(func(a *state.AgentStatus) {
			a.ConfigLoaded, a.FleetConnected = ago(5*time.Minute), ago(3*time.Minute)
			a.PBX = &pbxlink.Reported{At: ago(time.Second)}
			a.Fleet = &fleetlink.Reported{At: ago(2 * time.Second), Health: fleetlink.Health{Connected: ago(4 * time.Minute), Twin: ago(time.Minute)}}
		})
		before := s.get()
		s.ahead -= by // as if the clock had been behind by that until now
		after := s.get()
		want := by
		if by.Abs() < clockStep {
			want = 0
		}
		for what, pair := range map[string][2]time.Time{
			"the configuration": {before.ConfigLoaded, after.ConfigLoaded}, "the watcher": {before.PBX.At, after.PBX.At},
			"the fleet's process": {before.Fleet.At, after.Fleet.At}, "the hub": {before.FleetConnected, after.FleetConnected},
			"the connection": {before.Fleet.Health.Connected, after.Fleet.Health.Connected}, "a twin": {before.Fleet.Health.Twin, after.Fleet.Health.Twin},
		} {
			if got := pair[1].Sub(pair[0]); got != want {
				t.Errorf("clock set by %s: the time of %s is restated by %s", by, what, got)
			}
		}
		if !after.Fleet.Health.Since.IsZero() || s.get().Fleet.At != after.Fleet.At {
			t.Errorf("clock set by %s: a time that is none, or twice", by)
		}
	}
}
