package enroll

import (
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/problem"
)

// endedLately is for how long it is said that readers were ended.
const endedLately = 24 * time.Hour

// endedReaders says that the keeper had to end readers, for a day or until the key that made them is revoked; nil if it
// had not.
func (h *hubRun) endedReaders(e hub.Ended, now time.Time) *problem.Problem {
	if e.Readers == 0 || now.Sub(e.At) > endedLately {
		return nil
	}
	at := fmt.Sprintf("readers of the hub's stream that no host makes were ended, the last %d of them at %s: somebody has ", e.Readers, e.At.Local().Format(time.DateTime))
	p := &problem.Problem{Reason: "readers"}
	switch name := h.op.NameOf(e.Key); {
	case name != "":
		host, active := h.op.Active(fleet.Name(name))
		if !active || host.Key != e.Key {
			return nil
		}
		p.Error = at + fmt.Sprintf("the key of %s, or that of a relay for it", name)
		p.Remedy = addAgain(name, host.Mirror) // which revokes both
	case keys.IsKey(e.Key) && !slices.Contains(h.op.Strangers, e.Key):
		p.Error = at + fmt.Sprintf("the key %s, which %s does not know", e.Key, h.path(operator))
		p.Remedy = "voipbl fleet revoke " + e.Key
	default: // it is refused, or no key: one of those that relays could make for an earlier version of the hub
		return nil
	}
	return p
}
