package agent

import (
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// lookAtHeld plans an apply once nobody holds newer lists any more, or somebody who was spared is to be
// blocked (see on_impact of the configuration), and if another process has decided about that since. What
// that has decided leads to one apply: the run folder may not be writable.
func (d *daemon) lookAtHeld() {
	if d.agenda.planned(applyTask) {
		return
	}
	decided := func(r state.SetRecord) string { return problem.Digest([]any{r.Held, r.Spared}) }
	if last := state.LastRecord(d.cfg); last.Known(d.cfg) && decided(last) != decided(d.record) && decided(last) != d.heldByOthers {
		d.heldByOthers = decided(last)
		d.applySoon("another command has held lists, or put them in force", 0)
		return
	}
	held, spared := d.record.Held, d.record.Spared
	if held == nil && len(spared) == 0 {
		return
	}
	over, err := impact.Over(d.cfg, held, spared, d.book.Banned(), state.Clock())
	d.warnIf("talking", err)
	if over {
		d.applySoon("a call or connection has ended, or is to end", 0)
	}
}
