package blocklist

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/fleet/docfile"
	"github.com/voipbl/voipbl/hits"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/trial"
)

// Enforcement puts the feeds and bans into the kernel: the second half of a sync, and all
// that the agent does between two fetches. It needs no network, so it is fast even if the
// feeds' servers are down.
type Enforcement struct {
	*rules.Handles
	reader  *feeds.Reader
	feeds   []*feeds.Feed   // in the order of the configuration; Run reads those that are nil
	answers exempt.Resolved // of the names in the configuration
	verb    string          // what the lock's file says holds it
	wait    time.Duration
	dryRun  bool

	unattended, Established bool // see [rules.How]
	leaveBase               bool // see [rules.How]
	force                   bool // change the sets, whoever is cut off
	setsOnly                bool // leave the rules as they are

	lists [2]*ipsetsync.Header // of the sets of the lists at the start, nil for a missing one

	After state.SetRecord // what the sets hold after Run

	Book *bans.Book // the agent's; if nil, Run reads the bans from disk
}

// NewEnforcement returns an Enforcement of the last good copies and the local files.
func NewEnforcement(h *rules.Handles, verb string, wait time.Duration, now time.Time) *Enforcement {
	return &Enforcement{
		Handles: h, verb: verb, wait: wait, unattended: true,
		reader:  feeds.NewReader(h.Cfg, feeds.Options{Offline: true}, h.Store, now),
		feeds:   make([]*feeds.Feed, len(h.Cfg.Feeds)),
		answers: exempt.Resolve(context.Background(), h.Store, h.Cfg, exempt.Lookups{Offline: true, Told: true}),
	}
}

// Run fills the sets and applies the rules, and notes in report what it does.
func (e *Enforcement) Run(ctx context.Context, report *SyncReport, watch *state.Stopwatch) error {
	unlock, err := state.Lock(ctx, e.Cfg.RunDir, state.SetsLock, e.verb, e.wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	held := rules.Open(e.Cfg, e.Fw, e.Kernel, e.Store)
	defer held.Close()
	record := state.ReadSetRecord(held.Run)
	memory.Follow(record.Own())
	live := feeds.StartDump(e.Cfg, e.Kernel)
	processes := logins.LookEarly()
	talking := e.lookEarly(nil, record.Own() == 0)
	if !e.setsOnly {
		e.Fw.Begin(ctx) // the tools list the rules while the lists are read
	}
	e.reader.GetAll(ctx, e.Cfg.Feeds, e.feeds, func(config.Feed) bool { return true })
	watch.Lap("feeds")
	lives, err := live.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for f, live := range lives {
		if e.lists[f] = nil; live != nil {
			h := live.Header
			e.lists[f] = &h
		}
	}
	talking = e.lookEarly(talking, slices.Contains(e.lists[:], nil))
	if err := setnames.NamesTaken(ctx, e.Cfg, e.Kernel, e.header); err != nil {
		return err
	}
	watch.Lap("kernel state")
	if !e.dryRun {
		report.Warnings = append(report.Warnings, exempt.SettleAllowed(ctx, e.Cfg, e.verb)...)
		docfile.Keep(ctx, e.Cfg, e.verb, state.LookWait) // status says what is not written down
	}
	// As late as possible, so that people who have logged in meanwhile are protected.
	protected, err := exempt.GatherWith(e.Cfg, e.answers, processes.SessionPeers())
	if err != nil {
		return err
	}
	watch.Lap("protect")

	report.AllowedUntil = protected.AllowedUntil
	if !e.dryRun {
		if err := setnames.NoteSetNames(ctx, e.Cfg, e.Kernel); err != nil {
			report.warn("%v", err)
		}
	}
	e.restoreBans(ctx, report, protected)
	if err := ctx.Err(); err != nil {
		return err
	}
	phones := e.readPhones(ctx, report)
	watch.Lap("bans")

	report.addFeeds(e.feeds, protected)
	brought := e.reader.Brought()
	report.keepLost(&feeds.Keeper{Store: e.Store, Limits: e.Cfg.Limits, Now: state.Clock(), DryRun: e.dryRun, Warn: report.warn}, e.feeds, brought, func() cidr.Sets {
		return feeds.LiveSets(lives).Subtract(e.Book.Banned()) // an older version put bans there too
	})
	sets := feeds.Combine(brought, report.Kept)
	memory.Settle(max(record.Own(), sets.Len()))
	unlisted, err := protected.FromLists(phones)
	if err != nil {
		return err
	}
	report.Exempt = append(report.Exempt, unlisted.Overlapping(sets)...)
	if stay := e.undropped(report, lives).Subtract(sets); stay.Len() > 0 {
		report.warn("an older version kept bans in %s: they stay there (%d), since no rule drops %s", e.Cfg.Set, stay.Len(), e.Cfg.BanSet)
		sets = cidr.Union(sets, stay)
	}
	sets = exempt.Blockable(sets, unlisted.Sets)
	watch.Lap("combine")

	if err := e.freeForeign(ctx, held, lives); err != nil {
		return err
	}
	p := &planned{desired: sets, lives: lives}
	sets, lives = cidr.Sets{}, [2]*ipsetsync.Live{} // so that p can let go of them
	if err := p.make(ctx, e); err != nil {
		return err
	}
	if err := e.answer(ctx, report, record, unlisted.Sets, p, talking); err != nil {
		return err
	}
	plans, broken := p.plans, p.broken
	lives = p.lives
	for _, p := range plans {
		r := setReport(p)
		if !p.Unchanged() && record.Sets[p.Family].Holds(p) {
			r.Repaired = setFound(p)
		}
		report.Sets = append(report.Sets, r)
	}
	watch.Lap("plan")
	held.Trunks = protected.Trunks
	if e.dryRun {
		report.Outcome = DryRun
		e.noteDecided(report, plans)
		if err := report.noteBroken(broken); err != nil || e.setsOnly {
			return err
		}
		report.Rules, err = held.Ensure(ctx, rules.How{DryRun: true, LeaveBase: e.leaveBase})
		return err
	}
	if err := e.dropBansFirst(ctx, held); err != nil {
		return err
	}
	settling, planned := hits.Begin(e.Store, e.counted(report.At, record, lives, plans, report.decided.Held != nil)), len(plans)
	defer func() { settling.Wait() }()
	plans, err = e.execute(report, plans, &broken)
	if err != nil {
		return err
	}
	freed, err := bans.FreeExempt(e.Kernel, protected)
	report.Warnings = append(report.Warnings, freed...)
	if err != nil {
		report.warn("bans of exempt addresses by fail2ban cannot be taken back: %v", err)
	}
	brokenErr := report.noteBroken(broken)
	e.noteDecided(report, plans)
	e.remember(report, held.Run, record, plans)
	if len(plans) < planned {
		settling.Wait()
		settling = hits.Begin(e.Store, e.counted(report.At, record, lives, plans, report.decided.Held != nil))
	}
	noted, settled := make(chan error, 1), make(chan []string, 1) // beside the rules, since they wait for the disk
	go func() {
		if report.Held != nil { // what was applied before is in force
			noted <- nil
			return
		}
		noted <- feeds.SetApplied(e.Store, e.feeds, report.At)
	}()
	go func() { settled <- settling.End() }()
	watch.Lap("kernel")
	report.Outcome = RulesFailed // until the rules are applied
	err = errors.Join(report.ensureRules(ctx, held, e), brokenErr)
	e.settlePhones(ctx, report) // the rules have made these sets
	if notedErr := <-noted; notedErr != nil {
		report.warn("%v", notedErr)
	}
	report.Warnings = append(report.Warnings, <-settled...)
	if err != nil {
		return err
	}
	watch.Lap("rules")
	report.Outcome = InForce
	switch {
	case report.Held != nil:
		report.Outcome = Held
	case report.Troubled():
		report.Outcome = Stale
	}
	return nil
}

// forgetFetched removes what a dry run has fetched.
func (e *Enforcement) forgetFetched() {
	for _, f := range e.feeds {
		if f != nil {
			f.Close()
		}
	}
}

// counted is what the entries of the sets have counted, and what of that plans carry over.
// held says that newer lists wait.
func (e *Enforcement) counted(now time.Time, before state.SetRecord, lives [2]*ipsetsync.Live, plans []*ipsetsync.Plan, held bool) hits.Sync {
	var was, is [2][]ipsetsync.Count
	for f, live := range lives {
		if live != nil && ipsetsync.IsOurs(live.Header, cidr.Family(f)) {
			was[f], is[f] = live.Counts, live.Counts
		}
	}
	after := before
	after.Note(plans)
	for _, p := range plans {
		is[p.Family] = p.Counts(lives[p.Family])
	}
	return hits.Sync{
		Cfg: e.Cfg, Now: now, Was: hits.SetsOf(before), Is: hits.SetsOf(after),
		Before: hits.Sorted(was[:]...), After: hits.Sorted(is[:]...), Held: held,
	}
}

// header returns the header of a set. It does not ask the kernel again for one of the lists,
// since that goes through all entries.
func (e *Enforcement) header(set string) (ipsetsync.Header, error) {
	for f, list := range e.lists {
		switch {
		case set != e.Cfg.SetName(f):
		case list == nil:
			return ipsetsync.Header{}, ipsetsync.ErrNotFound
		default:
			return *list, nil
		}
	}
	return e.Kernel.Header(set)
}

// remember writes down what the sets hold now. Without it the agent would take voipbl's own
// change for somebody else's, and repair sets that need no repair.
func (e *Enforcement) remember(report *SyncReport, run *fetch.Store, before state.SetRecord, plans []*ipsetsync.Plan) {
	e.After = before
	e.After.Note(plans)
	e.After.NoteTroubles(report.Families)
	e.After.CutOff = impact.Remember(before.CutOff, report.Impact, report.At, plans)
	e.After.Held, e.After.Spared = report.Held, report.Spared
	if run == nil {
		return // rules.Open has logged why
	}
	if err := e.After.Write(run, before); err != nil {
		report.warn("%v", err)
	}
}

// ensureRules is the last step of a sync: a set does nothing without the rules. With setsOnly
// it makes only the other sets that the rules name.
func (r *SyncReport) ensureRules(ctx context.Context, held *rules.Hold, e *Enforcement) error {
	unlock, err := state.Lock(ctx, held.Cfg.RunDir, state.RulesLock, e.verb, e.wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	if e.setsOnly {
		held.Reload()
		r.Warnings = append(r.Warnings, held.EnsureSaved()...)
		if !held.Cfg.Firewall.Base {
			return nil
		}
		return held.EnsureBans(ctx, [2]*firewall.Plan{{}, {}})
	}
	var warnings []string
	r.Rules, warnings, err = trial.SettleAndEnsure(ctx, held, rules.How{Unattended: e.unattended, Established: e.Established, LeaveBase: e.leaveBase})
	r.Warnings = append(r.Warnings, warnings...)
	return err
}

func (r *SyncReport) addFeeds(feeds []*feeds.Feed, p *exempt.Protection) {
	r.Feeds = slices.Grow(r.Feeds, len(feeds))
	for _, f := range feeds {
		r.Feeds = append(r.Feeds, f.Report)
		r.Warnings = append(r.Warnings, f.Warnings...)
	}
	r.Warnings = append(r.Warnings, p.Problems...)
	r.Unprotected, r.NoHost = p.Unprotected, p.NoHost
}

// keepLost finds which entries stay in force of feeds whose copies are lost.
func (r *SyncReport) keepLost(k *feeds.Keeper, feeds []*feeds.Feed, brought cidr.Sets, live func() cidr.Sets) {
	r.Kept = k.Keep(feeds, brought, live)
	for _, kept := range r.Kept {
		r.warn("%s", kept.Words())
	}
}

// planAll plans each family's set. broken has the error of a family without a plan.
func planAll(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, sets cidr.Sets, lives [2]*ipsetsync.Live) (plans []*ipsetsync.Plan, broken [2]error) {
	for _, f := range cidr.Families {
		p, err := ipsetsync.NewPlan(cfg.SetName(int(f)), f, ipsetsync.ShapeOf(sets[f], cfg.Shape.Extra(sets[f].Len())), lives[f])
		if inUse := (*ipsetsync.InUseError)(nil); errors.As(err, &inUse) {
			inUse.Users = setnames.SetUsers(ctx, kernel, inUse.Header.Name)
		}
		if err != nil {
			broken[f] = err
			continue
		}
		plans = append(plans, p)
	}
	return plans, broken
}

// execute fills both sets at once or, if that fails, one after the other. It returns the
// plans that were carried out, and an error if none was. If a family fails again, its error
// says what the first attempt left behind.
func (e *Enforcement) execute(report *SyncReport, plans []*ipsetsync.Plan, broken *[2]error) (done []*ipsetsync.Plan, err error) {
	warnings, both := e.Kernel.Execute(plans...)
	report.Warnings = append(report.Warnings, warnings...)
	if both == nil {
		return plans, nil
	}
	if !errors.As(both, new(*ipsetsync.SwitchedError)) {
		both = nil // each family's own attempt reports what is wrong
	}
	for _, p := range plans {
		warnings, err := e.Kernel.Execute(p)
		report.Warnings = append(report.Warnings, warnings...)
		if err == nil {
			done = append(done, p)
			continue
		}
		broken[p.Family], both = errors.Join(both, err), nil
	}
	if len(done) == 0 {
		return nil, errors.Join(broken[:]...)
	}
	return done, nil
}

// noteBroken reports a family whose set could not be filled while the other's was. For IPv4
// it returns an error, since most attacks come over IPv4.
func (r *SyncReport) noteBroken(broken [2]error) error {
	for _, f := range cidr.Families {
		if broken[f] == nil {
			continue
		}
		err := &firewall.FamilyError{Family: iptables.Family(f), Err: broken[f]}
		if f == cidr.IPv4 {
			return err
		}
		r.Families = append(r.Families, problem.OfFamily(err))
	}
	return nil
}

// freeForeign takes voipbl's rules off sets that somebody else made under voipbl's names, so
// that the sets can be replaced. In a dry run it only makes the plans look as if it had.
func (e *Enforcement) freeForeign(ctx context.Context, r *rules.Hold, lives [2]*ipsetsync.Live) error {
	if e.setsOnly || settings.LeavesRules(e.Cfg) {
		return nil
	}
	any := false
	for _, f := range cidr.Families {
		if reach.InWay(ctx, e.Kernel, lives[f], f) {
			any, r.Replaced[f] = true, true
		}
	}
	if !any {
		return nil
	}
	if !e.dryRun {
		unlock, err := state.Lock(ctx, e.Cfg.RunDir, state.RulesLock, e.verb, e.wait, nil)
		if err != nil {
			return err
		}
		defer unlock()
		r.Replaced = [2]bool{} // not yet
		if _, _, err = trial.SettleAndEnsure(ctx, r, rules.How{Unattended: true, Established: true, LeaveBase: true}); err != nil {
			if _, partly := firewall.Partly(err); !partly {
				return err // a problem of one family is reported when all rules are applied
			}
		}
	}
	for _, f := range cidr.Families {
		if live := lives[f]; live != nil && !ipsetsync.IsOurs(live.Header, f) {
			if e.dryRun && r.Replaced[f] {
				live.References = 0
			} else if h, err := e.Kernel.Header(live.Name); err == nil {
				live.References = h.References
			}
		}
	}
	return nil
}

// setFound says what somebody else had done to a set.
func setFound(p *ipsetsync.Plan) string {
	switch {
	case p.Live == nil:
		return fmt.Sprintf("the set %s was gone", p.Name)
	case p.Reshaped:
		return fmt.Sprintf("the set %s blocked the same addresses, but by other entries", p.Name)
	case p.Why != "":
		return fmt.Sprintf("the set %s had been replaced: %s", p.Name, p.Why)
	}
	return fmt.Sprintf("the set %s lacked %s and had %d that voipbl did not add", p.Name, bans.EntriesWords(p.Lacked), p.Strange)
}
