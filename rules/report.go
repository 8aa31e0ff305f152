package rules

import (
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/takeover"
)

// The values of Report.Base and Status.Base.
const (
	BaseOn  = "on"
	BaseOff = "off"
)

// Report is what became of the rules.
type Report struct {
	Backend string `json:"backend"`
	Placed
	Base     string            `json:"base"`         // BaseOn or BaseOff, as the kernel has it now
	Changes  []firewall.Change `json:"changes"`      // made, or to be made
	Missing  []string          `json:"missing_sets"` // in a dry run, the missing sets that the rules refer to
	Moves    bool              `json:"drop_moves"`   // the changes move the drop from one table to the other
	Written  bool              `json:"written"`
	Repaired bool              `json:"repaired"`          // somebody else had changed the rules, and they were put right
	Problem  *problem.Problem  `json:"problem,omitempty"` // why the base rules are not as configured
	Error    *problem.Problem  `json:"error,omitempty"`   // why nothing was applied

	// Agent is what a running agent had already applied when the rules were asked for by
	// hand. Changes does not repeat it.
	Agent *takeover.Followed `json:"agent,omitempty"`

	// Families are those whose rules are wrong, while the other family's are right.
	Families []problem.FamilyProblem `json:"families,omitempty"`

	// Obstacles are why rules that are installed do not have their effect; see [Report.Seek].
	Obstacles []reach.Obstacle `json:"obstacles,omitempty"`

	// Unfollowed means that not all packets could be followed through all rules, so there
	// may be more obstacles.
	Unfollowed bool `json:"unfollowed,omitempty"`

	// Empty says that the sets of the lists are empty, if the rules were asked for by hand.
	Empty *problem.Problem `json:"empty,omitempty"`

	Pending *PendingReport `json:"pending,omitempty"`
	New     bool           `json:"new_base"` // new base rules were installed for good

	// Closed are the listeners that the base rules close, if the rules were asked for by hand.
	Closed []lockout.Closed `json:"closed"`

	// Unresolved are names of trunks with no known address. No base rule lets these in.
	Unresolved []string `json:"unresolved,omitempty"`

	// WithoutBase is why a family has only the drop, and not the base rules.
	WithoutBase [2]error `json:"-"`

	// Generation is that of the rules when they were last seen to be right, and Other that of
	// the other backend then; see [firewall.Firewall.Generation].
	Generation, Other string `json:"-"`

	seek *seeking // nil if there is nothing to look for

	// Warnings are troubles outside the kernel, which holds the right rules.
	Warnings []string `json:"-"`
}

// Troubled reports whether installed rules do not have their full effect.
func (r *Report) Troubled() bool {
	return len(r.Families) > 0 || len(r.Obstacles) > 0 || r.Empty != nil
}

func onOff(on bool) string {
	if on {
		return BaseOn
	}
	return BaseOff
}

// Report describes a decision before any of it is carried out.
func (d *Decision) Report() *Report {
	report := &Report{
		Backend: string(d.saw.fw.Backend), Placed: d.Placed, Base: BaseOff, Problem: problem.If(d.Problem), Pending: d.saw.pending, Other: d.saw.other,
		Changes: append([]firewall.Change{}, firewall.Changes(d.plans)...), Missing: []string{}, Closed: append([]lockout.Closed{}, d.Closed...),
	}
	report.Moves, _ = firewall.MovesDrop(report.Changes)
	switch {
	case d.remembered:
		report.Base, report.Generation, report.seek = onOff(d.saw.record.Base), d.saw.record.Generation, d.saw.seek
	case d.none:
		report.Base = onOff(slices.ContainsFunc(d.Saved[:], (*iptables.Saved).HasBase))
	}
	return report
}

// foresee adds what would come of a decision.
func (d *Decision) foresee(report *Report) error {
	report.Families = d.Families
	if !d.none {
		report.Base = onOff(HasBase(d.want))
		if len(report.Changes) == 0 {
			report.seek = d.saw.seek
		}
	}
	report.Missing = d.saw.lacking(HasBase(d.want))
	return d.saw.missErr
}
