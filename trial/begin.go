package trial

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/settings"
)

// Rollback returns the program and arguments that take rules back: a command that calls
// [RollBack] with the token.
type Rollback func(token string) (program string, args []string)

// begin records what is pending and arms the timer, before anything changes. Rules that could
// not be taken back are not applied.
func begin(ctx context.Context, r *rules.Hold, window time.Duration, rollback Rollback, saved [2]*iptables.Saved) (warning string, err error) {
	before, err := ownRules(ctx, r)
	if err != nil {
		return "", err
	}
	for f, unknown := range before[0].Unknown {
		if unknown && saved[f].Trouble == nil { // a change there could not be taken back
			return "", fmt.Errorf("the rules of %s could not be listed once more, so no base rules were installed: try again", iptables.Family(f))
		}
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	p := &rules.PendingBase{
		Token: rand.Text()[:12], Key: settings.BaseKey(r.Cfg), Base: settings.BaseSettings(r.Cfg, r.Trunks),
		Since: now, Deadline: now.Add(window),
		Kernel: firewall.Kernel(), Connection: logins.CallerConnection().Name(), Uptime: probe.Uptime(), Before: before,
	}
	if p.Chains, p.Sets, err = r.AbsentBans(saved); err != nil {
		return "", err
	}
	if r.State.Since.IsZero() {
		r.State.Since = p.Since.Truncate(time.Second)
	}
	r.State.Pending = p
	unwritten := func(err error) error {
		return fmt.Errorf("what is to be confirmed could not be written down, so no base rules were installed: %w", err)
	}
	if err := r.WriteState(); err != nil {
		r.State.Pending = nil
		r.WriteState() // it may have been written after all
		return "", unwritten(err)
	}
	program, args := rollback(p.Token)
	if warning, err = arm(ctx, p.Token, window, program, args...); err != nil {
		return "", errors.Join(err, forgetPending(r))
	}
	// Only what has a timer is put back if somebody takes it out, so the copy comes last.
	if err := r.WriteCopy(p); err != nil {
		r.State.Pending = nil
		Disarm(p.Token)
		return "", errors.Join(unwritten(err), r.WriteState())
	}
	return warning, nil
}

// abandon forgets what is pending when it could not be applied. If the old rules could not be
// put back either, the timer will try again.
func abandon(ctx context.Context, r *rules.Hold) error {
	if err := restore(ctx, r); err != nil {
		return err
	}
	return forgetPending(r)
}

func forgetPending(r *rules.Hold) error {
	Disarm(r.State.Pending.Token)
	r.State.Pending = nil
	return errors.Join(r.WriteState(), r.WriteCopy(nil))
}

// ownRules returns voipbl's rules in both backends.
func ownRules(ctx context.Context, r *rules.Hold) ([]rules.OwnRules, error) {
	var all []rules.OwnRules
	for _, b := range []firewall.Backend{r.Fw.Backend, r.Fw.Backend.Other()} {
		fw, err := firewall.Open(string(b))
		if err != nil || b != r.Fw.Backend && !fw.InUse() {
			continue
		}
		saved, err := fw.ReadSure(ctx)
		if err != nil {
			return nil, err
		}
		own := rules.OwnRules{Backend: b}
		for _, f := range iptables.Families {
			own.Tables[f], own.Unknown[f] = saved[f].Own(), saved[f].Trouble != nil
		}
		all = append(all, own)
	}
	return all, nil
}

// noteWithoutBase records in which families the base rules on trial were not installed. A
// confirmation does not need them there.
func noteWithoutBase(r *rules.Hold, report *rules.Report) error {
	p, before := r.State.Pending, r.State.Pending.WithoutBase
	for f, err := range report.WithoutBase {
		p.WithoutBase[f] = err != nil || iptables.Family(f) == iptables.IPv6 && r.Cfg.Firewall.IPv6 == config.IPv6Off
	}
	for _, problem := range report.Families {
		p.WithoutBase[problem.In] = true
	}
	if p.WithoutBase == before {
		return nil
	}
	return errors.Join(r.WriteState(), r.WriteCopy(p))
}

// notOnTrial refuses to change rules while others wait for a confirmation.
func notOnTrial(r *rules.Hold) error {
	if p := r.State.Pending; p.OnTrial(probe.Uptime()) {
		return &rules.PendingError{Pending: *p.Report()}
	}
	return nil
}
