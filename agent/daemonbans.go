package agent

import (
	"context"
	"errors"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// allowedChanged puts a changed list of allowed hosts in force.
func (d *daemon) allowedChanged(ctx context.Context) error {
	err := d.apply(ctx, exempt.ByHand)
	select { // the list may have new names to resolve
	case d.fetcher.replaced <- d.cfg:
	case <-ctx.Done():
	}
	return err
}

// phoneListed plans an apply that takes a registered phone out of the sets of lists. Many may
// register at once, so with large lists the next apply waits a while.
func (d *daemon) phoneListed(now time.Time) { d.applyForFriend("a registered phone is in a list", now) }

// applyForFriend plans an apply for who is exempt from now on. However many these are, the agent has
// time for other work between two.
func (d *daemon) applyForFriend(why string, now time.Time) {
	d.applySoon(why, max(0, d.phonesAt.Add(filesPace*d.took).Sub(now)))
	d.phonesAt = now
}

// trunksChanged exempts the trunks at which the PBX is registered now: it has their names resolved, and
// takes their addresses out of the sets.
func (d *daemon) trunksChanged(ctx context.Context) {
	var hosts []string
	for _, t := range known.ReadTrunks(d.cfg).All {
		hosts = append(hosts, t.Host)
	}
	d.log.Info("the PBX has other trunks than before, which are exempt", "now", hosts)
	d.applyForFriend("trunks of the PBX", time.Now())
	select {
	case d.fetcher.replaced <- d.cfg:
	case <-ctx.Done():
	}
}

// phonesFound returns what others have done to the sets of registered phones, of what was wrong with
// them: sets that the configuration has named only now are missing at first.
func (d *daemon) phonesFound(found []string) []string {
	name := ""
	if d.cfg.KnowsPhones() {
		name = d.cfg.KnownSet
	}
	if d.knownSet != name {
		d.knownSet, found = name, nil
	}
	return found
}

// lookAtPhones makes the sets of registered phones equal to the list of them.
func (d *daemon) lookAtPhones(ctx context.Context, kernel *ipsetsync.Kernel) {
	found, err := known.Settle(ctx, d.cfg, kernel, "voipbl run", state.LookWait, false)
	if found = d.phonesFound(found); len(found) > 0 {
		d.repaired(state.RepairSets, found)
	}
	if locked := (*state.LockedError)(nil); errors.As(err, &locked) || ctx.Err() != nil {
		return // the next check is soon enough
	}
	if foreign := errors.As(err, new(*ipsetsync.ForeignSetError)); foreign != d.foreignPhones {
		// Rules must name only voipbl's own sets.
		d.foreignPhones = foreign
		d.applySoon("another program has made a set of registered phones, or given it back", 0)
	}
	d.warnIf("phones", err)
}

// lookAtBans makes the sets of bans and the list of bans agree, no matter what changed either.
func (d *daemon) lookAtBans(ctx context.Context, now time.Time) {
	d.agenda.set(bansTask, d.agenda.beat(now))
	kernel, err := d.sets()
	if err != nil {
		d.warn("bans", []string{"the sets of bans cannot be looked at: " + err.Error()})
		return
	}
	d.lookAtPhones(ctx, kernel)
	if now.Before(d.book.NextLook(kernel)) {
		return
	}
	exempt, err := bans.ExemptNow(ctx, d.cfg)
	if ctx.Err() != nil {
		return // the agent is being stopped: no problem
	}
	if err != nil {
		d.warn("bans", []string{"what is exempt is not known, so the sets of bans stay as they are: " + err.Error()})
		return
	}
	found, notes, err := d.book.Sync(ctx, d.cfg, kernel, bans.ExemptFrom(exempt), "voipbl run", state.LookWait, false)
	if len(found) > 0 {
		d.repaired(state.RepairSets, found)
	}
	if locked := (*state.LockedError)(nil); errors.As(err, &locked) || ctx.Err() != nil {
		return // a process that writes bans down holds the lock; the next check is soon enough
	}
	if foreign := errors.As(err, new(*ipsetsync.ForeignSetError)); foreign != d.foreignBans {
		// Rules must name only voipbl's own sets.
		d.foreignBans = foreign
		d.applySoon("another program has made a set of bans, or given it back", 0)
	}
	d.warnOfBans(notes, problem.If(err))
}

// warnOfBans logs what is wrong with bans.
func (d *daemon) warnOfBans(notes []string, p *problem.Problem) {
	if p != nil {
		notes = append(notes, "the sets of bans could not be repaired: "+p.Error+": "+p.Remedy)
	}
	d.warn("bans", notes)
}
