package agent

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/firewall"
)

// TestBeat: all regular checks are due in the same moment, so that the agent wakes up once for them,
// and early enough for a repair within 15 seconds, however large the sets are.
func TestBeat(t *testing.T) {
	for _, entries := range []int{0, 71_642, 1_000_000, 5_000_000} {
		d := &daemon{}
		d.fw, d.inKernel = &firewall.Firewall{Backend: firewall.NFT}, entries
		d.looked(aMoment)
		at := d.agenda[glanceTask]
		if wait := at.Sub(aMoment); wait < tick || wait > maxGlance {
			t.Errorf("%d entries are looked at after %s", entries, wait)
		}
		for _, other := range []time.Time{d.agenda[rulesTask], d.agenda[studyTask], d.agenda.beat(aMoment)} {
			if !other.Equal(at) {
				t.Errorf("%d entries: checks at %v and %v", entries, at, other)
			}
		}
		if after := d.agenda.beat(at); !after.Equal(at.Add(tick)) {
			t.Errorf("%d entries: the next is at %v", entries, after)
		}
		d.fw.Backend = firewall.Legacy // which sends no news
		if got := d.rulesNext(aMoment); !got.Equal(aMoment.Add(legacyEvery)) {
			t.Errorf("legacy rules are looked at %v", got)
		}
	}
}
