package agent

import (
	"context"

	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/state"
)

// lookAtHeld plans an apply once nobody holds newer lists any more, or somebody who was spared is to be
// blocked; see on_impact of the configuration.
func (d *daemon) lookAtHeld(context.Context) {
	held, spared := d.record.Held, d.record.Spared
	if held == nil && len(spared) == 0 || d.agenda.planned(applyTask) {
		return
	}
	over, err := impact.Over(d.cfg, held, spared, d.book.Banned(), state.Clock())
	d.warnIf("talking", err)
	if over {
		d.applySoon("a call or connection has ended", 0)
	}
}
