package rules

import (
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/takeover"
)

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

	// Unfollowed is that not all packets could be followed through all rules, so there may be
	// more of them.
	Unfollowed bool `json:"unfollowed,omitempty"`

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

func onOff(on bool) string {
	if on {
		return BaseOn
	}
	return BaseOff
}

// report says what a decision is, before any of it is carried out.
func (r *Hold) report(d *Decision) *Report {
	report := &Report{
		Backend: string(r.fw.Backend), DropAt: string(d.At), Base: BaseOff, Problem: problem.If(d.Problem), Pending: d.saw.pending, Other: d.saw.other,
		Changes: append([]firewall.Change{}, firewall.Changes(d.plans)...), Missing: []string{}, Closed: append([]lockout.Closed{}, d.Closed...),
	}
	switch {
	case d.remembered:
		report.Base, report.Generation, report.seek = onOff(d.saw.record.Base), d.saw.record.Generation, r.seeking()
	case d.none:
		report.Base = onOff(slices.ContainsFunc(d.saved[:], (*firewall.Saved).HasBase))
	}
	return report
}

// foresee adds what would come of a decision.
func (r *Hold) foresee(d *Decision, report *Report) error {
	report.Families = d.Families
	if !d.none {
		report.Base = onOff(hasBase(d.want))
		if len(report.Changes) == 0 {
			report.seek = r.seeking()
		}
	}
	report.Missing = d.saw.lacking(hasBase(d.want))
	return d.saw.missErr
}

// closes forgets the listeners that base rules close where these did not go in.
func (report *Report) closes(err error) {
	if err != nil || report.Problem != nil {
		report.Closed = []lockout.Closed{}
	}
}
