package rules

import (
	"errors"
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/ruleset"
)

// Decision is what is to become of the rules: what the kernel is to hold, what it takes to
// get there, and why that is not all that is configured. status, diff, a dry run and what
// changes the rules go by the same one: the first three show it, [Hold.Commit] carries it out.
type Decision struct {
	At      ruleset.Place // where the drop is to stand
	Problem error         // why other base rules are wanted than those configured, or none
	OnTrial bool          // base rules are new: they wait for a confirmation
	Closed  []lockout.Closed

	// Families are those that could not be listed, or whose rules could not be made what
	// they should be the last time, and are not yet.
	Families []problem.FamilyProblem

	saw   *sight
	Saved [2]*iptables.Saved // what stands in the kernel
	want  ruleset.Wanted     // what is wanted, without what is refused
	base  *ruleset.Base      // the base rules as configured, if they are among it
	plans [2]*firewall.Plan
	drop  ruleset.Settings // what is wanted of all but the base rules

	remembered bool // nothing was read: all is as it was the last time
	none       bool // the rules are another program's: at most ours are taken out
	byHand     bool // an admin asks for it
	asks       bool // it depends on who is there: base rules are wanted that are new
}

// decide makes a decision. It is pure: what it goes by was looked up before, see
// [Hold.Decide].
func decide(w want, s *sight, c Circumstances) *Decision {
	d := &Decision{saw: s, Saved: s.saved, At: s.drop.DropAt, drop: s.drop, byHand: c.ByHand}
	switch {
	case s.remembered:
		d.remembered, d.At = true, s.record.DropAt
		return d
	case w.none:
		d.leaveToOthers(w, s)
		return d
	}
	d.choose(w, s, c.of(w, s))
	d.plans = s.plan(d.want)
	d.Families = s.knownTroubles(w, d.plans)
	d.OnTrial = w.trial && slices.ContainsFunc(firewall.Changes(d.plans), firewall.Change.Base) && (w.always || !s.accepted(w))
	if w.base != nil && c.ByHand && !errors.As(d.Problem, new(*otherOwnerError)) {
		d.Closed = lockout.Find(*w.base, s.saved, s.listeners)
	}
	return d
}

// choose decides what is to be in the kernel: what is configured, if nothing speaks against
// it.
func (d *Decision) choose(w want, s *sight, c Circumstances) {
	keep := s.drop.Wanted().KeepBase(s.saved)
	switch {
	case s.state.Pending != nil: // what is on trial is left alone; the drop is not on trial
		d.want = keep
		if s.state.Pending.Key != w.key {
			d.Problem = &PendingError{*s.pending}
		}
		return
	case w.base != nil && w.leaveBase:
		d.want = keep
		return
	case w.base == nil && s.stateErr != nil && !c.ByHand:
		d.want, d.Problem = keep, s.stateErr
		return
	case w.base == nil:
		d.want = s.drop.Wanted()
		return
	}
	all := withBase(s.drop, w.base)
	switch d.Problem, d.asks = mayInstall(w, s, c, all); {
	case d.Problem == nil:
		d.want, d.base = all, w.base
	case !c.ByHand && s.state.Accepted != nil && !c.Accepted && !errors.As(d.Problem, new(*otherOwnerError)):
		d.want = withBase(s.drop, &s.state.Accepted.Base)
	default:
		d.want = keep
	}
}

func withBase(s ruleset.Settings, base *ruleset.Base) ruleset.Wanted {
	s.Base = base
	return s.Wanted()
}

// HasBase reports whether the base rules are among what is wanted: their chain
// does nothing by itself.
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
