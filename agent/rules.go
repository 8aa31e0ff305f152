package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/lockout"
)

// rules is a hold on the firewall's rules: how they are configured, what the
// admin has said about them, and what is known of the kernel's. Its methods are
// for whoever holds the lock.
type rules struct {
	cfg    config.Config
	fw     *firewall.Firewall
	sets   *ipsetsync.Kernel
	store  *fetch.Store   // the state folder; nil for looking only, if there is none
	run    *fetch.Store   // the run folder, likewise
	trunks []netip.Prefix // as the names in it are resolved now

	state  ruleState
	record ruleRecord
	ways   *facts.Ways // see look

	stateErr  error // why the state is not known
	stateLost bool  // there is no file of it
}

// openRules gathers all this. It is closed by closing run.
func openRules(cfg config.Config, fw *firewall.Firewall, sets *ipsetsync.Kernel, store *fetch.Store) *rules {
	r := &rules{cfg: cfg, fw: fw, sets: sets, store: store}
	// Without it there is less to compare with, and nothing to be remembered:
	// that is said when it is tried.
	r.run, _ = fetch.FindStore(cfg.RunDir)
	r.reload()
	return r
}

// reload reads what is known once more, when it can have changed since: after the
// lock of the rules has been taken.
func (r *rules) reload() { r.state, r.record, r.stateLost, r.stateErr = readRules(r.store, r.run) }

func (r *rules) close() {
	if r.run != nil {
		r.run.Close()
	}
}

// settleAndEnsure is what whoever holds the lock of the rules does about them when
// nobody has asked for anything: what is pending too long ends, and the rest is put
// right.
func (r *rules) settleAndEnsure(ctx context.Context, how howRules) (report *RulesReport, warnings []string, err error) {
	r.reload()
	warnings, err = r.settle(ctx, time.Now())
	if err != nil {
		return nil, warnings, err
	}
	report, err = r.ensure(ctx, how)
	return report, append(warnings, report.Warnings...), err
}

// The values of RulesReport.Base.
const (
	BaseOn  = "on"
	BaseOff = "off"
)

// RulesReport is what became of the rules.
type RulesReport struct {
	Backend  string            `json:"backend"`
	DropAt   string            `json:"drop_at"`
	Base     string            `json:"base"`         // BaseOn or BaseOff, as the kernel has it now
	Changes  []firewall.Change `json:"changes"`      // that were made, or would be
	Missing  []string          `json:"missing_sets"` // in a dry run, sets that the rules refer to and that are not there
	Written  bool              `json:"written"`
	Repaired bool              `json:"repaired"`          // the same rules were written before: somebody else had changed them
	Problem  *Problem          `json:"problem,omitempty"` // why the base rules are not as configured
	Error    *Problem          `json:"error,omitempty"`   // why nothing was applied
	Pending  *PendingReport    `json:"pending,omitempty"`
	New      bool              `json:"new_base"` // base rules were installed for good that had not been before

	// Closed are the listeners that the base rules close, if they were asked for by
	// hand.
	Closed []lockout.Closed `json:"closed"`

	// generation is that of the rules as they were seen to be right; see
	// [firewall.Firewall.Generation].
	generation string

	// Warnings are what is as it should be in the kernel, but not beside it.
	Warnings []string `json:"-"`
}

// PendingReport is base rules that wait for a confirmation.
type PendingReport struct {
	Since    time.Time `json:"since"`
	Deadline time.Time `json:"deadline"`
}

func (r *rules) pendingReport() *PendingReport {
	if r.state.Pending == nil {
		return nil
	}
	return &PendingReport{r.state.Pending.Since, r.state.Pending.Deadline}
}

// howRules says how to go about the rules.
type howRules struct {
	dryRun bool // change nothing
	byHand bool // the admin asks for them now: what lapsed before is tried again
	force  bool // do not ask who would be locked out

	// unattended is nobody being there: base rules that are new are not
	// installed, but on a fresh host that nobody is logged in to; and not even
	// there if established, for whoever has been at work before.
	unattended, established bool

	// before is called with the changes just before they are made, and returns
	// what the kernel holds then.
	before func(saved [2]*firewall.Saved, changes []firewall.Change) ([2]*firewall.Saved, error)
}

// ensure makes the kernel hold the configured rules. Base rules that must not be
// installed (see [LockoutError], [OtherOwnerError], rejectedBase) are left as they
// are, the drop is put in force all the same, and the report says why.
func (r *rules) ensure(ctx context.Context, how howRules) (*RulesReport, error) {
	report := &RulesReport{Backend: string(r.fw.Backend), Base: BaseOff, Changes: []firewall.Change{}, Missing: []string{}, Closed: []lockout.Closed{}, Pending: r.pendingReport()}
	if r.asLastTime() && !how.byHand {
		report.DropAt, report.Base = string(r.record.DropAt), onOff(r.record.Base)
		report.generation = r.record.Generation
		return report, nil
	}
	saved, err := r.fw.ReadSure(ctx)
	if err != nil {
		return report, err
	}
	at := dropPlace(r.cfg, avoidInput(saved))
	report.DropAt = string(at)
	want, base, err := r.wanted(ctx, at, saved, how)
	report.Problem = problemIf(err)
	if configured := baseSettings(r.cfg, r.trunks); configured != nil && how.byHand {
		report.Closed = lockout.Find(*configured, saved, r.look().Listeners)
	}
	plans := r.fw.Plan(want, saved, r.record.Readback)
	report.Changes = append(report.Changes, firewall.Changes(plans)...)
	if how.dryRun {
		if report.Missing, err = r.missingSets(hasBase(want)); err != nil {
			return report, err
		}
		report.Base = onOff(hasBase(want))
		return report, nil
	}
	if how.before != nil {
		if saved, err = how.before(saved, report.Changes); err != nil {
			return report, err
		}
		plans = r.fw.Plan(want, saved, r.record.Readback)
	}
	if hasBase(want) {
		if err := r.ensureBans(plans); err != nil {
			return report, err
		}
	}
	done, err := r.fw.Apply(ctx, want, saved, r.record.Readback)
	if hasBase(want) && !how.byHand && refusedByKernel(err) {
		// A kernel that cannot have the base rules can have the drop.
		report.Problem, base = problemOf(err), nil
		want = dropSettings(r.cfg, r.sets, at).Wanted().KeepBase(saved)
		done, err = r.fw.Apply(ctx, want, saved, r.record.Readback)
	}
	if !hasBase(want) || err != nil && !saved[firewall.IPv4].HasBase() {
		if _, dropErr := r.dropBans(context.WithoutCancel(ctx)); dropErr != nil {
			report.Warnings = append(report.Warnings, fmt.Sprintf("what was made for fail2ban: %v", dropErr))
		}
	}
	if err != nil {
		return report, err
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
	report.generation = done.Saved[firewall.IPv4].Generation
	report.Repaired = report.Written && (r.record.Wanted == digest(want) || r.state.Pending != nil && !how.byHand)
	r.accept(base, report)
	r.remember(done, want, at, report)
	return report, nil
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

func problemIf(err error) *Problem {
	if err == nil {
		return nil
	}
	return problemOf(err)
}

// wanted decides what is to be in the kernel: what is configured, if nothing
// speaks against it. It returns the base rules that are configured and among it,
// and an error if others are.
func (r *rules) wanted(ctx context.Context, at firewall.Place, saved [2]*firewall.Saved, how howRules) (want firewall.Wanted, base *firewall.Base, err error) {
	s := dropSettings(r.cfg, r.sets, at)
	if p := r.state.Pending; p != nil {
		// What is on trial is left alone; the drop is not on trial.
		if p.Key != baseKey(r.cfg) {
			err = &PendingError{p.Deadline}
		}
		return s.Wanted().KeepBase(saved), nil, err
	}
	configured := baseSettings(r.cfg, r.trunks)
	if configured == nil {
		if r.stateErr == nil || how.byHand {
			return s.Wanted(), nil, nil
		}
		return s.Wanted().KeepBase(saved), nil, r.stateErr
	}
	s.Base = configured
	err = r.mayInstall(ctx, *configured, s.Wanted(), saved, how)
	if err == nil {
		return s.Wanted(), configured, nil
	}
	s.Base = nil
	other := (*OtherOwnerError)(nil)
	if a := r.state.Accepted; a != nil && !r.accepted() && !how.byHand && !errors.As(err, &other) {
		s.Base = &a.Base
		return s.Wanted(), nil, err
	}
	return s.Wanted().KeepBase(saved), nil, err
}

// cleanOther takes rules of ours out of the other backend, after those of this
// one are in force: they would go on by old settings, and nobody would look there.
func (r *rules) cleanOther(ctx context.Context) (warnings []string) {
	other, err := firewall.Open(string(r.fw.Backend.Other()))
	if err != nil || !other.InUse() {
		return nil
	}
	saved, err := other.ReadSure(ctx)
	if err == nil {
		_, err = other.Apply(ctx, firewall.Wanted{}, saved, nil)
	}
	if err != nil {
		return []string{fmt.Sprintf("rules of ours in the %s backend could not be taken out: %v", other.Backend, err)}
	}
	return nil
}

// accept writes down which base rules are installed without anybody having to
// confirm them.
func (r *rules) accept(base *firewall.Base, report *RulesReport) {
	if r.state.Pending != nil {
		return
	}
	before := digest(r.state)
	if r.state.Since.IsZero() && r.stateErr == nil {
		r.state.Since = time.Now().UTC().Truncate(time.Second)
	}
	switch {
	case base != nil:
		a := &acceptedBase{Key: baseKey(r.cfg), Base: *base, At: time.Now().UTC().Truncate(time.Second)}
		if old := r.state.Accepted; old == nil || digest(old.Base) != digest(a.Base) || old.Key != a.Key {
			report.New = old == nil || old.Key != a.Key
			r.state.Accepted = a
		}
		r.state.unreject(a.Key)
	case !r.cfg.Firewall.Base && r.stateErr == nil:
		r.state.Accepted = nil
	}
	if digest(r.state) == before {
		return
	}
	if err := r.writeState(); err != nil {
		report.Warnings = append(report.Warnings, fmt.Sprintf("which base rules are accepted is not remembered: %v", err))
	}
}

func (r *rules) writeState() error { return r.store.WriteJSON(rulesFile, r.state) }

// remember writes down what was read back, so that the next comparison is exact,
// and free while no rule has changed.
func (r *rules) remember(done *firewall.Applied, want firewall.Wanted, at firewall.Place, report *RulesReport) {
	before := digest(r.record)
	r.record.Readback, r.record.DropAt, r.record.Base = done.Readback, at, hasBase(want)
	r.record.AvoidInput = avoidInput(done.Saved)
	if slices.ContainsFunc(report.Changes, func(c firewall.Change) bool {
		return c.Op == firewall.OpAdd && !c.Base() && strings.Contains(c.Rule, "--match-set "+r.cfg.Set)
	}) {
		r.record.Since = time.Now().UTC().Truncate(time.Second)
	}
	r.record.Wanted, r.record.Generation = digest(want), done.Saved[firewall.IPv4].Generation
	if report.Problem != nil {
		r.record.Generation = "" // to be looked at again each time
	}
	if digest(r.record) == before {
		return
	}
	if err := r.writeRecord(); err != nil {
		report.Warnings = append(report.Warnings, fmt.Sprintf("what the kernel holds is not remembered: %v", err))
	}
}

func (r *rules) writeRecord() error {
	if r.run == nil {
		_, err := fetch.FindStore(r.cfg.RunDir)
		return err
	}
	return r.run.WriteJSON(rulesFile, r.record)
}

// asLastTime reports whether the same rules are wanted as the last time, and no
// rule in the kernel has changed since: then there is nothing to read.
func (r *rules) asLastTime() bool {
	if r.record.Generation == "" || r.record.Generation != r.fw.Generation() || r.stateErr != nil || r.state.Pending != nil {
		return false
	}
	s := dropSettings(r.cfg, r.sets, dropPlace(r.cfg, r.record.AvoidInput))
	s.Base = baseSettings(r.cfg, r.trunks)
	return r.record.Wanted == digest(s.Wanted())
}
