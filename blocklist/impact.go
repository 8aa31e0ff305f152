package blocklist

import (
	"context"
	"errors"
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

// planned are plans of the sets, and the sets that they were made of.
type planned struct {
	plans  []*ipsetsync.Plan
	broken [2]error // of a family without a plan
	lives  [2]*ipsetsync.Live
}

// answer decides what becomes of plans that would cut somebody off, notes that in the report, and
// returns the plans that are to be carried out. A dry run tells the same. desired is what the plans are
// for, without exempted.
func (e *Enforcement) answer(ctx context.Context, report *SyncReport, record state.SetRecord, desired, exempted cidr.Sets, p planned, early *flows.Early) (planned, error) {
	change := e.impactOf(report, p, early)
	on := e.Cfg.OnImpact
	if e.force {
		on = config.ImpactReport
	}
	var inForce cidr.Sets
	if change.Waits(on) {
		inForce = exempt.Blockable(e.inForce(record, p.lives), exempted)
	}
	d := change.Decide(on, inForce, record.Spared, state.Clock())
	switch {
	case d.Held != nil:
		d.Held.After(record.Held)
		desired = inForce
	case len(d.Spared) > 0:
		desired = desired.Subtract(d.Except())
	default:
		report.decided = d
		return p, nil
	}
	p, err := e.planAgain(ctx, desired, p)
	if d.Held != nil { // others may have changed the set, so that its repair blocks somebody
		d.Cut = e.impactOf(report, p, nil).Decide(config.ImpactReport, cidr.Sets{}, nil, state.Clock()).Cut
	}
	report.decided = d
	return p, err
}

// impactOf returns whom plans would cut off.
func (e *Enforcement) impactOf(report *SyncReport, p planned, early *flows.Early) *impact.Change {
	change, err := impact.Of(e.Cfg, p.plans, p.lives, early, e.Book.Banned)
	if err != nil {
		report.warn("%v", err)
	}
	return change
}

// planAgain plans other sets. Plans have changed what was read of the live sets, so it is read again.
func (e *Enforcement) planAgain(ctx context.Context, desired cidr.Sets, before planned) (p planned, err error) {
	if p.lives, err = feeds.StartDump(e.Cfg, e.Kernel).Wait(); err != nil {
		return before, err
	}
	for f, live := range p.lives {
		if was := before.lives[f]; live != nil && was != nil {
			live.References = was.References // see freeForeign
		}
	}
	if p.plans, p.broken = planAll(ctx, e.Cfg, e.Kernel, desired, p.lives); len(p.plans) == 0 {
		return p, errors.Join(p.broken[:]...)
	}
	return p, nil
}

// inForce returns the lists in force: what the sets hold, if nobody else has changed them, and what the
// copies of the lists have that were applied last.
func (e *Enforcement) inForce(record state.SetRecord, lives [2]*ipsetsync.Live) cidr.Sets {
	for f, live := range lives {
		if live != nil && (!ipsetsync.IsOurs(live.Header, cidr.Family(f)) || record.Sets[f].Name != live.Name || record.Sets[f].Glance(live.Header, nil) != "") {
			lives[f] = nil
		}
	}
	return cidr.Union(feeds.LiveSets(lives), feeds.InForce(e.Store, e.feeds, e.Cfg.Limits, e.dryRun))
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
