package agent

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/voipbl/voipbl/hits"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// This file writes down what each list has stopped while no apply does: about once an hour, by the
// counters that a full check of the sets reads anyway. It does not do so when the agent stops: the
// sets stay, with their counters, and only a reboot would need another reading of all entries.

// settleDue reports whether what each list has stopped was not written down for long.
func (d *drift) settleDue(now time.Time) bool { return now.Sub(d.settled) >= hits.Every }

// readCounts returns a function like [ipsetsync.Kernel.Content] that also keeps what entries have counted.
func (d *drift) readCounts(kernel *ipsetsync.Kernel) func(set string) (*ipsetsync.Content, error) {
	return func(set string) (*ipsetsync.Content, error) {
		c, counts, err := kernel.ContentAndCounts(set)
		d.stopped = append(d.stopped, counts...)
		return c, err
	}
}

// settleStopped writes down what each list has stopped, if a full check has just read it. What it cannot do
// now is done by the next apply, or in an hour.
func (d *daemon) settleStopped(ctx context.Context) {
	if d.stopped == nil {
		return
	}
	counts, now := d.stopped, time.Now()
	d.stopped, d.settled = nil, now
	defer debug.FreeOSMemory()
	unlock, err := state.Lock(ctx, d.cfg.RunDir, state.SetsLock, "voipbl run, counting", state.LookWait, nil)
	if err != nil {
		return
	}
	defer unlock()
	sets := hits.SetsOf(d.record)
	if hits.SetsOf(state.LastRecord(d.cfg)) != sets {
		return // another process has written the sets since
	}
	store, err := state.OpenStore(d.cfg)
	if err != nil {
		return
	}
	defer store.Close()
	d.warn("stopped", hits.Between(store, d.cfg, now.UTC().Truncate(time.Second), sets, counts))
}
