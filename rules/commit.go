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
		if err := r.EnsureBans(d.plans); err != nil {
			return err
		}
	}
	saved := d.Saved
	done, partly, err := r.tryBase(ctx, d)
	if !refusedByKernel(cmp.Or(err, problem.AsError(partly))) {
		tried := done
		done, partly, err = r.applyPlaced(ctx, d, tried.Saved, func(d *Decision) ruleset.Wanted { return d.want })
		addChanges(done, tried)
	}
	want, base := d.want, d.base
	r.Record.BaseRefused = false
	if d.byHand && partly != nil && partly.Family == iptables.IPv4 {
		// An admin who asks for rules by hand is told that there are none.
		before := ruleset.Wanted{saved[iptables.IPv4].Own(), saved[iptables.IPv6].Own()}
		_, backErr := r.Fw.Apply(ctx, before, done.Saved, nil)
		if back, again := firewall.Partly(backErr); again && back.Family == iptables.IPv4 {
			backErr = nil // the kernel is as it was
		}
		partly, err = nil, errors.Join(partly, backErr)
	}
	if HasBase(want) && refusedByKernel(cmp.Or(err, problem.AsError(partly))) && (!d.byHand || err == nil) {
		// A kernel that cannot take the base rules may still take the drop.
		r.Record.BaseRefused = true
		if report.WithoutBase = done.Failed; err == nil && partly.Family == iptables.IPv6 {
			report.Families = append(report.Families, problem.OfFamily(partly))
		} else {
			report.Problem = problem.Of(cmp.Or(err, problem.AsError(partly)))
		}
		first, failed := done, done.Failed
		done, partly, err = r.applyPlaced(ctx, d, done.Saved, func(d *Decision) ruleset.Wanted {
			want, base = d.want, d.base
			drop := d.saw.dropBeside(true).Wanted().KeepBase(saved)
			for f := range failed {
				if failed[f] != nil {
					want[f] = drop[f]
				}
			}
			if !HasBase(want) { // the other family does not get them alone
				want, base, d.Placed = d.saw.keepBase(), nil, d.saw.placed(d.saw.hasBase())
			}
			return want
		})
		addChanges(done, first)
	}
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
	report.seek = r.seeking(report.NoRaw)
	if d.saw.failedRaw != [2]bool{} {
		report.Warnings = append(report.Warnings, "the drop stands in INPUT for now, since the raw table could not be changed; the next run tries it again")
	}
	if len(report.Families) == 0 && d.saw.unread == nil && d.saw.failedRaw == [2]bool{} { // else look again, even if no rule has changed
		report.Generation = done.Saved[iptables.IPv4].Generation
	}
	r.accept(base, report)
	r.remember(done, want, d, report)
	if partly != nil && partly.Family == iptables.IPv4 {
		return partly // most attacks come over IPv4
	}
	return nil
}

// tryBase applies base rules that the kernel refused the last time, with the drop in INPUT: that
// is one table, and nothing changes if they are refused again. Otherwise each run would move the
// drop to raw and back.
func (r *Hold) tryBase(ctx context.Context, d *Decision) (done *firewall.Applied, partly *firewall.FamilyError, err error) {
	if !r.Record.BaseRefused || d.DropWhy != WhyBase || d.saw.hasBase() || d.saw.place.dropAt != config.DropAuto {
		return &firewall.Applied{Saved: d.Saved}, nil, nil
	}
	in := *d.saw
	in.place.noRaw = [2]bool{true, true}
	return r.apply(ctx, decide(d.asked, &in, d.there).want, d.Saved)
}

// applyPlaced applies rules of a decision. If the raw table cannot be changed in a family, the
// decision has the drop in INPUT there, unless drop_at names the raw table. Each failure is tried
// once more. That the kernel has no such table, as in some containers, is remembered only if the
// tool says so and no listing shows the table. After another failure, as of a tool that was
// killed, a drop that stands in raw stays there, and only where there is none it is in INPUT until
// the next run.
func (r *Hold) applyPlaced(ctx context.Context, d *Decision, saved [2]*iptables.Saved, of func(*Decision) ruleset.Wanted) (done *firewall.Applied, partly *firewall.FamilyError, err error) {
	want := of(d)
	done, partly, err = r.apply(ctx, want, saved)
	if d.saw.place.dropAt != config.DropAuto {
		return done, partly, err
	}
	if rawFailures(want, done) != [2]bool{} {
		first := done
		done, partly, err = r.apply(ctx, want, done.Saved)
		addChanges(done, first)
	}
	in := *d.saw
	for f, failed := range rawFailures(want, done) {
		switch {
		case !failed:
		case firewall.LacksTable(done.Failed[f], "raw") && !done.Saved[f].HasTable("raw"):
			in.refusedRaw[f] = true
		case !done.Saved[f].DropsIn("raw", d.saw.drop.Sets[f], d.saw.drop.BanSets[f]):
			in.failedRaw[f] = true
		}
	}
	if in.refusedRaw == d.saw.refusedRaw && in.failedRaw == d.saw.failedRaw {
		return done, partly, err
	}
	in.place.noRaw = in.rawless()
	below := decide(d.asked, &in, d.there)
	again, partlyAgain, errAgain := r.apply(ctx, of(below), done.Saved)
	helped := false
	for f := range in.place.noRaw {
		helped = helped || in.place.noRaw[f] && !d.saw.place.noRaw[f] && again.Failed[f] == nil
	}
	if !helped { // raw was not the cause
		of(d) // that is what was applied
		done.Saved = again.Saved
		return done, partly, err
	}
	addChanges(again, done)
	below.Saved = d.Saved
	*d = *below
	return again, partlyAgain, errAgain
}

// rawFailures returns the families whose rules were refused, and were to have the drop in raw.
func rawFailures(want ruleset.Wanted, done *firewall.Applied) (failed [2]bool) {
	for f, err := range done.Failed {
		failed[f] = refusedByKernel(err) && len(iptables.FindTable(want[f], "raw").Hooks) > 0
	}
	return failed
}

// addChanges adds the changes that an earlier apply has made, for the report.
func addChanges(done, earlier *firewall.Applied) {
	for f, p := range earlier.Plans {
		if p == nil || earlier.Failed[f] != nil {
			continue
		}
		all := firewall.Plan{Family: iptables.Family(f), Changes: p.Changes}
		if done.Plans[f] != nil {
			all.Changes = slices.Concat(p.Changes, done.Plans[f].Changes)
		}
		done.Plans[f] = &all
	}
}

// DropFirst applies the part of a decision that is never on trial: all but the base rules.
func (r *Hold) DropFirst(ctx context.Context, d *Decision) ([]firewall.Change, error) {
	// It stands where it belongs without what is on trial: there it is put back, too.
	done, partly, err := r.applyPlaced(ctx, d, d.Saved, func(d *Decision) ruleset.Wanted { return d.saw.keepBase() })
	if partly != nil && partly.Family == iptables.IPv4 {
		err = partly
	}
	if err != nil {
		return nil, err
	}
	d.Saved, d.plans = done.Saved, r.Fw.Plan(d.want, done.Saved, r.Record.Readback)
	return firewall.Changes(done.Plans), nil
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
func (r *Hold) remember(done *firewall.Applied, want ruleset.Wanted, d *Decision, report *Report) {
	before := problem.Digest(r.Record)
	r.Record.Readback, r.Record.Placed, r.Record.Base = done.Readback, d.Placed, HasBase(want)
	r.Record.Avoid, r.Record.RawRefused = d.saw.place.avoid(), d.saw.refusedRaw
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
