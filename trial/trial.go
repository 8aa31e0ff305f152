package trial

import (
	"context"
	"errors"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// Confirm keeps the rules that are pending. file is where cfg was read from; here accepts a
// confirmation over the connection that the rules were applied over.
func Confirm(ctx context.Context, cfg config.Config, file string, wait time.Duration, here bool) error {
	typed := probe.Uptime()
	if err := followTrial(ctx, cfg, file, typed, here); err != nil && !errors.As(err, new(*state.SilentAgentError)) {
		return err
	}
	held, err := rules.OpenLocked(ctx, cfg, nil, "voipbl firewall confirm", wait, nil, state.RulesLock)
	if err != nil {
		return err
	}
	defer held.Close()
	return confirm(ctx, held, typed, here)
}

// followTrial has the agent take over a configuration with the pending rules, which it would
// otherwise undo once they are confirmed. It does nothing if they cannot be confirmed.
func followTrial(ctx context.Context, cfg config.Config, file string, typed time.Duration, here bool) error {
	held, err := rules.OpenLocked(ctx, cfg, nil, "voipbl firewall confirm", 0, nil)
	if err != nil {
		return err
	}
	defer held.Close()
	p := held.State.Pending
	if theirs, err := state.AgentConfig(ctx, cfg.RunDir); !p.OnTrial(typed) || err == nil && settings.BaseKey(theirs) == p.Key {
		return nil
	}
	judge := func() error { return mayConfirm(ctx, held, p, here) }
	_, err = takeover.Follow(ctx, cfg, takeover.Following{File: file, MayLose: state.LoseRules, Timeout: state.LockWait, Judge: judge})
	return err
}

// RollBack takes back the rules that are pending. With a token, as the timer calls it, it keeps
// trying.
func RollBack(ctx context.Context, cfg config.Config, wait time.Duration, token string) error {
	try := func() error {
		held, err := rules.OpenLocked(ctx, cfg, nil, "voipbl firewall rollback", wait, nil, state.RulesLock)
		if err != nil {
			return err
		}
		defer held.Close()
		return rollBack(ctx, held, token)
	}
	err := try()
	if token == "" {
		return err
	}
	again := time.NewTicker(rollbackEvery)
	defer again.Stop()
	for range rollbackTries {
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-again.C:
		}
		err = try()
	}
	return err
}

// AwaitRollback waits until the rules are to be taken back, or are no longer pending, and
// reports which. It checks from time to time, so that no process waits in vain.
func AwaitRollback(ctx context.Context, stateDir, runDir, token string, after time.Duration) (due bool, err error) {
	deadline := time.NewTimer(after)
	defer deadline.Stop()
	look := time.NewTicker(awaitEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline.C:
			return true, nil
		case <-look.C:
			if !rules.IsPending(stateDir, runDir, token) {
				return false, nil
			}
		}
	}
}

const awaitEvery = 500 * time.Millisecond

// Somebody may be locked out, so rolling back waits for the lock and for other programs'
// transactions as long as anybody could wait.
const (
	rollbackEvery = 2 * time.Second
	rollbackTries = 900 // half an hour
)
