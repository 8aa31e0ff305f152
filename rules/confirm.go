package rules

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/settings"
)

// Rollback is what takes rules back: the program and arguments that come to
// [RollBack] with a token.
type Rollback func(token string) (program string, args []string)

// begin writes down what is pending and arms the timer, before anything changes.
// Rules that could not be taken back are not applied.
func (r *Hold) begin(ctx context.Context, window time.Duration, rollback Rollback, saved [2]*firewall.Saved) (warning string, err error) {
	before, err := r.ownRules(ctx)
	if err != nil {
		return "", err
	}
	for f, unknown := range before[0].Unknown {
		if unknown && saved[f].Trouble == nil { // what is changed there could not be taken back
			return "", fmt.Errorf("the rules of %s could not be listed once more, so no base rules were installed: try again", firewall.Family(f))
		}
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	p := &pendingBase{
		Token: rand.Text()[:12], Key: settings.BaseKey(r.Cfg), Base: settings.BaseSettings(r.Cfg, r.Trunks),
		Since: now, Deadline: now.Add(window),
		Kernel: firewall.Kernel(), Connection: host.CallerConnection().Name(), Uptime: host.Uptime(), Before: before,
	}
	if p.Chains, p.Sets, err = r.absentBans(saved); err != nil {
		return "", err
	}
	if r.State.Since.IsZero() {
		r.State.Since = p.Since.Truncate(time.Second)
	}
	r.State.Pending = p
	if err := errors.Join(r.WriteState(), r.WriteCopy(p)); err != nil {
		r.State.Pending = nil
		r.WriteState() // one of the two may have been written
		return "", fmt.Errorf("what is to be confirmed could not be written down, so no base rules were installed: %w", err)
	}
	program, args := rollback(p.Token)
	if warning, err = arm(ctx, p.Token, window, program, args...); err != nil {
		return "", errors.Join(err, r.forgetPending())
	}
	return warning, nil
}

// abandon forgets what is pending when it could not be applied. If not even what
// was there could be put back, the timer will try again.
func (r *Hold) abandon(ctx context.Context) error {
	if err := r.restore(ctx); err != nil {
		return err
	}
	return r.forgetPending()
}

func (r *Hold) forgetPending() error {
	Disarm(r.State.Pending.Token)
	r.State.Pending = nil
	return errors.Join(r.WriteState(), r.WriteCopy(nil))
}

// ownRules are the rules of ours in both backends.
func (r *Hold) ownRules(ctx context.Context) ([]ownRules, error) {
	var all []ownRules
	for _, b := range []firewall.Backend{r.fw.Backend, r.fw.Backend.Other()} {
		fw, err := firewall.Open(string(b))
		if err != nil || b != r.fw.Backend && !fw.InUse() {
			continue
		}
		saved, err := fw.ReadSure(ctx)
		if err != nil {
			return nil, err
		}
		own := ownRules{Backend: b}
		for _, f := range firewall.Families {
			own.Tables[f], own.Unknown[f] = saved[f].Own(), saved[f].Trouble != nil
		}
		all = append(all, own)
	}
	return all, nil
}

// takeBack puts our rules back as they were before what is pending was applied.
// What others have changed since stays.
func (r *Hold) takeBack(ctx context.Context, why string) error {
	if err := r.restore(ctx); err != nil {
		return err
	}
	return r.reject(why)
}

// restore makes our rules in the kernel what they were before what is pending.
func (r *Hold) restore(ctx context.Context) error {
	p := r.State.Pending
	for _, own := range p.Before {
		fw, err := firewall.Open(string(own.Backend))
		if err != nil {
			return err
		}
		saved, err := fw.ReadSure(ctx)
		if err != nil {
			return err
		}
		want := own.Tables
		for f, unknown := range own.Unknown {
			if unknown {
				want[f] = saved[f].Own() // nothing was changed there
			}
		}
		_, err = fw.Apply(ctx, want, saved, nil)
		if partly, yes := firewall.Partly(err); err != nil && !(yes && own.Unknown[partly.Family]) {
			return err
		}
	}
	if len(p.Before) > 0 && hasBase(p.Before[0].Tables) {
		return nil
	}
	// The apply may have been killed before it could remember what it made.
	for f, made := range p.Chains {
		r.Record.Chains[f] = r.Record.Chains[f] || made
	}
	r.Record.Sets = slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Record.Sets, p.Sets))))
	// The rules are back, whatever becomes of this. What it leaves is in the
	// record, and the next sync drops it.
	r.DropBans(ctx)
	return nil
}

// reject forgets what is pending and remembers that it must not come back by
// itself.
func (r *Hold) reject(why string) error {
	p := r.State.Pending
	r.State.Pending = nil
	if accepted := r.State.Accepted; p.Key != "" && (accepted == nil || accepted.Key != p.Key) {
		r.State.Rejected = &rejectedBase{Key: p.Key, At: time.Now().UTC().Truncate(time.Second), Why: why}
	}
	r.Record.Generation = ""
	r.WriteRecord() // if it fails the generation, which has moved, says the same
	err := errors.Join(r.WriteState(), r.WriteCopy(nil))
	if err == nil {
		Disarm(p.Token)
	}
	return err
}

// copyFile is a copy of what is pending in the run folder: should the state be
// damaged or lost meanwhile, the rules are taken back all the same.
const copyFile = "pending"

func (r *Hold) WriteCopy(p *pendingBase) error {
	if r.Run == nil {
		return r.WriteRecord() // which says why
	}
	if p == nil {
		p = &pendingBase{}
	}
	return r.Run.WriteJSON(copyFile, p)
}

// fromCopy is what is pending by the copy, if it has the token.
func fromCopy(run *fetch.Store, token string) (*pendingBase, error) {
	var p pendingBase
	if run == nil || token == "" {
		return nil, nil
	}
	err := run.ReadJSON(copyFile, &p)
	if problem.IsShortage(err) {
		return nil, err // it cannot be known now
	}
	if err != nil || p.Token != token {
		return nil, nil
	}
	return &p, nil
}

// The reasons of a rejectedBase.
const (
	whyLapsed = "nobody confirmed them in time"
	whyBooted = "the host was started anew before anybody confirmed them"
	whyByHand = "they were rolled back by hand"
)

// settle ends what is pending if its time is over, as it is since the boot. Normally the timer has done
// so; it has not if the host was started anew, or the timer was killed. That it
// cannot be written down, on a full disk, is a warning: the kernel is as it should
// be, and the next run finds the same.
func (r *Hold) settle(ctx context.Context, up time.Duration) (warnings []string, err error) {
	p := r.State.Pending
	switch {
	case p == nil:
		return nil, nil
	case p.Kernel != firewall.Kernel(): // those rules are gone
		warnings = append(warnings, "base rules that nobody had confirmed went with the last boot")
		err = r.reject(whyBooted)
	case p.lapsed(up):
		if err := r.restore(ctx); err != nil {
			return nil, err
		}
		warnings = append(warnings, "base rules that nobody has confirmed in time were taken back")
		err = r.reject(whyLapsed)
	}
	if err != nil {
		warnings = append(warnings, err.Error())
	}
	return warnings, nil
}

// NotPendingError is nothing being there to confirm or to roll back.
type NotPendingError struct{ Rejected *RejectedError }

func (e *NotPendingError) Error() string {
	if e.Rejected != nil {
		return "nothing is waiting for a confirmation: " + e.Rejected.Error()
	}
	return "nothing is waiting for a confirmation"
}

// Remedy says what to do about it.
func (e *NotPendingError) Remedy() string {
	return "\"voipbl firewall apply\" puts new base rules on trial; \"base: false\" and \"voipbl reload\" take base rules out (without an agent \"voipbl sync\")"
}

// OldConnectionError is a confirmation over a connection that was there before the
// rules: it proves nothing.
type OldConnectionError struct{ Deadline time.Time }

func (e *OldConnectionError) Error() string {
	return "this SSH connection was there before the rules, and says nothing about them"
}

// Remedy says what to do about it.
func (e *OldConnectionError) Remedy() string {
	return fmt.Sprintf("log in once more and confirm there, before %s; in a screen or tmux that is older, or on a console, use --here", e.Deadline.Local().Format(time.TimeOnly))
}

// confirm keeps what is pending, if it is in force. It counts when it was typed,
// however long it had to wait for the lock. here accepts a connection that was there
// before the rules.
func (r *Hold) confirm(ctx context.Context, typed time.Duration, here bool) error {
	if warnings, err := r.settle(ctx, typed); err != nil || len(warnings) > 0 {
		return errors.Join(err, r.notPending())
	}
	p := r.State.Pending
	if p == nil {
		return r.notPending()
	}
	if err := r.mayConfirm(ctx, p, here); err != nil {
		return err
	}
	r.State.Accepted, r.State.Pending = nil, nil
	r.State.unreject(p.Key)
	if p.Base != nil {
		r.State.Accepted = &acceptedBase{Key: p.Key, Base: *p.Base, At: time.Now().UTC().Truncate(time.Second)}
	}
	if err := r.WriteState(); err != nil {
		return err
	}
	Disarm(p.Token)
	return r.WriteCopy(nil)
}

// mayConfirm reports why what is pending cannot be confirmed by this caller, or nil.
func (r *Hold) mayConfirm(ctx context.Context, p *pendingBase, here bool) error {
	c := host.CallerConnection()
	old := c.Name() == p.Connection || c.Since < p.Uptime || host.ServedSince("/proc", os.Getpid()) < p.Uptime
	if c.Name() != "" && old && !here {
		return &OldConnectionError{p.deadline()}
	}
	saved, err := r.inForce(ctx, p)
	if err != nil || p.Base == nil || c.Name() == "" || here {
		return err
	}
	return checkTunnel(*p.Base, saved, r.look(), c, p.deadline())
}

// NotInForceError is rules on trial that are not in the kernel as they were tried.
type NotInForceError struct{}

func (*NotInForceError) Error() string {
	return "the rules on trial are not in force: apply was cut short, or somebody has changed them"
}

// Remedy says what to do about it.
func (*NotInForceError) Remedy() string {
	return "run \"voipbl firewall rollback\", then \"voipbl firewall apply\" once more"
}

// inForce reports whether the kernel holds the base rules that are pending, or none
// if none are, and returns the rules that it holds.
func (r *Hold) inForce(ctx context.Context, p *pendingBase) (saved [2]*firewall.Saved, err error) {
	fw, err := firewall.Open(string(p.Before[0].Backend))
	if err != nil {
		return saved, err
	}
	if saved, err = fw.ReadSure(ctx); err != nil {
		return saved, err
	}
	s := settings.DropSettings(r.Cfg, r.sets, firewall.AtInput)
	s.Base = p.Base
	for f, plan := range fw.Plan(s.Wanted(), saved, r.Record.Readback) {
		if err := saved[f].Unknown(); err != nil && !p.WithoutBase[f] {
			return saved, err
		}
		if slices.ContainsFunc(plan.Changes, firewall.Change.Base) && !p.WithoutBase[f] {
			return saved, &NotInForceError{}
		}
	}
	return saved, nil
}

func (r *Hold) notPending() error {
	e := &NotPendingError{}
	if rej := r.State.Rejected; rej != nil {
		e.Rejected = &RejectedError{rej.At, rej.Why, rej.Key != settings.BaseKey(r.Cfg)}
	}
	return e
}

// rollBack takes back what is pending, now. With a token it does so only for the
// apply that gave the token out.
func (r *Hold) rollBack(ctx context.Context, token string) error {
	if r.StateErr != nil || r.stateLost {
		var err error
		if r.State.Pending, err = fromCopy(r.Run, token); err != nil {
			return err
		}
	}
	p := r.State.Pending
	switch {
	case p == nil && token != "" && r.StateErr != nil:
		return r.StateErr
	case p == nil && token != "", p != nil && token != "" && p.Token != token:
		return nil
	case p == nil:
		return r.notPending()
	case p.Kernel != firewall.Kernel():
		return r.reject(whyBooted)
	case token != "":
		return r.takeBack(ctx, whyLapsed)
	}
	return r.takeBack(ctx, whyByHand)
}
