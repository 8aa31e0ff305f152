package rules

import (
	"cmp"
	"errors"
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/ruleset"
)

// Decision is what the rules are to become: what the kernel is to hold, the changes that
// takes, and why it differs from the configuration, if it does. status, diff and a dry run
// show it; [Hold.Commit] carries the same one out.
type Decision struct {
	Placed        // where the drop is to stand, and why
	Problem error // why the base rules wanted are not those configured, or nil
	OnTrial bool  // base rules are new: they wait for a confirmation
	Closed  []lockout.Closed

	// Families are those that could not be listed, or whose rules could not be put right the
	// last time and are still wrong.
	Families []problem.FamilyProblem

	saw   *sight
	Saved [2]*iptables.Saved // what the kernel has now
	want  ruleset.Wanted     // what is wanted, without what is refused
	base  *ruleset.Base      // the base rules as configured, if want has them
	plans [2]*firewall.Plan
	asked want
	there Circumstances

	remembered bool // nothing was read, since nothing has changed
	none       bool // another program owns the rules: at most voipbl's own are removed
	byHand     bool // an admin asks for it
	asks       bool // it depends on who is there, since new base rules are wanted
}

// decide makes a decision. It is pure: [Hold.Decide] has looked up all that it needs.
func decide(w want, s *sight, c Circumstances) *Decision {
	d := &Decision{saw: s, Saved: s.saved, asked: w, there: c, byHand: c.ByHand}
	switch {
	case s.remembered:
		d.remembered, d.Placed = true, s.record.Placed
		return d
	case w.none:
		d.leaveToOthers(w, s)
		return d
	}
	d.choose(w, s, c.of(w, s))
	d.dropRefused(s)
	d.plans = s.plan(d.want)
	d.Families = s.knownTroubles(w, d.plans)
	d.OnTrial = w.trial && slices.ContainsFunc(firewall.Changes(d.plans), firewall.Change.Base) && (w.always || !s.accepted(w))
	if w.base != nil && c.ByHand && !errors.As(d.Problem, new(*otherOwnerError)) {
		d.Closed = lockout.Find(*w.base, s.saved, s.listeners)
		lockout.InUse(d.Closed, s.uses)
	}
	return d
}

// choose decides what the kernel is to hold: what is configured, unless something speaks
// against it.
func (d *Decision) choose(w want, s *sight, c Circumstances) {
	d.want, d.Placed = s.keepBase(), s.placed(s.hasBase())
	switch {
	case w.onlyDrop:
		return
	case s.state.Pending != nil:
		d.goOn(w, s, c)
		return
	case w.base != nil && w.leaveBase:
		return
	case w.base == nil && s.stateErr != nil && !c.ByHand:
		d.Problem = s.stateErr
		return
	case w.base == nil:
		d.want, d.Placed = s.dropBeside(false).Wanted(), s.placed(false)
		return
	}
	all := withBase(s.dropBeside(true), w.base)
	switch d.Problem, d.asks = mayInstall(w, s, c, all); {
	case d.Problem == nil:
		d.want, d.Placed, d.base = all, s.placed(true), w.base
	case !c.ByHand && s.state.Accepted != nil && !c.Accepted && !errors.As(d.Problem, new(*otherOwnerError)):
		d.want, d.Placed = withBase(s.dropBeside(true), &s.state.Accepted.Base), s.placed(true)
	}
}

// dropRefused leaves out base rules that the kernel has just refused: it may still take the drop.
func (d *Decision) dropRefused(s *sight) {
	if s.refusedBase == [2]bool{} || !HasBase(d.want) {
		return
	}
	drop := s.dropBeside(true).Wanted().KeepBase(s.saved)
	for f, refused := range s.refusedBase {
		if refused {
			d.want[f] = drop[f]
		}
	}
	if s.refusedBase[iptables.IPv4] {
		d.base = nil
	}
	if !HasBase(d.want) { // the other family does not get them alone
		d.want, d.Placed = s.keepBase(), s.placed(s.hasBase())
	}
}

// again makes the decision once more, by what is in sight now.
func (d *Decision) again(s *sight) *Decision { return decide(d.asked, s, d.there) }

// keepBase returns the configured rules with the base rules that are there, and the drop where
// it belongs beside these.
func (s *sight) keepBase() ruleset.Wanted {
	return s.dropBeside(s.hasBase()).Wanted().KeepBase(s.saved)
}

// goOn leaves the base rules on trial as they are; the drop is not on trial. If somebody else has
// taken them out, they are put back, and the trial goes on. With another configuration than
// theirs, those that were accepted come back.
func (d *Decision) goOn(w want, s *sight, c Circumstances) {
	p := s.state.Pending
	back := p.Base
	if p.Key != w.key {
		d.Problem, back = &PendingError{*s.pending}, nil
		if a := s.state.Accepted; a != nil {
			back = &a.Base
		}
	}
	gone := p.gone(s.saved)
	if !s.goesOn || w.base == nil || w.leaveBase {
		back = nil
	}
	if back != nil && gone != [2]bool{} {
		if d.asks = true; c.Owner != nil {
			d.Problem, back = cmp.Or(d.Problem, c.Owner), nil
		}
	}
	if back != nil && gone != [2]bool{} { // they are about to be there
		d.want, d.Placed = s.dropBeside(true).Wanted().KeepBase(s.saved), s.placed(true)
	}
	drop := d.Placed.of(s.drop)
	asTried := withBase(drop, p.Base)
	for f, plan := range s.plan(asTried) {
		switch {
		case gone[f] && back != nil:
			d.want[f] = withBase(drop, back)[f]
		case s.saved[f].Trouble == nil && !slices.ContainsFunc(plan.Changes, firewall.Change.Base):
			d.want[f] = asTried[f] // the same as is there, but it can be compared later
		}
	}
}

func withBase(s ruleset.Settings, base *ruleset.Base) ruleset.Wanted {
	s.Base = base
	return s.Wanted()
}

// HasBase reports whether w has the base rules in use. Their chain alone does nothing.
func HasBase(w ruleset.Wanted) bool {
	for _, t := range w[iptables.IPv4] {
		for _, h := range t.Hooks {
			if h.Chain == "INPUT" && h.Last {
				return true
			}
		}
	}
	return false
}
