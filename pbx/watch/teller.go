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
	lost   []netip.Prefix           // that somebody has banned
	unsure bool                     // more may be banned
	known  *knownPhones             // what the agent has said since; nil if nothing
	found  chan struct{}            // there are some of lost, or known
}

// knownPhones are the phones that the agent knows.
type knownPhones struct {
	asked  time.Time // the agent was told before of those that are older
	phones []link.Phone
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

// takeLost returns what was banned since it was called last, and which phones the agent knows, if it was
// asked meanwhile.
func (t *teller) takeLost() (lost []netip.Prefix, known *knownPhones) {
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	lost, known = t.lost, t.known
	t.lost, t.known = nil, nil
	return lost, known
}

// doubt says whether bans were missed: then the agent is to be asked which phones there are.
func (t *teller) doubt(missed bool) {
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	t.unsure = missed
	if missed {
		ring(t.later)
	}
}

func (t *teller) doubts() bool {
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	return t.unsure
}

func (t *teller) lose(all []netip.Prefix) {
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
			t.w.reached(ofPhones, t.syncPhones(ctx))
			t.w.reached(ofTrunks, t.tellTrunks(ctx))
		case <-t.due:
			t.w.reached(ofHealth, t.w.Agent.Health(ctx, t.health(time.Now(), t.counted())))
		}
		if !running && (t.waits() || t.doubts()) {
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

// takenIn is more than it takes until what the detector has found is in the outbox.
const takenIn = time.Second

// syncPhones tells of phones. If bans were missed, it then asks which phones there are.
func (t *teller) syncPhones(ctx context.Context) error {
	asked := time.Now().Add(-takenIn)
	if err := t.tellPhones(ctx); err != nil || !t.doubts() || t.phonesWait() {
		return err
	}
	t.doubt(false) // what is missed from now on is asked again
	phones, err := t.w.Agent.Known(ctx)
	if err != nil {
		t.doubt(true)
		return err
	}
	t.saidMu.Lock()
	defer t.saidMu.Unlock()
	t.known = &knownPhones{asked, phones}
	ring(t.found)
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
	var lost []netip.Prefix
	for _, a := range banned {
		lost = append(lost, netip.PrefixFrom(a, a.BitLen()))
	}
	t.lose(lost)
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
