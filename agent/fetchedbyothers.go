package agent

import (
	"context"
	"maps"
	"time"

	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/state"
)

// lookAtCopies plans an apply if another process has fetched a list and not applied it, as a
// "voipbl sync" that was killed. Each such list is tried once: an apply that fails is tried again
// for itself.
func (d *daemon) lookAtCopies(ctx context.Context) {
	if d.agenda.planned(applyTask) {
		return
	}
	store, err := state.FindStore(d.cfg)
	if err != nil || store == nil {
		return
	}
	defer store.Close()
	waiting := feeds.Waiting(store, d.cfg.Feeds)
	if len(waiting) == 0 || maps.EqualFunc(waiting, d.waited, time.Time.Equal) {
		return
	}
	unlock, err := state.Lock(ctx, d.cfg.RunDir, state.MainLock, "voipbl run, looking", state.LookWait, nil)
	if err != nil {
		return // a sync or the fetcher is about to apply it
	}
	unlock()
	if again := feeds.Waiting(store, d.cfg.Feeds); maps.EqualFunc(again, waiting, time.Time.Equal) {
		d.waited = waiting
		d.applySoon("a list was fetched by another command and not put in force", 0)
	}
}
