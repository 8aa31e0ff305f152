package rules

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
)

// decision is what is to become of the rules: what the kernel holds, what it is to
// hold, and why that is not all that is configured. status, diff, a dry run and what
// changes the rules go by the same one: the first three show it, see commit for the
// last.
type decision struct {
	at      firewall.Place // where the drop is to stand
	saved   [2]*firewall.Saved
	want    firewall.Wanted
	base    *firewall.Base // the configured base rules, if they are among it
	problem error          // why others are, or none
	plans   [2]*firewall.Plan
	closed  []lockout.Closed // listeners that the base rules close, if an admin asks for them
}

// decide looks at the kernel's rules, and decides what is to become of them. It changes
// nothing.
func (r *Hold) decide(ctx context.Context, how How) (*decision, error) {
	saved, err := r.fw.ReadSure(ctx)
	if err != nil {
		return nil, err
	}
	d := &decision{saved: saved}
	d.at, r.avoid, r.unread = reach.DropAt(ctx, r.Cfg, r.fw.Backend, saved, r.Record.AvoidInput)
	d.want, d.base, d.problem = r.wanted(ctx, d.at, saved, how)
	d.plans = r.fw.Plan(d.want, saved, r.Record.Readback)
	if configured := settings.BaseSettings(r.Cfg, r.Trunks); configured != nil && how.byHand && !errors.As(d.problem, new(*OtherOwnerError)) {
		d.closed = lockout.Find(*configured, saved, r.look().Listeners)
	}
	return d, nil
}

// closes forgets the listeners that base rules close where these did not go in.
func (report *Report) closes(err error) {
	if err != nil || report.Problem != nil {
		report.Closed = []lockout.Closed{}
	}
}

// decided writes down what a decision says.
func (report *Report) decided(d *decision) {
	report.DropAt, report.Problem = string(d.at), problem.If(d.problem)
	report.Changes = append(report.Changes, firewall.Changes(d.plans)...)
	report.Closed = append(report.Closed, d.closed...)
}

// wanted decides what is to be in the kernel: what is configured, if nothing
// speaks against it. It returns the base rules that are configured and among it,
// and an error if others are.
func (r *Hold) wanted(ctx context.Context, at firewall.Place, saved [2]*firewall.Saved, how How) (want firewall.Wanted, base *firewall.Base, err error) {
	s := r.dropSettings(at)
	if p := r.State.Pending; p != nil {
		// What is on trial is left alone; the drop is not on trial.
		if p.Key != settings.BaseKey(r.Cfg) {
			err = &PendingError{*p.report()}
		}
		return s.Wanted().KeepBase(saved), nil, err
	}
	configured := settings.BaseSettings(r.Cfg, r.Trunks)
	if configured != nil && how.LeaveBase {
		return s.Wanted().KeepBase(saved), nil, nil
	}
	if configured == nil {
		if r.StateErr == nil || how.byHand {
			return s.Wanted(), nil, nil
		}
		return s.Wanted().KeepBase(saved), nil, r.StateErr
	}
	s.Base = configured
	err = r.mayInstall(ctx, *configured, s.Wanted(), saved, how)
	if err == nil {
		return s.Wanted(), configured, nil
	}
	s.Base = nil
	other := (*OtherOwnerError)(nil)
	if a := r.State.Accepted; a != nil && !r.accepted() && !how.byHand && !errors.As(err, &other) {
		s.Base = &a.Base
		return s.Wanted(), nil, err
	}
	return s.Wanted().KeepBase(saved), nil, err
}
