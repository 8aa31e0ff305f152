package watch

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/voipbl/voipbl/pbx/link"
)

const (
	wholeEvery  = 5 * time.Minute // how often the agent is told of all phones; the shortest grace is an hour
	healthEvery = 10 * time.Second
	mostBanned  = 100 // in one request
	mostTold    = 1000

	// sparedFor is how long an address counts as a friend that the agent has refused to ban.
	sparedFor  = time.Hour
	mostSpared = 4 << 10
)

// teller tells the agent what has been found out. It never keeps the detector waiting: what the
// agent cannot be told now waits in the outbox.
type teller struct {
	*outbox
	w      *Watcher
	bans   bool // and not only phones
	trust  bool
	health func(now time.Time, so link.Health) link.Health // adds how the sources are

	spared   map[netip.Addr]time.Time // addresses that the agent has refused to ban
	sparedMu sync.Mutex
}

func newTeller(w *Watcher, s link.Settings, health func(time.Time, link.Health) link.Health) *teller {
	return &teller{outbox: newOutbox(), w: w, bans: s.Bans, trust: s.Trust, health: health, spared: make(map[netip.Addr]time.Time)}
}

// friend reports whether the agent has refused to ban an address.
func (t *teller) friend(a netip.Addr) bool {
	t.sparedMu.Lock()
	defer t.sparedMu.Unlock()
	at, ok := t.spared[a]
	return ok && time.Since(at) < sparedFor
}

func (t *teller) spare(all []netip.Addr, now time.Time) {
	t.sparedMu.Lock()
	defer t.sparedMu.Unlock()
	if len(t.spared)+len(all) > mostSpared {
		clear(t.spared)
	}
	for _, a := range all {
		t.spared[a] = now
	}
}

// run tells the agent until ctx ends, or the agent has other settings.
func (t *teller) run(ctx context.Context) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	var said time.Time
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.wake:
			err = t.tellBans(ctx)
		case now := <-second.C:
			if err = t.tellBans(ctx); err == nil {
				err = t.tellPhones(ctx)
			}
			if now.Sub(said) >= healthEvery || now.Before(said) {
				said = now
				if changed, unsaid := t.w.Agent.Health(ctx, t.health(now, t.counted())); unsaid != nil {
					err = unsaid
				} else if changed {
					return ErrSettings
				}
			}
		}
		t.w.reached(err)
	}
}

func (t *teller) tellBans(ctx context.Context) error {
	waiting := t.takeBans(time.Now())
	if !t.bans {
		return nil
	}
	for len(waiting) > 0 {
		n := min(len(waiting), mostBanned)
		var bans []link.Ban
		for _, b := range waiting[:n] {
			bans = append(bans, b.Ban)
		}
		refused, err := t.w.Agent.Ban(ctx, bans)
		if err != nil {
			t.putBack(waiting)
			return err
		}
		t.spare(refused, time.Now())
		waiting = waiting[n:]
	}
	return nil
}

func (t *teller) tellPhones(ctx context.Context) error {
	phones, forget := t.takePhones(mostTold)
	if !t.trust || len(phones)+len(forget) == 0 {
		return nil
	}
	err := t.w.Agent.Phones(ctx, phones, forget)
	if err != nil {
		t.putBackPhones(phones, forget)
	}
	return err
}
