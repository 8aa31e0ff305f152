package blocklist

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/flows"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/state"
)

// lookEarly begins to look who talks with this host, unless that has begun, as soon as the sets seem to
// change, because a list has or they are missing: the kernel takes up to 10 ms to go through its table
// of flows, if it is a large one.
func (e *Enforcement) lookEarly(begun *flows.Early, missing bool) *flows.Early {
	fresh := func(f *feeds.Feed) bool { return f != nil && f.Report.State == feeds.Fresh }
	if begun == nil && (missing || slices.ContainsFunc(e.feeds, fresh)) {
		return impact.Begin(e.Cfg)
	}
	return begun
}

// planned are plans of the sets, and what they were made of.
type planned struct {
	desired cidr.Sets // without what is exempt
	lives   [2]*ipsetsync.Live
	plans   []*ipsetsync.Plan
	broken  [2]error // of a family without a plan
}

// make makes the plans. It returns an error if there is none.
func (p *planned) make(ctx context.Context, e *Enforcement) error {
	p.plans, p.broken = planAll(ctx, e.Cfg, e.Kernel, p.desired, p.lives)
	if len(p.plans) == 0 {
		return errors.Join(p.broken[:]...)
	}
	return nil
}

// answer decides what becomes of plans that would cut somebody off, and notes that in the report. If not
// all that is desired is to be in the sets, it makes other plans. A dry run tells the same.
func (e *Enforcement) answer(ctx context.Context, report *SyncReport, record state.SetRecord, exempted cidr.Sets, p *planned, early *flows.Early) error {
	change := e.impactOf(report, p, early)
	on := e.Cfg.OnImpact
	if e.force {
		on = config.ImpactReport
	}
	d := change.Decide(on, e.inForce(record, p.lives, change.Holders(on)), record.Spared, state.Clock())
	defer func() { report.decided = d }()
	if on == config.ImpactHold && change.Untracked() {
		report.warn("no call can hold the lists, since the kernel tracks no connections (on_impact: hold)")
	}
	switch {
	case d.Held != nil:
		d.Held.After(record.Held)
		p.desired, p.plans = cidr.Sets{}, nil
		p.desired = exempt.Blockable(e.heldSets(record, p.lives), exempted)
	case len(d.Spared) > 0:
		p.plans = nil
		p.desired = p.desired.Subtract(d.Except())
	default:
		return nil
	}
	if err := e.planAgain(ctx, p); err != nil {
		return err
	}
	if d.Held != nil { // others may have changed the set, so that its repair blocks somebody
		d.Cut = e.impactOf(report, p, nil).Decide(config.ImpactReport, impact.InForce{}, nil, state.Clock()).Cut
	}
	return nil
}

// impactOf returns whom plans would cut off.
func (e *Enforcement) impactOf(report *SyncReport, p *planned, early *flows.Early) *impact.Change {
	change, err := impact.Of(e.Cfg, p.plans, p.lives, early, e.Book.Banned)
	if err != nil {
		report.warn("%v", err)
	}
	return change
}

// planAgain makes plans for something else. The former ones have changed what was read of the live sets,
// so it is read again; before that, their memory is given back.
func (e *Enforcement) planAgain(ctx context.Context, p *planned) (err error) {
	var references [2]uint32 // see freeForeign
	for f, live := range p.lives {
		if live != nil {
			references[f] = live.References
		}
	}
	p.lives = [2]*ipsetsync.Live{}
	debug.FreeOSMemory()
	if p.lives, err = feeds.StartDump(e.Cfg, e.Kernel).Wait(); err != nil {
		return err
	}
	for f, live := range p.lives {
		if live != nil {
			live.References = references[f]
		}
	}
	return p.make(ctx, e)
}

// inForce returns what the lists in force have of those for whom a change may wait. What the sets hold
// leaves them alone: otherwise the change would not cut them off.
func (e *Enforcement) inForce(record state.SetRecord, lives [2]*ipsetsync.Live, holders cidr.Sets) (in impact.InForce) {
	if holders.Len() == 0 {
		return in
	}
	for f := range lives {
		in.Any = in.Any || undisturbed(record, lives[f], cidr.Family(f)) && len(lives[f].Prefixes) > 0
	}
	var b cidr.Builder
	feeds.VisitInForce(e.Store, e.feeds, e.Cfg.Limits, e.dryRun, func(p cidr.Prefix) {
		if in.Any = true; holders.Overlaps(p) {
			b.Add(p)
		}
	})
	in.Holders = b.Sets()
	return in
}

// heldSets returns the lists in force: what the sets hold, if nobody else has changed them, and what the
// copies of the lists have that were applied last. The live sets are not needed any more then.
func (e *Enforcement) heldSets(record state.SetRecord, lives [2]*ipsetsync.Live) cidr.Sets {
	var b cidr.Builder
	for f, live := range lives {
		if !undisturbed(record, live, cidr.Family(f)) {
			lives[f] = nil
			continue
		}
		live.Join()
		b.Grow(cidr.Family(f), len(live.Prefixes))
		for _, p := range live.Prefixes {
			b.Add(p)
		}
	}
	feeds.VisitInForce(e.Store, e.feeds, e.Cfg.Limits, e.dryRun, func(p cidr.Prefix) {
		if live := lives[p.Family()]; live == nil || !live.Covers(p) {
			b.Add(p)
		}
	})
	return b.Sets()
}

// undisturbed reports whether a set is as voipbl has written it, as far as its header tells.
func undisturbed(record state.SetRecord, live *ipsetsync.Live, f cidr.Family) bool {
	return live != nil && ipsetsync.IsOurs(live.Header, f) && live.NoMatch == 0 && record.Sets[f].Name == live.Name && record.Sets[f].Glance(live.Header, nil) == ""
}

// noteDecided notes what was decided, after plans were carried out, and finds which lines list those it is
// about.
func (e *Enforcement) noteDecided(report *SyncReport, plans []*ipsetsync.Plan) {
	d := report.decided
	d.Cut.Done(plans)
	e.findLines(d)
	report.Impact, report.Held, report.Spared = d.Cut, d.Held, d.Spared
}

// findLines finds which lines list those whom a decision names. It reads the copies of the lists again,
// since only addresses are kept of them, but only if there is somebody. What cannot be read has no such
// line: the feeds' own reports say what is wrong.
func (e *Enforcement) findLines(d impact.Decision) {
	sought, policy := d.Set(), feeds.PolicyOf(e.Cfg.Limits)
	if sought.Len() == 0 || e.Store == nil {
		return
	}
	for _, f := range e.feeds {
		f.EachLine(e.Store, func(part fetch.Part, sc *cidr.Scanner) {
			named := func(p cidr.Prefix) bool { return sought.Overlaps(p) }
			if !slices.ContainsFunc(sc.Prefixes(), named) || policy.TooWide(sc.Prefixes()) {
				return
			}
			for _, p := range sc.Prefixes() {
				d.Found(p, impact.Line{Feed: f.Name, File: part.Name, Line: sc.Line()})
			}
		})
	}
}
