package enroll

import (
	"fmt"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/hub"
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
	p := &problem.Problem{
		Reason: "readers",
		Error:  fmt.Sprintf("readers of the hub's stream that no host makes were ended, the last %d of them at %s", e.Readers, e.At.Local().Format(time.DateTime)),
		Remedy: "if a relay was broken into: \"voipbl fleet relay SITE --remove\"",
	}
	if name := h.op.NameOf(e.Key); name != "" {
		host, active := h.op.Active(fleet.Name(name))
		if !active || host.Key != e.Key {
			return nil
		}
		p.Error += fmt.Sprintf(": somebody has the key of %s, or that of its relay", name)
		p.Remedy = addAgain(name, host.Mirror) + ", which revokes both"
	}
	return p
}
