package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// The reasons of a RejectedBase.
const (
	whyBooted = "the host was started anew before anybody confirmed them"
	whyByHand = "they were rolled back by hand"
)

// notPendingError says that there is nothing to confirm or to roll back.
type notPendingError struct{ Rejected *rules.RejectedError }

func (e *notPendingError) Error() string {
	if e.Rejected != nil {
		return "nothing is waiting for a confirmation: " + e.Rejected.Error()
	}
	return "nothing is waiting for a confirmation"
}

// Remedy says what to do about it.
func (e *notPendingError) Remedy() string {
	return "\"voipbl firewall apply\" puts new base rules on trial; \"base: false\" and \"voipbl reload\" take base rules out (without an agent \"voipbl sync\")"
}

// oldConnectionError says that a confirmation came over a connection from before the rules,
// which proves nothing.
type oldConnectionError struct{ Deadline time.Time }

func (e *oldConnectionError) Error() string {
	return "this SSH connection was there before the rules, and says nothing about them"
}

// Remedy says what to do about it.
func (e *oldConnectionError) Remedy() string {
	return fmt.Sprintf("log in once more and confirm there, before %s; in a screen or tmux that is older, or on a console, use --here", e.Deadline.Local().Format(time.TimeOnly))
}

// confirm keeps what is pending, if it is in force. What counts is when the confirmation was
// typed, however long it had to wait for the lock. With here, a connection from before the rules
// is accepted.
func confirm(ctx context.Context, r *rules.Hold, typed time.Duration, here bool) error {
	if warnings, err := settle(ctx, r, typed); err != nil || len(warnings) > 0 {
		return errors.Join(err, notPending(r))
	}
	p := r.State.Pending
	if p == nil {
		return notPending(r)
	}
	if err := mayConfirm(ctx, r, p, here); err != nil {
		return err
	}
	r.State.Accepted, r.State.Pending = nil, nil
	r.State.Unreject(p.Key)
	if p.Base != nil {
		r.State.Accepted = &rules.AcceptedBase{Key: p.Key, Base: *p.Base, At: time.Now().UTC().Truncate(time.Second)}
	}
	if err := r.WriteState(); err != nil {
		return err
	}
	Disarm(p.Token)
	return r.WriteCopy(nil)
}

// mayConfirm returns why this caller cannot confirm what is pending, or nil.
func mayConfirm(ctx context.Context, r *rules.Hold, p *rules.PendingBase, here bool) error {
	c := logins.CallerConnection()
	old := c.Name() == p.Connection || c.Since < p.Uptime || logins.ServedSince("/proc", os.Getpid()) < p.Uptime
	if c.Name() != "" && old && !here {
		return &oldConnectionError{p.Ends()}
	}
	if p.Base != nil && settings.BaseSettings(r.Cfg, nil) == nil {
		return &rules.UnsetError{}
	}
	saved, err := inForce(ctx, r, p)
	if err != nil || p.Base == nil || c.Name() == "" || here {
		return err
	}
	return lockout.CheckTunnel(*p.Base, saved, r.Look(), c, p.Ends())
}

// inForce checks that the kernel holds the base rules that are pending, or none if none are,
// and returns the rules that it holds.
func inForce(ctx context.Context, r *rules.Hold, p *rules.PendingBase) (saved [2]*iptables.Saved, err error) {
	fw, err := firewall.Open(string(p.Before[0].Backend))
	if err != nil {
		return saved, err
	}
	if saved, err = fw.ReadSure(ctx); err != nil {
		return saved, err
	}
	s := settings.DropSettings(r.Cfg, r.Sets, ruleset.AtInput)
	s.Base = p.Base
	for f, plan := range fw.Plan(s.Wanted(), saved, r.Record.Readback) {
		if err := saved[f].Unknown(); err != nil && !p.WithoutBase[f] {
			return saved, err
		}
		if slices.ContainsFunc(plan.Changes, firewall.Change.Base) && !p.WithoutBase[f] {
			return saved, &rules.NotInForceError{}
		}
	}
	return saved, nil
}

func notPending(r *rules.Hold) error {
	e := &notPendingError{}
	if rej := r.State.Rejected; rej != nil {
		e.Rejected = &rules.RejectedError{At: rej.At, Why: rej.Why, Other: rej.Key != settings.BaseKey(r.Cfg)}
	}
	return e
}
