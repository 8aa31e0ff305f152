package firewall

import (
	"context"
	"errors"
	"fmt"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// Plan compares what is wanted with what the kernel holds, for both families.
func (fw *Firewall) Plan(want ruleset.Wanted, saved [2]*iptables.Saved, known *Readback) [2]*Plan {
	var plans [2]*Plan
	for _, f := range iptables.Families {
		plans[f] = NewPlan(want[f], saved[f], known.of(fw, f))
	}
	return plans
}

// Applied is the result of an apply.
type Applied struct {
	Plans    [2]*Plan           // the changes that were made
	Saved    [2]*iptables.Saved // what the kernel holds now
	Readback *Readback          // for later comparisons

	// Failed is, by family, why its rules are not as wanted. They are then as they were before,
	// unless it says that they could not be put back.
	Failed [2]error
}

// err returns a [*FamilyError] if one family failed and the other did not, else the errors of
// both.
func (a *Applied) err() error {
	for _, f := range iptables.Families {
		other := iptables.IPv6 - f
		if a.Failed[f] != nil && a.Failed[other] == nil && !a.Saved[other].Absent {
			return &FamilyError{f, a.Failed[f]}
		}
	}
	return errors.Join(a.Failed[:]...)
}

// Changes returns those of both families.
func Changes(plans [2]*Plan) []Change {
	var all []Change
	for _, p := range plans {
		if p != nil {
			all = append(all, p.Changes...)
		}
	}
	return all
}

// attempts is how often an apply starts again when another program changes the rules at the
// same time.
const attempts = 5

// Apply makes the kernel hold want. saved is what the kernel holds, as just read. Apply changes
// each table in one transaction, and reads the result back. Once it has begun, it ignores the end
// of ctx.
//
// The families are independent: if one fails, the other is applied all the same, and the error is
// a [*FamilyError]. If one table of a family is refused, the tables changed before it are put
// back, so that the family's rules are as they were (with voipbl's in their proper places, if they
// had drifted); the error is then a [*ToolError] that has the text. Only if other programs keep
// undoing the changes can an apply stay incomplete. A family that saved does not know is left
// alone.
//
// The result is nil only if ctx had ended before.
func (fw *Firewall) Apply(ctx context.Context, want ruleset.Wanted, saved [2]*iptables.Saved, known *Readback) (*Applied, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // nobody wants half an apply
	a := &applying{fw: fw, want: want, before: saved, done: &Applied{Readback: known, Saved: saved}}
	for i := range attempts {
		plans := a.plans()
		if i == 0 && (plans[iptables.IPv4].counts || plans[iptables.IPv6].counts) && momentOf(ctx) != nil {
			// The listing may be older than a moment, and what was counted since must not be lost.
			if now, err := fw.ReadSure(anew(ctx)); err == nil {
				a.before, a.done.Saved = now, now
				plans = a.plans()
			}
		}
		if plans[iptables.IPv4].Unchanged() && plans[iptables.IPv6].Unchanged() {
			return a.done, a.done.err()
		}
		a.try(ctx, plans)
	}
	for f, p := range a.plans() {
		if !p.Unchanged() {
			a.done.Failed[f] = a.othersChange(f)
		}
	}
	return a.done, a.done.err()
}

// applying is an apply in progress.
type applying struct {
	fw      *Firewall
	want    ruleset.Wanted
	before  [2]*iptables.Saved // what a family that is refused goes back to
	done    *Applied
	refused [2]error // in the last attempt; the next one may succeed
}

// plans returns what is left to do for the families that have not failed.
func (a *applying) plans() [2]*Plan {
	plans := a.fw.Plan(a.want, a.done.Saved, a.done.Readback)
	for _, f := range iptables.Families {
		if a.done.Failed[f] == nil && !a.done.Saved[f].Absent {
			a.done.Failed[f] = a.want.Readable(f, a.done.Saved[f])
		}
		if a.done.Failed[f] != nil {
			plans[f] = &Plan{Family: f}
		}
	}
	return plans
}

// try executes the plans and reads back the result.
func (a *applying) try(ctx context.Context, plans [2]*Plan) {
	errs := a.fw.replace(ctx, plans, a.before)
	now, readErr := a.fw.ReadSure(ctx)
	learned := &Readback{Tools: a.fw.tools}
	for _, f := range iptables.Families {
		if old := a.done.Readback.of(a.fw, f); old != nil {
			learned.Rules[f] = old
		}
		if a.done.Failed[f] != nil || now[f] != nil && now[f].Absent {
			continue
		}
		if readErr != nil || now[f].Trouble != nil {
			if !plans[f].Unchanged() || readErr == nil {
				a.done.Failed[f] = errors.Join(errs[f], readErr, troubleOf(now[f]))
			}
			continue
		}
		if err := errs[f]; err != nil {
			a.refuse(f, err, plans[f], now[f])
			continue
		}
		if a.done.Plans[f] == nil || a.done.Plans[f].Unchanged() {
			a.done.Plans[f] = plans[f]
		}
		known, err := learn(a.want[f], now[f])
		if a.refused[f] = err; err == nil {
			learned.Rules[f] = known
		}
	}
	if readErr == nil {
		a.done.Saved, a.done.Readback = now, learned
	}
}

// refuse decides whether a family that was refused is tried again.
func (a *applying) refuse(f iptables.Family, err error, plan *Plan, now *iptables.Saved) {
	locked := errors.Is(err, ErrLocked)
	again := NewPlan(a.want[f], now, a.done.Readback.of(a.fw, f))
	switch {
	case locked && errors.Is(a.refused[f], ErrLocked):
		a.done.Failed[f] = err // the tool has waited for the lock twice, which is long enough
	case !locked && again.shape() == plan.shape():
		a.done.Failed[f] = err // no other program's change was the cause
	default:
		a.refused[f] = err
	}
}

func (a *applying) othersChange(f int) error {
	err := a.refused[f]
	if err == nil {
		err = errListings
	}
	return fmt.Errorf("another program changes the firewall all the time, and undoes ours: %w", err)
}

func troubleOf(s *iptables.Saved) error {
	if s == nil {
		return nil
	}
	return s.Trouble
}

// replace executes the plans. Each family gets all of its plan or nothing: the tools commit one
// table after the other, so if the second is refused, putBack undoes the first.
//
// Legacy tools first test the texts, which takes 2 ms and leaves less to be put back. It does not
// find what only the kernel refuses. On nf_tables it would find no more than that, and cost more
// than all else: the kernel ends each test with a grace period, 10 ms a family, one after the
// other. There putBack alone has to do, as after a refusal by the kernel.
func (fw *Firewall) replace(ctx context.Context, plans [2]*Plan, before [2]*iptables.Saved) (errs [2]error) {
	var tested [2]error
	if fw.Backend == Legacy {
		tested = fw.restore(ctx, plans, true)
	}
	for _, f := range iptables.Families {
		if tested[f] != nil {
			plans[f] = &Plan{Family: f}
		}
	}
	errs = fw.restore(ctx, plans, false)
	if errors.Join(errs[:]...) != nil {
		fw.putBack(ctx, plans, before, &errs)
	}
	for _, f := range iptables.Families {
		errs[f] = errors.Join(tested[f], errs[f])
	}
	return errs
}

// putBack restores the rules of the families that have failed, since one of their tables may have
// been changed already. Its own errors are joined to theirs.
func (fw *Firewall) putBack(ctx context.Context, plans [2]*Plan, before [2]*iptables.Saved, errs *[2]error) {
	now, readErr := fw.ReadSure(ctx)
	back := [2]*Plan{{Family: iptables.IPv4}, {Family: iptables.IPv6}}
	for _, f := range iptables.Families {
		switch {
		case errs[f] == nil:
		case readErr != nil:
			errs[f] = errors.Join(errs[f], readErr)
		case !now[f].SameRules(before[f]):
			back[f] = newPlan(before[f].Own(), now[f], nil, before[f])
		}
	}
	for f, err := range fw.restore(ctx, back, false) {
		if err != nil {
			errs[f] = errors.Join(errs[f], fmt.Errorf("what was there could not be put back, so one table may have new rules and another old ones: %w", err))
		}
	}
	for f, p := range plans {
		if errs[f] == nil || len(p.Made) == 0 || readErr != nil {
			continue
		}
		if _, err := fw.RemoveBanChain(ctx, iptables.Family(f)); err != nil {
			errs[f] = errors.Join(errs[f], fmt.Errorf("take out what was made: %w", err))
		}
	}
}
