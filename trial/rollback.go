package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/rules"
)

// takeBack restores voipbl's rules from before the trial. What other programs have changed since
// stays.
func takeBack(ctx context.Context, r *rules.Hold, why string) error {
	if err := restore(ctx, r); err != nil {
		return err
	}
	if err := reject(r, why); err != nil {
		return fmt.Errorf("the rules were taken back, but that could not be written down: %w", err)
	}
	return nil
}

// restore makes voipbl's rules in the kernel what they were before the trial.
func restore(ctx context.Context, r *rules.Hold) error {
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
				want[f] = saved[f].Own() // leave them as they are
			}
		}
		_, err = fw.Apply(ctx, want, saved, nil)
		if partly, yes := firewall.Partly(err); err != nil && !(yes && own.Unknown[partly.Family]) {
			return err
		}
	}
	if len(p.Before) > 0 && rules.HasBase(p.Before[0].Tables) {
		return nil
	}
	// The apply may have been killed before it could record what it created.
	for f, made := range p.Chains {
		r.Record.Chains[f] = r.Record.Chains[f] || made
	}
	r.Record.Sets = slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Record.Sets, p.Sets))))
	// The rules are back even if this fails. The record has what is left, and the next
	// sync drops it.
	r.DropBans(ctx)
	return nil
}

// reject forgets what is pending, and records that it must not come back unasked.
func reject(r *rules.Hold, why string) error {
	p := r.State.Pending
	r.State.Pending = nil
	if accepted := r.State.Accepted; p.Key != "" && (accepted == nil || accepted.Key != p.Key) {
		r.State.Rejected = &rules.RejectedBase{Key: p.Key, At: time.Now().UTC().Truncate(time.Second), Why: why}
	}
	r.Record.Generation = ""
	r.WriteRecord() // if it fails, the changed generation has the same effect
	err := errors.Join(r.WriteState(), r.WriteCopy(nil))
	if err == nil {
		Disarm(p.Token)
	}
	return err
}

const whyLapsed = "nobody confirmed them in time"

// settle ends a trial whose time is over at up, the time since boot. Normally the timer has done
// so, unless the host was rebooted or the timer killed. If this cannot be recorded, on a full
// disk say, that is a warning: the kernel is right, and the next run does the same again.
func settle(ctx context.Context, r *rules.Hold, up time.Duration) (warnings []string, err error) {
	p := r.State.Pending
	switch {
	case p == nil:
		return nil, nil
	case p.Kernel != firewall.Kernel(): // those rules are gone
		warnings = append(warnings, "base rules that nobody had confirmed went with the last boot")
		err = reject(r, whyBooted)
	case p.Lapsed(up):
		if err := restore(ctx, r); err != nil {
			return nil, err
		}
		warnings = append(warnings, "base rules that nobody has confirmed in time were taken back")
		err = reject(r, whyLapsed)
	}
	if err != nil {
		warnings = append(warnings, err.Error())
	}
	return warnings, nil
}

// rollBack takes back what is pending, now. With a token, it does so only if the apply that
// issued the token is the one pending.
func rollBack(ctx context.Context, r *rules.Hold, token string) error {
	if err := r.FindPending(token); err != nil {
		return err
	}
	p := r.State.Pending
	switch {
	case p == nil && token != "" && r.StateErr != nil:
		return r.StateErr
	case p == nil && token != "", p != nil && token != "" && p.Token != token:
		return nil
	case p == nil:
		return notPending(r)
	case p.Kernel != firewall.Kernel():
		return reject(r, whyBooted)
	case token != "":
		return takeBack(ctx, r, whyLapsed)
	}
	return takeBack(ctx, r, whyByHand)
}

// SettleAndEnsure is for callers that hold the lock of the rules and were not asked for
// anything in particular: it ends an overdue trial and puts the rules right.
func SettleAndEnsure(ctx context.Context, r *rules.Hold, how rules.How) (report *rules.Report, warnings []string, err error) {
	r.Reload()
	warnings, err = settle(ctx, r, probe.Uptime())
	if err != nil {
		return nil, warnings, err
	}
	report, err = r.Ensure(ctx, how)
	return report, append(warnings, report.Warnings...), err
}
