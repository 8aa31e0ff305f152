package rules

import (
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/state"
)

// PendingBase is base rules on trial, which are taken back at the deadline. The time is counted
// from Uptime, whatever the wall clock is set to meanwhile.
type PendingBase struct {
	Token      string        `json:"token"` // of the timer that takes them back
	Key        string        `json:"key"`   // empty: without base rules
	Base       *ruleset.Base `json:"base,omitempty"`
	Since      time.Time     `json:"since"` // by the wall clock then, as the deadline is
	Deadline   time.Time     `json:"deadline"`
	Kernel     string        `json:"kernel"`     // see [firewall.Kernel]
	Connection string        `json:"connection"` // over which it was applied; empty on a console
	Uptime     time.Duration `json:"uptime"`     // at Since; it does not jump as clocks do
	Before     []OwnRules    `json:"before"`     // voipbl's rules before, to be put back

	// What was created for fail2ban, and is removed again.
	Chains [2]bool  `json:"chains"`
	Sets   []string `json:"sets"`

	// WithoutBase are the families in which the base rules could not be installed. A
	// confirmation does not need them there.
	WithoutBase [2]bool `json:"without_base"`
}

// Lapsed reports whether the trial is over at up, the time since boot.
func (p *PendingBase) Lapsed(up time.Duration) bool { return up-p.Uptime > p.Deadline.Sub(p.Since) }

// OnTrial reports whether rules still wait for a confirmation. Once they do not, whoever holds
// the lock ends the trial.
func (p *PendingBase) OnTrial(up time.Duration) bool {
	return p != nil && p.Kernel == firewall.Kernel() && !p.Lapsed(up)
}

// Ends returns when the trial ends, by the wall clock as it is set now.
func (p *PendingBase) Ends() time.Time {
	if p.Kernel != firewall.Kernel() {
		return p.Deadline
	}
	return p.deadlineBy(state.Clock())
}

// deadlineBy returns when the trial ends by a clock of the same boot. A difference of less than
// a second from the first deadline is ignored, since the two clocks are read one after the other.
func (p *PendingBase) deadlineBy(now deadline.Clock) time.Time {
	end := now.Wall.Add(p.Uptime + p.Deadline.Sub(p.Since) - now.Up).UTC().Truncate(time.Second)
	if p.Deadline.Sub(end).Abs() < 2*time.Second {
		return p.Deadline
	}
	return end
}

// PendingReport is base rules that wait for a confirmation.
type PendingReport struct {
	Since    time.Time `json:"since"`
	Deadline time.Time `json:"deadline"`
	Lapsed   bool      `json:"lapsed"` // they are still there, but can no longer be confirmed
	Gone     bool      `json:"gone"`   // somebody else has taken them out
	Unset    bool      `json:"unset"`  // the configuration has no base rules any more

	base bool // base rules are on trial, and not their removal
}

// UnsetBy notes that a configuration file without base rules would take them away at the next
// start, although a running agent has refused it.
func (p *PendingReport) UnsetBy(file *config.Config) {
	if p != nil && p.base && file != nil && !file.Firewall.Base {
		p.Unset = true
	}
}

// Report returns what status and a report show of the trial; nil without one.
func (p *PendingBase) Report() *PendingReport {
	if p == nil {
		return nil
	}
	return &PendingReport{Since: p.Since, Deadline: p.Ends(), Lapsed: !p.OnTrial(probe.Uptime()), base: p.Base != nil}
}

// gone reports, by family, whether the kernel has no base rules although some are on trial.
func (p *PendingBase) gone(saved [2]*iptables.Saved) (gone [2]bool) {
	for f := range saved {
		s := saved[f]
		known := !s.Absent && s.Trouble == nil && s.Readable("filter") == nil
		in := s.HasBase() && len(s.Rules("filter", iptables.BaseChain)) > 0 // the chain may have been emptied
		gone[f] = p.Base != nil && !p.WithoutBase[f] && known && !in
	}
	return gone
}

func (p *PendingBase) isGone(saved [2]*iptables.Saved) bool { return p.gone(saved) != [2]bool{} }

// UnsetError says that base rules on trial would not stay if they were confirmed.
type UnsetError struct{}

func (*UnsetError) Error() string {
	return "base rules are on trial, and the configuration has none any more"
}

// Remedy says what to do about it.
func (*UnsetError) Remedy() string {
	return "run \"voipbl firewall rollback\"; to keep them, write \"base: true\" again, then confirm"
}

// NotInForceError says that the kernel does not have the rules on trial as they were applied.
type NotInForceError struct{}

func (*NotInForceError) Error() string {
	return "the rules on trial are not in force: apply was cut short, or somebody has changed them"
}

// Remedy says what to do about it.
func (*NotInForceError) Remedy() string {
	return "run \"voipbl firewall rollback\", then \"voipbl firewall apply\" once more"
}

// Trouble describes the trial as a problem.
func (p PendingReport) Trouble() problem.Problem {
	if p.Lapsed {
		return problem.Problem{Error: "the rules on trial should have been taken back by now", Remedy: "run \"voipbl firewall rollback\""}
	}
	if p.Unset {
		unset := &UnsetError{}
		return problem.Problem{Error: unset.Error(), Remedy: unset.Remedy()}
	}
	if p.Gone {
		gone := &NotInForceError{}
		return problem.Problem{Error: gone.Error(), Remedy: gone.Remedy()}
	}
	return problem.Problem{
		Error:  "base rules are on trial until " + p.Deadline.Local().Format(time.DateTime),
		Remedy: "\"voipbl firewall confirm\" keeps them, over a new connection",
	}
}

// PendingError says that rules on trial are in the way.
type PendingError struct{ Pending PendingReport }

func (e *PendingError) Error() string {
	if e.Pending.Lapsed || e.Pending.Gone || e.Pending.Unset {
		return e.Pending.Trouble().Error + ", so nothing else is changed"
	}
	return "rules are waiting for a confirmation until " + e.Pending.Deadline.Local().Format(time.TimeOnly) + ", so nothing else is changed"
}

// Remedy says what to do about it.
func (e *PendingError) Remedy() string {
	if e.Pending.Lapsed || e.Pending.Gone || e.Pending.Unset {
		return e.Pending.Trouble().Remedy
	}
	return "\"voipbl firewall confirm\" keeps them, \"voipbl firewall rollback\" takes them back"
}
