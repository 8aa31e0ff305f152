package trial

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// ApplyOptions are the options of Apply.
type ApplyOptions struct {
	ConfigFile string              // the file of the configuration
	DryRun     bool                // say what would change
	Force      bool                // skip the lock-out check, and have the agent take over a file that removes protection
	MayLose    state.MayLose       // what besides rules the agent may remove
	Wait       time.Duration       // for the lock
	Waiting    func(holder string) // called once if the lock is held; may be nil

	// Confirm is how long new base rules wait for a confirmation before they are taken
	// back; 0 means that they need none. With Always, base rules that have been accepted
	// before wait too.
	Confirm  time.Duration
	Always   bool
	Rollback Rollback
}

// Apply puts the configured rules into the kernel, and creates empty sets where they are
// missing.
//
// An error after the agent has taken over the configuration is in the report, or a TakenOverError.
func Apply(ctx context.Context, file config.Config, opts ApplyOptions) (report *rules.Report, err error) {
	cfg := setnames.NamesOfApply(ctx, file)
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		return nil, err
	}
	answers, err := resolveNow(ctx, cfg, !opts.DryRun) // may take a while, so before taking locks
	if err != nil {
		return nil, err
	}
	// Before taking the locks, which the agent would wait for.
	var warnings []string
	agent, report, silent := followApply(ctx, file, cfg, fw, answers, opts)
	defer func() {
		switch {
		case agent == nil || !agent.Now:
		case report != nil:
			report.Agent = agent
		case err != nil:
			err = &TakenOverError{agent, err}
		}
	}()
	switch {
	case report != nil:
		return report, nil
	case silent != nil && !errors.As(silent, new(*state.SilentAgentError)) && !(opts.Force && errors.As(silent, new(*takeover.NotFollowedError))):
		return nil, silent
	}
	held, err := rules.OpenLocked(ctx, cfg, fw, "voipbl firewall apply", opts.Wait, opts.Waiting, state.SetsLock, state.RulesLock)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	if now := setnames.NamesOfApply(ctx, file); setnames.NamesOf(now) != setnames.NamesOf(cfg) { // a sync has changed them while we waited for the locks
		held.Close()
		return Apply(ctx, file, opts)
	}
	if !opts.DryRun {
		if warnings, err = settle(ctx, held, probe.Uptime()); err != nil {
			return nil, err
		}
		if err := notOnTrial(held); err != nil {
			return nil, err
		}
	}
	protected, err := exempt.Gather(cfg, answers)
	if err != nil {
		return nil, err
	}
	held.Trunks = protected.Trunks
	warnings = append(warnings, protected.Problems...)
	var partly *firewall.FamilyError
	if !opts.DryRun {
		if err := setnames.NoteSetNames(ctx, cfg, held.Sets); err != nil {
			warnings = append(warnings, err.Error())
		}
		if partly, err = held.EnsureSets(); err != nil {
			return nil, err
		}
		if err := checkBlocked(held, logins.SSH()); err != nil {
			return nil, err
		}
	}
	how := rules.How{DryRun: opts.DryRun, ByHand: true, Force: opts.Force, Trial: opts.Confirm != 0, Always: opts.Always}
	var drop []firewall.Change // made before the rest was put on trial
	if opts.DryRun {
		report, err = held.Ensure(ctx, how)
	} else {
		var warning string
		if report, drop, warning, err = try(ctx, held, how, opts); warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if held.State.Pending != nil && err == nil {
		if err := noteWithoutBase(held, report); err != nil {
			warnings = append(warnings, fmt.Sprintf("what could not be installed is not remembered, so it cannot be confirmed: %v", err))
		}
	}
	if held.State.Pending != nil && err != nil {
		err = errors.Join(err, abandon(context.WithoutCancel(ctx), held))
	}
	if report != nil {
		closes(report, err)
		if partly != nil {
			report.Families = []problem.FamilyProblem{problem.OfFamily(partly)} // without the set, its rules are not there either
		}
		if err != nil {
			report.Error = problem.Of(err)
		}
		if held.State.Pending != nil {
			report.Changes = append(drop, report.Changes...)
		}
		report.Pending = held.State.Pending.Report()
		report.Agent = agent
		if silent != nil {
			warnings = append(warnings, silent.Error())
		}
		report.Warnings = append(warnings, report.Warnings...)
	}
	return report, err
}

// try is [rules.Hold.Ensure] for an admin who asks for it: new base rules are put on trial first
// if a confirmation is wanted. drop are the changes that are not on trial; they stay when the
// rest is taken back.
func try(ctx context.Context, r *rules.Hold, how rules.How, opts ApplyOptions) (report *rules.Report, drop []firewall.Change, warning string, err error) {
	d, err := r.Decide(ctx, how)
	report = d.Report()
	if err != nil {
		return report, nil, "", err
	}
	if d.OnTrial {
		if drop, err = r.DropFirst(ctx, d); err != nil {
			return report, drop, "", err
		}
		if warning, err = begin(ctx, r, opts.Confirm, opts.Rollback, d.Saved); err != nil {
			return report, drop, warning, err
		}
		ctx = context.WithoutCancel(ctx) // the trial has begun
	}
	return report, drop, warning, r.Commit(ctx, d, report)
}

// TakenOverError is why nothing was applied by a command after the agent had taken over its
// configuration.
type TakenOverError struct {
	Agent *takeover.Followed
	error
}

func (e *TakenOverError) Unwrap() error { return e.error }

// resolveNow resolves the names of the configuration.
func resolveNow(ctx context.Context, cfg config.Config, keep bool) (exempt.Resolved, error) {
	store, err := state.OpenStore(cfg)
	if err != nil {
		return exempt.Resolved{}, err
	}
	defer store.Close()
	return exempt.Resolve(ctx, store, cfg, exempt.Lookups{Keep: keep}), nil
}

// blockedLoginError says that a set has the address of an SSH login: the drop would cut it off.
type blockedLoginError struct {
	Login logins.Login
	Set   string
}

func (e *blockedLoginError) Error() string {
	return fmt.Sprintf("the set %s has the address of the SSH session from %s, so no rule is put in that drops its members", e.Set, e.Login.From)
}

// Remedy says what to do about it.
func (e *blockedLoginError) Remedy() string {
	return "run \"voipbl sync\", which takes the addresses of SSH sessions out of the set; put yours into \"allow\""
}

// checkBlocked refuses to drop the members of the sets if they include the address of an SSH
// login.
func checkBlocked(r *rules.Hold, sessions []logins.Login) error {
	for _, f := range cidr.Families {
		live, err := r.Sets.Dump(r.Cfg.SetName(int(f)))
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, l := range sessions {
			p := cidr.FromNetip(netip.PrefixFrom(l.From, l.From.BitLen()))
			if _, blocked := live.Find(p); blocked && p.Family() == f {
				return &blockedLoginError{l, live.Name}
			}
		}
	}
	return nil
}
