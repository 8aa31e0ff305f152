package watch

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx/link"
)

const (
	// healthEvery wakes the watcher of a PBX where nothing happens. Apart from that only these do: pbx/ami, which
	// asks whether Asterisk is there, [known.RenewedEvery] and [link.ChangeWait].
	healthEvery = 10 * time.Second

	tellEvery = time.Second // how long phones may wait, and what the agent could not be told

	// sparedFor is how long an address counts as a friend that the agent has refused to ban.
	sparedFor  = time.Hour
	mostSpared = 4 << 10
)

// teller tells the agent what has been found out. It never keeps the detector waiting: what the
// agent cannot be told now waits in the outbox.
type teller struct {
	*outbox
	w      *Watcher
	bans   bool                                            // attackers are to be banned
	trust  bool                                            // where the PBX is registered are trunks
	health func(now time.Time, so link.Health) link.Health // adds how the sources are

	due chan struct{} // the agent is to be told how the watcher is

	saidMu sync.Mutex               // of what the agent has said:
	spared map[netip.Addr]time.Time // addresses that the agent has refused to ban
	lost   []netip.Addr             // of phones that the agent has found banned
	found  chan struct{}            // there are some of lost
}

func newTeller(w *Watcher, s link.Settings, health func(time.Time, link.Health) link.Health) *teller {
	return &teller{
		outbox: newOutbox(), w: w, bans: s.Bans, trust: s.Trust, health: health, due: make(chan struct{}, 1),
		spared: make(map[netip.Addr]time.Time), found: make(chan struct{}, 1),
	}
}

// friend reports whether the agent has refused to ban an address.
func (t *teller) friend(a netip.Addr) bool {
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	at, ok := t.spared[a]
	return ok && time.Since(at) < sparedFor
}

// takeLost returns the addresses that the agent has found banned since it was called last.
func (t *teller) takeLost() []netip.Addr {
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	lost := t.lost
	t.lost = nil
	return lost
}

func (t *teller) lose(all []netip.Addr) {
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	if len(all) > 0 {
		t.lost = append(t.lost, all...) // emptied at once
		ring(t.found)
	}
}

func (t *teller) spare(all []netip.Addr, now time.Time) {
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	if len(t.spared)+len(all) > mostSpared {
		clear(t.spared)
	}
	for _, a := range all {
		t.spared[a] = now
	}
}

// run tells the agent until ctx ends.
func (t *teller) run(ctx context.Context) error {
	soon := time.NewTimer(tellEvery) // runs while something waits
	defer soon.Stop()
	for running := true; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.wake:
			t.w.reached(ofBans, t.tellBans(ctx))
		case <-t.later:
		case <-soon.C:
			running = false
			t.w.reached(ofBans, t.tellBans(ctx))
			t.w.reached(ofPhones, t.tellPhones(ctx))
			t.w.reached(ofTrunks, t.tellTrunks(ctx))
		case <-t.due:
			t.w.reached(ofHealth, t.w.Agent.Health(ctx, t.health(time.Now(), t.counted())))
		}
		if !running && t.waits() {
			soon.Reset(tellEvery)
			running = true
		}
	}
}

// tellBans asks for the bans that wait. Those that the agent may make later wait on.
func (t *teller) tellBans(ctx context.Context) error {
	waiting := t.takeBans(time.Now())
	if !t.bans {
		return nil
	}
	for len(waiting) > 0 {
		n := min(len(waiting), bans.MostInRequest)
		var some []bans.Seen
		for _, b := range waiting[:n] {
			some = append(some, b.Seen)
		}
		not, err := t.w.Agent.Ban(ctx, some)
		if err != nil {
			t.putBack(waiting, err.Error())
			return err
		}
		t.spare(not.Exempt, time.Now())
		t.count(n - len(not.Later))
		if len(not.Later) > 0 {
			later := slices.DeleteFunc(waiting[:n:n], func(b timed) bool { return !slices.Contains(not.Later, b.Addr) })
			t.putBack(append(later, waiting[n:]...), not.Why)
			return errors.New("the agent bans nobody else now: " + not.Why)
		}
		waiting = waiting[n:]
	}
	return nil
}

func (t *teller) tellPhones(ctx context.Context) error {
	phones, forget := t.takePhones(known.MostAsked)
	if len(phones)+len(forget) == 0 {
		return nil
	}
	banned, err := t.w.Agent.Phones(ctx, phones, forget)
	if err != nil {
		t.putBackPhones(phones, forget)
	}
	t.lose(banned)
	return err
}

func (t *teller) tellTrunks(ctx context.Context) error {
	all := t.takeTrunks()
	if !t.trust || len(all) == 0 {
		return nil
	}
	err := t.w.Agent.Trunks(ctx, all)
	if err != nil {
		for _, trunk := range all {
			t.trunk(trunk)
		}
	}
	return err
}
