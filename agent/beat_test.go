package agent

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/firewall"
)

// TestBeat: all regular checks are made in the same moment, so that the agent wakes up once for them,
// and early enough for a repair within 15 seconds, however large the sets are.
func TestBeat(t *testing.T) {
	for _, entries := range []int{0, 10, 1000, 71_642, 1_000_000, 5_000_000} {
		d := &daemon{}
		d.fw, d.inKernel = &firewall.Firewall{Backend: firewall.NFT}, entries
		d.looked(aMoment)
		d.agenda.set(bansTask, d.agenda.beat(aMoment))
		studied, now := aMoment, aMoment
		for round := range 200 {
			wake := d.agenda.next(now)
			if wait := wake.Sub(now); wait < tick || wait > maxGlance {
				t.Fatalf("%d entries: round %d: the next comes after %s", entries, round, wait)
			}
			now = wake.Add(time.Duration(round%7) * 3 * time.Millisecond) // it is late
			for _, task := range []task{glanceTask, rulesTask, bansTask} {
				if !d.agenda.due(task, now) {
					t.Fatalf("%d entries: round %d wakes the agent %s too early for task %d", entries, round, d.agenda[task].Sub(now), task)
				}
			}
			d.glanced(now)
			if d.agenda.due(studyTask, now) {
				d.studied(now)
				studied = now
			}
			if late := now.Sub(studied) - d.studyEvery(); late > maxGlance {
				t.Fatalf("%d entries: round %d: the full check is %s late", entries, round, late)
			}
			d.agenda.set(rulesTask, d.rulesNext(now))
			d.agenda.set(bansTask, d.agenda.beat(now))
		}
		d.fw.Backend = firewall.Legacy // which sends no news
		if got := d.rulesNext(aMoment); !got.Equal(aMoment.Add(legacyEvery)) {
			t.Errorf("legacy rules are looked at %v", got)
		}
	}
}
