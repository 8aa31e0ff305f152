package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// Hold is a hold on the firewall's rules: how they are configured, what the
// admin has said about them, and what is known of the kernel's. Its methods are
// for whoever holds the lock.
type Hold struct {
	Cfg    config.Config
	fw     *firewall.Firewall
	sets   *ipsetsync.Kernel
	store  *fetch.Store   // the state folder; nil for looking only, if there is none
	Run    *fetch.Store   // the run folder, likewise
	Trunks []netip.Prefix // as the names in it are resolved now

	State  State
	Record Record
	ways   *host.Ways // see look
	avoid  bool       // INPUT, as it was last decided
	unread error      // why it is not known whether it is to be avoided
	other  string     // the generation of the other backend, when the rules were last read

	Replaced [2]bool // sets that are about to take the place of somebody else's; see freeForeign

	StateErr  error // why the state is not known
	stateLost bool  // there is no file of it
}

// Open gathers all this. It is closed by closing run.
func Open(cfg config.Config, fw *firewall.Firewall, sets *ipsetsync.Kernel, store *fetch.Store) *Hold {
	r := &Hold{Cfg: cfg, fw: fw, sets: sets, store: store}
	// Without it there is less to compare with, and nothing to be remembered:
	// that is said when it is tried.
	r.Run, _ = fetch.FindStore(cfg.RunDir)
	r.Reload()
	return r
}

// Reload reads what is known once more, when it can have changed since: after the
// lock of the rules has been taken.
func (r *Hold) Reload() { r.State, r.Record, r.stateLost, r.StateErr = readRules(r.store, r.Run) }

func (r *Hold) Close() {
	if r.Run != nil {
		r.Run.Close()
	}
}

// SettleAndEnsure is what whoever holds the lock of the rules does about them when
// nobody has asked for anything: what is pending too long ends, and the rest is put
// right.
func (r *Hold) SettleAndEnsure(ctx context.Context, how How) (report *Report, warnings []string, err error) {
	r.Reload()
	warnings, err = r.settle(ctx, host.Uptime())
	if err != nil {
		return nil, warnings, err
	}
	report, err = r.Ensure(ctx, how)
	return report, append(warnings, report.Warnings...), err
}

// The values of RulesReport.Base.
const (
	BaseOn  = "on"
	BaseOff = "off"
)

// Report is what became of the rules.
type Report struct {
	Backend  string            `json:"backend"`
	DropAt   string            `json:"drop_at"`
	Base     string            `json:"base"`         // BaseOn or BaseOff, as the kernel has it now
	Changes  []firewall.Change `json:"changes"`      // that were made, or would be
	Missing  []string          `json:"missing_sets"` // in a dry run, sets that the rules refer to and that are not there
	Written  bool              `json:"written"`
	Repaired bool              `json:"repaired"`          // the same rules were written before: somebody else had changed them
	Problem  *problem.Problem  `json:"problem,omitempty"` // why the base rules are not as configured
	Error    *problem.Problem  `json:"error,omitempty"`   // why nothing was applied

	// Agent is what a running agent has put in force of it before, if the rules were asked for
	// by hand: Changes has none of that.
	Agent *takeover.Followed `json:"agent,omitempty"`

	// Families are those whose rules are not as they should be, while those of the other
	// are.
	Families []problem.FamilyProblem `json:"families,omitempty"`

	// Obstacles are why rules that are installed do not have their effect; see [Report.Seek].
	Obstacles []reach.Obstacle `json:"obstacles,omitempty"`

	// Empty is that the sets of the lists hold nothing, if the rules were asked for by hand.
	Empty *problem.Problem `json:"empty,omitempty"`

	Pending *PendingReport `json:"pending,omitempty"`
	New     bool           `json:"new_base"` // base rules were installed for good that had not been before

	// Closed are the listeners that the base rules close, if they were asked for by
	// hand.
	Closed []lockout.Closed `json:"closed"`

	// Unresolved are names of trunks of which no address is known, so that no base rule
	// lets them in.
	Unresolved []string `json:"unresolved,omitempty"`

	// withoutBase is why a family has only the drop, and not the base rules.
	withoutBase [2]error

	// Generation is that of the rules as they were seen to be right, and Other that of the
	// other backend then; see [firewall.Firewall.Generation].
	Generation, Other string `json:"-"`

	seek *seeking // nil if there is nothing to look for

	// Warnings are what is as it should be in the kernel, but not beside it.
	Warnings []string `json:"-"`
}

// Troubled reports whether rules that are installed do not do all that they are for.
func (r *Report) Troubled() bool {
	return len(r.Families) > 0 || len(r.Obstacles) > 0 || r.Empty != nil
}

// How says how to go about the rules.
type How struct {
	DryRun bool // change nothing
	byHand bool // the admin asks for them now: what lapsed before is tried again
	force  bool // do not ask who would be locked out

	// unattended is nobody being there: base rules that are new are not
	// installed, but on a fresh host that nobody is logged in to; and not even
	// there if established, for whoever has been at work before.
	Unattended, Established bool

	// onlyLooks is a question by somebody who will not act himself: that he sits at a
	// terminal says nothing about whoever will.
	OnlyLooks bool

	// leaveBase leaves the base rules as they are: somebody is about to try them.
	LeaveBase bool

	// before is called with the changes just before they are made, and returns
	// what the kernel holds then.
	before func(saved [2]*firewall.Saved, changes []firewall.Change) ([2]*firewall.Saved, error)
}

// Ensure makes the kernel hold the configured rules. Base rules that must not be
// installed (see [LockoutError], [OtherOwnerError], rejectedBase) are left as they
// are, the drop is put in force all the same, and the report says why.
func (r *Hold) Ensure(ctx context.Context, how How) (*Report, error) {
	report := &Report{Backend: string(r.fw.Backend), Base: BaseOff, Changes: []firewall.Change{}, Missing: []string{}, Closed: []lockout.Closed{}, Pending: r.State.Pending.report()}
	if r.asLastTime() && !how.byHand {
		report.DropAt, report.Base = string(r.Record.DropAt), onOff(r.Record.Base)
		report.Generation, report.Other = r.Record.Generation, r.Record.Other
		report.seek = r.seeking()
		return report, nil
	}
	r.other = r.fw.OtherGeneration() // before the rules are read
	report.Other = r.other
	d, err := r.decide(ctx, how)
	if err != nil {
		return report, err
	}
	if settings.LeavesRules(r.Cfg) {
		return r.leaveToOthers(ctx, d.saved, how, report)
	}
	report.decided(d)
	if how.DryRun {
		report.Families = r.knownTroubles(d.saved, d.plans)
		if len(report.Changes) == 0 {
			report.seek = r.seeking()
		}
		if report.Missing, err = r.missingSets(hasBase(d.want)); err != nil {
			return report, err
		}
		report.Base = onOff(hasBase(d.want))
		return report, nil
	}
	return report, r.commit(ctx, d, how, report)
}

// commit carries a decision out, and writes down in report what came of it. It is not cut
// short by ctx once it has begun: what is seen and remembered afterwards would be half the
// truth, and a stop of the agent would look like a trouble.
func (r *Hold) commit(ctx context.Context, d *decision, how How, report *Report) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	saved, want, base, at := d.saved, d.want, d.base, d.at
	plans := d.plans
	if how.before != nil {
		if saved, err = how.before(saved, report.Changes); err != nil {
			return err
		}
		plans = r.fw.Plan(want, saved, r.Record.Readback)
	}
	if hasBase(want) {
		if err := r.EnsureBans(plans); err != nil {
			return err
		}
	}
	done, partly, err := r.apply(ctx, want, saved)
	if how.byHand && partly != nil && partly.Family == firewall.IPv4 {
		// Who asks for rules by hand is told that there are none.
		before := firewall.Wanted{saved[firewall.IPv4].Own(), saved[firewall.IPv6].Own()}
		_, backErr := r.fw.Apply(ctx, before, done.Saved, nil)
		if back, again := firewall.Partly(backErr); again && back.Family == firewall.IPv4 {
			backErr = nil // it is as it was
		}
		partly, err = nil, errors.Join(partly, backErr)
	}
	if hasBase(want) && refusedByKernel(cmp.Or(err, problem.AsError(partly))) && (!how.byHand || err == nil) {
		// A kernel that cannot have the base rules can have the drop.
		if report.withoutBase = done.Failed; err == nil && partly.Family == firewall.IPv6 {
			report.Families = append(report.Families, problem.OfFamily(partly))
		} else {
			report.Problem = problem.Of(cmp.Or(err, problem.AsError(partly)))
		}
		drop := settings.DropSettings(r.Cfg, r.sets, at).Wanted().KeepBase(saved)
		for f, failed := range done.Failed {
			if failed != nil {
				want[f] = drop[f]
			}
		}
		if !hasBase(want) { // nor are those of the other family there alone
			want, base = drop, nil
		}
		done, partly, err = r.apply(ctx, want, done.Saved)
	}
	if !hasBase(want) || err != nil && !saved[firewall.IPv4].HasBase() {
		if _, dropErr := r.DropBans(ctx); dropErr != nil {
			report.Warnings = append(report.Warnings, fmt.Sprintf("what was made for fail2ban: %v", dropErr))
		}
	}
	if err != nil {
		return err
	}
	if partly != nil {
		report.Families = []problem.FamilyProblem{problem.OfFamily(partly)}
	}
	report.Changes = append([]firewall.Change{}, firewall.Changes(done.Plans)...)
	report.Written = len(report.Changes) > 0
	report.Base = onOff(hasBase(want))
	for _, p := range r.fw.Plan(want, done.Saved, done.Readback) {
		report.Warnings = append(report.Warnings, p.Stays...)
	}
	if report.Problem == nil {
		report.Warnings = append(report.Warnings, r.cleanOther(ctx)...)
	}
	report.Repaired = report.Written && (r.Record.Wanted == problem.Digest(want) || r.State.Pending != nil && !how.byHand)
	report.seek = r.seeking()
	if len(report.Families) == 0 && r.unread == nil { // else look again, whether a rule changes or not
		report.Generation = done.Saved[firewall.IPv4].Generation
	}
	r.accept(base, report)
	r.remember(done, want, at, report)
	if partly != nil && partly.Family == firewall.IPv4 {
		return partly // most of what attacks a host does so over IPv4
	}
	return nil
}

func onOff(on bool) string {
	if on {
		return BaseOn
	}
	return BaseOff
}

// refusedByKernel reports whether the rules themselves are the trouble.
func refusedByKernel(err error) bool {
	if errors.Is(err, firewall.ErrLocked) {
		return false
	}
	refused, incompatible := (*firewall.ToolError)(nil), (*firewall.IncompatibleError)(nil)
	return errors.As(err, &refused) || errors.As(err, &incompatible)
}

// hasBase reports whether the base rules are among what is wanted: their chain
// does nothing by itself.
func hasBase(w firewall.Wanted) bool {
	for _, t := range w[firewall.IPv4] {
		for _, h := range t.Hooks {
			if h.Chain == "INPUT" && h.Last {
				return true
			}
		}
	}
	return false
}

// cleanOther takes rules of ours out of the other backend, after those of this
// one are in force: they would go on by old settings, and nobody would look there.
func (r *Hold) cleanOther(ctx context.Context) (warnings []string) {
	other, err := firewall.Open(string(r.fw.Backend.Other()))
	if err != nil || !other.InUse() {
		return nil
	}
	saved, err := other.ReadSure(ctx)
	if err == nil {
		_, err = other.Apply(ctx, firewall.Wanted{}, saved, nil)
	}
	if partly, yes := firewall.Partly(err); yes && partly.Family == firewall.IPv6 && r.Cfg.Firewall.IPv6 == config.IPv6Off {
		return nil
	}
	if err != nil {
		return []string{fmt.Sprintf("rules of ours in the %s backend could not be taken out: %v", other.Backend, err)}
	}
	return nil
}

// accept writes down which base rules are installed without anybody having to
// confirm them.
func (r *Hold) accept(base *firewall.Base, report *Report) {
	if r.State.Pending != nil {
		return
	}
	before := problem.Digest(r.State)
	if r.State.Since.IsZero() && r.StateErr == nil {
		r.State.Since = time.Now().UTC().Truncate(time.Second)
	}
	switch {
	case base != nil:
		a := &acceptedBase{Key: settings.BaseKey(r.Cfg), Base: *base, At: time.Now().UTC().Truncate(time.Second)}
		if old := r.State.Accepted; old == nil || problem.Digest(old.Base) != problem.Digest(a.Base) || old.Key != a.Key {
			report.New = old == nil || old.Key != a.Key
			r.State.Accepted = a
		}
		r.State.unreject(a.Key)
	case !r.Cfg.Firewall.Base && r.StateErr == nil:
		r.State.Accepted = nil
	}
	if problem.Digest(r.State) == before {
		return
	}
	if err := r.WriteState(); err != nil {
		report.Warnings = append(report.Warnings, fmt.Sprintf("which base rules are accepted is not remembered: %v", err))
	}
}

func (r *Hold) WriteState() error { return r.store.WriteJSON(rulesFile, r.State) }

// remember writes down what was read back, so that the next comparison is exact,
// and free while no rule has changed.
func (r *Hold) remember(done *firewall.Applied, want firewall.Wanted, at firewall.Place, report *Report) {
	before := problem.Digest(r.Record)
	r.Record.Readback, r.Record.DropAt, r.Record.Base = done.Readback, at, hasBase(want)
	r.Record.AvoidInput = r.avoid
	if slices.ContainsFunc(report.Changes, func(c firewall.Change) bool {
		return c.Op == firewall.OpAdd && !c.Base() && strings.Contains(c.Rule, "--match-set "+r.Cfg.Set)
	}) {
		r.Record.Since = time.Now().UTC().Truncate(time.Second)
	}
	r.Record.Other = r.other
	r.Record.Wanted, r.Record.Generation = problem.Digest(want), report.Generation
	r.Record.Troubles = [2]*problem.Problem{}
	for _, p := range report.Families {
		r.Record.Troubles[p.In] = &p.Problem
	}
	if report.Problem != nil {
		r.Record.Generation = "" // to be looked at again each time
	}
	if problem.Digest(r.Record) == before {
		return
	}
	if err := r.WriteRecord(); err != nil {
		report.Warnings = append(report.Warnings, fmt.Sprintf("what the kernel holds is not remembered: %v", err))
	}
}

func (r *Hold) WriteRecord() error {
	if r.Record.unread != nil {
		return r.Record.unread
	}
	if r.Run == nil {
		_, err := fetch.FindStore(r.Cfg.RunDir)
		return err
	}
	return r.Run.WriteJSON(rulesFile, r.Record)
}

// asLastTime reports whether the same rules are wanted as the last time, and no rule in
// the kernel has changed since, of either backend: then there is nothing to read. What
// others have in the other one may decide where the drop stands.
func (r *Hold) asLastTime() bool {
	if r.Record.Generation == "" || r.Record.Generation != r.fw.Generation() || r.Record.Other != r.fw.OtherGeneration() || r.StateErr != nil || r.State.Pending != nil {
		return false
	}
	s := r.dropSettings(settings.DropPlace(r.Cfg, r.Record.AvoidInput || host.HasFreePBXFirewall("")))
	s.Base = settings.BaseSettings(r.Cfg, r.Trunks)
	return r.Record.Wanted == problem.Digest(s.Wanted())
}

// DropBanned reports whether there are rules that drop who is banned. That something
// refers to the sets says little: a rule that only logs does, too.
func (r *Hold) DropBanned(ctx context.Context) bool {
	if r.asLastTime() {
		return true
	}
	saved, err := r.fw.Read(ctx)
	if err != nil {
		return true // as far as can be known; whoever repairs the rules tells
	}
	// Who has put something above them is the agent's to deal with, if there is one: it
	// does not quarrel for the first place without end.
	_, agent, _ := state.AgentRuns(r.Cfg) // not knowing it, the rules are put right
	for _, f := range cidr.Families {
		if saved[f].Trouble != nil || r.Record.Troubles[f] != nil || !settings.WantsRules(r.Cfg, firewall.Family(f)) {
			continue // whoever repairs the rules tells
		}
		drops := saved[f].DropRules(r.Cfg.BanSetName(int(f)))
		if !agent {
			drops = slices.DeleteFunc(drops, firewall.DropRule.Bypassed)
		}
		if len(drops) == 0 {
			return false
		}
	}
	return true
}

// dropSettings are those of the configuration, with the sets that are about to be replaced.
func (r *Hold) dropSettings(at firewall.Place) firewall.Settings {
	s := settings.DropSettings(r.Cfg, r.sets, at)
	for _, f := range cidr.Families {
		if r.Replaced[f] {
			s.Sets[f] = r.Cfg.SetName(int(f))
		}
	}
	return s
}

// callerOut is the problem that the agent has with base rules nobody has tried yet, or why
// whoever asks cannot try them: they would lock out a login that the agent may not see.
func (r *Hold) callerOut(ctx context.Context, trouble *problem.Problem) *problem.Problem {
	if trouble == nil || trouble.Reason != problem.ReasonUntried {
		return trouble
	}
	own, err := r.Ensure(ctx, How{DryRun: true, OnlyLooks: true})
	if err != nil || own.Problem == nil || own.Problem.Reason != problem.ReasonLockout {
		return trouble
	}
	return own.Problem
}

// EnsureSaved makes the sets of our actions for fail2ban that saved rules name and that are
// not there. Whoever loads these rules at boot loads none of them if one set is missing, and
// fail2ban comes later. What cannot be made is in a line each.
func (r *Hold) EnsureSaved() (warnings []string) {
	before := problem.Digest(r.Record)
	for _, f := range cidr.Families {
		names, err := reach.SavedSets(host.RulesAtBoot[f])
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("the sets that saved rules name cannot be made: %v", err))
			continue
		}
		for _, name := range names {
			made, err := r.sets.EnsureBanSet(name, f)
			if err != nil {
				warnings = append(warnings, fmt.Sprintf("%s names a set that cannot be made: %v", host.RulesAtBoot[f], err))
			}
			if made && !slices.Contains(r.Record.Sets, name) {
				r.Record.Sets = append(r.Record.Sets, name)
			}
		}
	}
	if problem.Digest(r.Record) != before {
		r.WriteRecord() // if it cannot be kept, remember says so
	}
	return warnings
}
