package firewall

import (
	"context"
	"errors"
	"fmt"
)

// Wanted is what is to be in the kernel, by family.
type Wanted [2][]Table

// Wanted renders both families.
func (s Settings) Wanted() Wanted { return Wanted{s.Tables(IPv4), s.Tables(IPv6)} }

// readable reports a table that rules are wanted in and that cannot be read.
func (w Wanted) readable(saved [2]*Saved) error {
	for f, tables := range w {
		for _, t := range tables {
			if err := saved[f].Readable(t.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Plan compares both families.
func (fw *Firewall) Plan(want Wanted, saved [2]*Saved, known *Readback) [2]*Plan {
	var plans [2]*Plan
	for _, f := range Families {
		plans[f] = NewPlan(want[f], saved[f], known.of(fw, f))
	}
	return plans
}

// Applied is what an apply did.
type Applied struct {
	Plans    [2]*Plan  // the changes that were made
	Saved    [2]*Saved // what the kernel holds now
	Readback *Readback // to compare with from now on
}

// Changes are those of both families.
func Changes(plans [2]*Plan) []Change {
	var all []Change
	for _, p := range plans {
		if p != nil {
			all = append(all, p.Changes...)
		}
	}
	return all
}

// attempts is how often an apply is begun again when somebody else changes the
// rules at the same time.
const attempts = 5

// Apply makes the kernel hold what is wanted. saved is what it holds, as just
// read. It checks all texts before it changes anything, changes each table by one
// atomic restore, and reads back; it is not cut short by ctx once it has begun. If
// one table is refused, those before it are put back, so that the rules are as they
// were (ours in their places, if they had drifted); the error is a [*ToolError] that
// has the text. Only if others undo what we do all the time is it left half done.
func (fw *Firewall) Apply(ctx context.Context, want Wanted, saved [2]*Saved, known *Readback) (*Applied, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // half an apply would be nobody's wish
	done := &Applied{Readback: known, Saved: saved}
	var refused error
	for range attempts {
		if err := want.readable(done.Saved); err != nil {
			return nil, err
		}
		plans := fw.Plan(want, done.Saved, done.Readback)
		if plans[IPv4].Unchanged() && plans[IPv6].Unchanged() {
			return done, nil
		}
		if err := fw.replace(ctx, plans, done.Saved); err != nil {
			now, readErr := fw.ReadSure(ctx)
			if readErr != nil {
				return nil, errors.Join(err, readErr)
			}
			again := fw.Plan(want, now, done.Readback)
			if errors.Is(refused, ErrLocked) && errors.Is(err, ErrLocked) {
				return nil, err // the tool has waited twice, and so has somebody
			}
			if !errors.Is(err, ErrLocked) && again[IPv4].shape() == plans[IPv4].shape() && again[IPv6].shape() == plans[IPv6].shape() {
				return nil, err // it was not somebody else's change
			}
			refused, done.Saved = err, now
			continue
		}
		for f, p := range plans {
			if done.Plans[f] == nil || done.Plans[f].Unchanged() {
				done.Plans[f] = p
			}
		}
		var err error
		if done.Saved, err = fw.ReadSure(ctx); err != nil {
			return nil, err
		}
		learned := &Readback{Tools: fw.tools}
		for _, f := range Families {
			if done.Saved[f].absent {
				continue
			}
			if learned.Rules[f], err = learn(want[f], done.Saved[f]); err != nil {
				break
			}
		}
		if refused = err; err == nil {
			done.Readback = learned
		}
	}
	return nil, fmt.Errorf("another program changes the firewall all the time, and undoes ours: %w", refused)
}

// replace executes the plans, all or none.
func (fw *Firewall) replace(ctx context.Context, plans [2]*Plan, before [2]*Saved) error {
	if err := fw.restore(ctx, plans, true); err != nil {
		return err
	}
	err := fw.restore(ctx, plans, false)
	if err == nil {
		return nil
	}
	// What was wanted may be half there: one family or table of two.
	now, readErr := fw.ReadSure(ctx)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	var back [2]*Plan
	for _, f := range Families {
		back[f] = &Plan{Family: f}
		if !now[f].sameRules(before[f]) {
			back[f] = newPlan(before[f].Own(), now[f], nil, before[f])
		}
	}
	if backErr := fw.restore(ctx, back, false); backErr != nil {
		return errors.Join(err, fmt.Errorf("put back what was there: %w", backErr))
	}
	for f, p := range plans {
		if len(p.Made) > 0 {
			if _, backErr := fw.RemoveBanChain(ctx, Family(f)); backErr != nil {
				return errors.Join(err, fmt.Errorf("take out what was made: %w", backErr))
			}
		}
	}
	return err
}
