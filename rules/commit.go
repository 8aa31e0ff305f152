package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// Commit carries out a decision and adds the result to report. Once begun, it ignores the end
// of ctx: otherwise what is seen and remembered afterwards would be incomplete, and stopping
// the agent would look like a failure.
func (r *Hold) Commit(ctx context.Context, d *Decision, report *Report) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if d.none {
		return r.takeOut(ctx, d, report)
	}
	if HasBase(d.want) {
		if err := r.EnsureBans(ctx, d.plans); err != nil {
			return err
		}
	}
	saved := d.Saved
	o := r.tryBase(ctx, d)
	if !o.refused() {
		o = r.carryOut(ctx, d, o.done.Saved).after(o)
	}
	refused := HasBase(o.as.want) && o.refused()
	if refused || o.err == nil { // else it is not known
		r.Record.BaseRefused = refused
	}
	if d.byHand && o.partly != nil && o.partly.Family == iptables.IPv4 {
		// An admin who asks for rules by hand is told that there are none.
		before := ruleset.Wanted{saved[iptables.IPv4].Own(), saved[iptables.IPv6].Own()}
		_, backErr := r.Fw.Apply(ctx, before, o.done.Saved, nil)
		if back, again := firewall.Partly(backErr); again && back.Family == iptables.IPv4 {
			backErr = nil // the kernel is as it was
		}
		o.partly, o.err = nil, errors.Join(o.partly, backErr)
	}
	if refused && (!d.byHand || o.err == nil) {
		if report.WithoutBase = o.done.Failed; o.err == nil && o.partly.Family == iptables.IPv6 {
			report.Families = append(report.Families, problem.OfFamily(o.partly))
		} else {
			report.Problem = problem.Of(cmp.Or(o.err, problem.AsError(o.partly)))
		}
		in := *o.as.saw
		for f, err := range o.done.Failed {
			in.refusedBase[f] = err != nil
		}
		o = r.carryOut(ctx, o.as.again(&in), o.done.Saved).after(o)
	}
	d, want, done, partly, err := o.as, o.as.want, o.done, o.partly, o.err
	report.Placed = d.Placed
	if onTrial := r.State.Pending != nil && r.State.Pending.Base != nil; !onTrial && (!HasBase(want) || err != nil && !saved[iptables.IPv4].HasBase()) {
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
	report.Base = onOff(HasBase(want))
	if report.Pending != nil {
		report.Pending.Gone = r.State.Pending.isGone(done.Saved)
	}
	for _, p := range r.Fw.Plan(want, done.Saved, done.Readback) {
		report.Warnings = append(report.Warnings, p.Stays...)
	}
	if report.Problem == nil {
		report.Warnings = append(report.Warnings, r.cleanOther(ctx)...)
	}
	moves, only := firewall.MovesDrop(report.Changes)
	report.Moves = moves
	report.Repaired = report.Written && (r.Record.Wanted == problem.Digest(want) || r.State.Pending != nil && !d.byHand && !only)
	report.seek = r.seeking(report.Placed)
	failedRaw := d.saw.place.failedRaw != [2]bool{}
	if failedRaw {
		report.Warnings = append(report.Warnings, "the drop stands in INPUT for now, since the raw table could not be changed; the next run tries it again")
	}
	if len(report.Families) == 0 && d.saw.unread == nil && !failedRaw { // else look again, even if no rule has changed
		report.Generation = done.Saved[iptables.IPv4].Generation
	}
	r.accept(d.base, report)
	r.remember(o, report)
	if partly != nil && partly.Family == iptables.IPv4 {
		return partly // most attacks come over IPv4
	}
	return nil
}

// outcome is what came of carrying out a decision.
type outcome struct {
	as     *Decision             // the decision, as it became where the kernel refused a part
	done   *firewall.Applied     // nil only if the context had ended before
	partly *firewall.FamilyError // why a family failed, while the other is right
	err    error
}

// refused reports whether the kernel has refused rules, in one family or in both.
func (o outcome) refused() bool { return refusedByKernel(cmp.Or(o.err, problem.AsError(o.partly))) }

// after adds the changes that were made before, for the report.
func (o outcome) after(earlier outcome) outcome {
	for f, p := range earlier.done.Plans {
		if p == nil || earlier.done.Failed[f] != nil {
			continue
		}
		all := firewall.Plan{Family: iptables.Family(f), Changes: p.Changes}
		if now := o.done.Plans[f]; now != nil {
			all.Changes = slices.Concat(p.Changes, now.Changes)
		}
		o.done.Plans[f] = &all
	}
	return o
}

// rawFailures returns the families whose rules were refused, and were to have the drop in raw.
func (o outcome) rawFailures() (failed [2]bool) {
	for f, err := range o.done.Failed {
		failed[f] = refusedByKernel(err) && len(iptables.FindTable(o.as.want[f], "raw").Hooks) > 0
	}
	return failed
}

// tryBase applies base rules that the kernel refused the last time, with the drop in INPUT: that
// is one table, and nothing changes if they are refused again. Otherwise each run would move the
// drop to raw and back.
func (r *Hold) tryBase(ctx context.Context, d *Decision) outcome {
	if !r.Record.BaseRefused || d.DropWhy != WhyBase || d.saw.hasBase() || d.saw.place.dropAt != config.DropAuto {
		return outcome{as: d, done: &firewall.Applied{Saved: d.Saved}}
	}
	in := *d.saw
	in.place.noRaw = [2]bool{true, true}
	o := r.apply(ctx, d.again(&in), d.Saved)
	o.as = d
	return o
}

// carryOut applies the rules of a decision. If the raw table cannot be changed in a family, the
// decision has the drop in INPUT there, unless drop_at names the raw table. Each failure is tried
// once more. That the kernel has no such table, as in some containers, is remembered only if the
// tool says so and no listing shows the table. After another failure, as of a tool that was
// killed, a drop that stands in raw stays there, and only where there is none it is in INPUT until
// the next run.
func (r *Hold) carryOut(ctx context.Context, d *Decision, saved [2]*iptables.Saved) outcome {
	if err := ctx.Err(); err != nil {
		return outcome{as: d, err: err}
	}
	ctx = context.WithoutCancel(ctx)
	o := r.apply(ctx, d, saved)
	if d.saw.place.dropAt != config.DropAuto {
		return o
	}
	if o.rawFailures() != [2]bool{} {
		o = r.apply(ctx, d, o.done.Saved).after(o)
	}
	in := *d.saw
	for f, failed := range o.rawFailures() {
		switch {
		case !failed:
		case firewall.LacksTable(o.done.Failed[f], "raw") && !o.done.Saved[f].HasTable("raw"):
			in.refusedRaw[f] = true
		case !o.done.Saved[f].DropsIn("raw", d.saw.drop.Sets[f], d.saw.drop.BanSets[f]):
			in.place.failedRaw[f] = true
		}
	}
	if in.refusedRaw == d.saw.refusedRaw && in.place.failedRaw == d.saw.place.failedRaw {
		return o
	}
	in.place.noRaw = in.rawless()
	below := r.apply(ctx, d.again(&in), o.done.Saved)
	for _, f := range iptables.Families {
		if in.place.lacksRaw(f) && !d.saw.place.lacksRaw(f) && below.done.Failed[f] == nil {
			return below.after(o)
		}
	}
	o.done.Saved = below.done.Saved // raw was not the cause
	return o
}

// DropFirst applies the part of a decision that is never on trial: all but the base rules.
func (r *Hold) DropFirst(ctx context.Context, d *Decision) ([]firewall.Change, error) {
	// It stands where it belongs without what is on trial: there it is put back, too.
	w := d.asked
	w.onlyDrop = true
	o := r.carryOut(ctx, decide(w, d.saw, d.there), d.Saved)
	if err := o.err; err != nil {
		return nil, err
	}
	if o.partly != nil && o.partly.Family == iptables.IPv4 {
		return nil, o.partly
	}
	*d = *d.again(o.as.saw)
	d.Saved, d.plans = o.done.Saved, r.Fw.Plan(d.want, o.done.Saved, r.Record.Readback)
	return firewall.Changes(o.done.Plans), nil
}

// refusedByKernel reports whether the kernel has refused the rules themselves.
func refusedByKernel(err error) bool {
	if errors.Is(err, firewall.ErrLocked) {
		return false
	}
	refused, incompatible := (*firewall.ToolError)(nil), (*iptables.IncompatibleError)(nil)
	return errors.As(err, &refused) || errors.As(err, &incompatible)
}

// cleanOther removes voipbl's rules from the other backend, after those in this one are in
// force. They would stay in effect with old settings, where nobody looks for them.
func (r *Hold) cleanOther(ctx context.Context) (warnings []string) {
	other, err := firewall.Open(string(r.Fw.Backend.Other()))
	if err != nil || !other.InUse() {
		return nil
	}
	saved, err := other.ReadSure(ctx)
	if err == nil {
		_, err = other.Apply(ctx, ruleset.Wanted{}, saved, nil)
	}
	if partly, yes := firewall.Partly(err); yes && partly.Family == iptables.IPv6 && r.Cfg.Firewall.IPv6 == config.IPv6Off {
		return nil
	}
	if err != nil {
		return []string{fmt.Sprintf("rules of ours in the %s backend could not be taken out: %v", other.Backend, err)}
	}
	return nil
}

// accept records which base rules are installed without having to be confirmed.
func (r *Hold) accept(base *ruleset.Base, report *Report) {
	if r.State.Pending != nil {
		return
	}
	before := problem.Digest(r.State)
	if r.State.Since.IsZero() && r.StateErr == nil {
		r.State.Since = time.Now().UTC().Truncate(time.Second)
	}
	switch {
	case base != nil:
		a := &AcceptedBase{Key: settings.BaseKey(r.Cfg), Base: *base, At: time.Now().UTC().Truncate(time.Second)}
		if old := r.State.Accepted; old == nil || problem.Digest(old.Base) != problem.Digest(a.Base) || old.Key != a.Key {
			report.New = old == nil || old.Key != a.Key
			r.State.Accepted = a
		}
		r.State.Unreject(a.Key)
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

// remember records what was read back, so that the next comparison is exact, and costs
// nothing while no rule has changed.
func (r *Hold) remember(o outcome, report *Report) {
	d, want := o.as, o.as.want
	before := problem.Digest(r.Record)
	r.Record.Readback, r.Record.Placed, r.Record.Base = o.done.Readback, d.Placed, HasBase(want)
	r.Record.RawFailed = [2]bool{} // the next run tries it again
	r.Record.Avoid, r.Record.RawRefused, r.Record.FreePBX = d.saw.place.avoid(), d.saw.refusedRaw, d.saw.freePBX
	if !report.Moves && slices.ContainsFunc(report.Changes, func(c firewall.Change) bool {
		return c.Op == firewall.OpAdd && !c.Base() && strings.Contains(c.Rule, "--match-set "+r.Cfg.Set)
	}) {
		r.Record.Since = time.Now().UTC().Truncate(time.Second)
	}
	r.Record.Other = d.saw.other
	r.Record.Wanted, r.Record.Generation = problem.Digest(want), report.Generation
	r.Record.Troubles = [2]*problem.Problem{}
	for _, p := range report.Families {
		r.Record.Troubles[p.In] = &p.Problem
	}
	if report.Problem != nil {
		r.Record.Generation = "" // look again each time
	}
	if problem.Digest(r.Record) == before {
		return
	}
	if err := r.WriteRecord(); err != nil {
		report.Warnings = append(report.Warnings, fmt.Sprintf("what the kernel holds is not remembered: %v", err))
	}
}
