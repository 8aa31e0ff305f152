package rules

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// ApplyOptions are what the caller of Apply may ask for.
type ApplyOptions struct {
	ConfigFile string              // that the configuration is from
	DryRun     bool                // say what would change
	Force      bool                // do not ask who would be locked out, and have the agent take over what takes protection away
	MayLose    state.MayLose       // what else than rules the agent may take away
	Wait       time.Duration       // for the lock
	Waiting    func(holder string) // called once if the lock is held; may be nil

	// Confirm is for how long base rules that are new wait for a
	// confirmation before they are taken back; 0 is not at all. With Always
	// also those do that have been accepted before.
	Confirm  time.Duration
	Always   bool
	Rollback Rollback
}

// session is what a verb about the rules works with.
type session struct {
	*Hold
	Close func()

	unresolved []string // see unresolvedTrunks; of who only looks
}

// openSession takes locks and gathers what the rules need. fw may be nil for who only
// puts back what is written down with its backend.
func openSession(ctx context.Context, cfg config.Config, fw *firewall.Firewall, verb string, wait time.Duration, waiting func(string), locks ...string) (_ *session, err error) {
	var closers []func()
	closeAll := func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	closers = append(closers, kernel.Close)
	for _, name := range locks {
		unlock, err := state.Lock(ctx, cfg.RunDir, name, verb, wait, waiting)
		if err != nil {
			return nil, err
		}
		closers = append(closers, unlock)
	}
	store, err := state.OpenStore(cfg)
	if err != nil {
		return nil, err
	}
	closers = append(closers, func() { store.Close() })
	r := Open(cfg, fw, kernel, store)
	closers = append(closers, r.Close)
	return &session{Hold: r, Close: closeAll}, nil
}

// Apply puts the configured rules into the kernel, with empty sets where
// there are none yet.
func Apply(ctx context.Context, file config.Config, opts ApplyOptions) (*Report, error) {
	cfg := setnames.NamesInForce(ctx, file)
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		return nil, err
	}
	answers, err := resolveNow(ctx, cfg, !opts.DryRun) // it may take a while, and nobody has to wait for it
	if err != nil {
		return nil, err
	}
	// Before the locks are held, for which the agent would wait.
	var warnings []string
	agent, report, silent := followApply(ctx, cfg, fw, answers, opts)
	switch {
	case report != nil:
		return report, nil
	case silent != nil && !errors.As(silent, new(*state.SilentAgentError)) && !(opts.Force && errors.As(silent, new(*takeover.NotFollowedError))):
		return nil, silent
	}
	s, err := openSession(ctx, cfg, fw, "voipbl firewall apply", opts.Wait, opts.Waiting, state.SetsLock, state.RulesLock)
	if err != nil {
		return nil, err
	}
	defer func() { s.Close() }()
	if now := setnames.NamesInForce(ctx, file); setnames.NamesOf(now) != setnames.NamesOf(cfg) { // a sync has changed them before it was our turn
		s.Close()
		s.Close = func() {}
		return Apply(ctx, file, opts)
	}
	if !opts.DryRun {
		if warnings, err = s.settle(ctx, host.Uptime()); err != nil {
			return nil, err
		}
		if err := s.notOnTrial(); err != nil {
			return nil, err
		}
	}
	protected, err := exempt.Gather(cfg, answers)
	if err != nil {
		return nil, err
	}
	s.Trunks = protected.Trunks
	warnings = append(warnings, protected.Problems...)
	var partly *firewall.FamilyError
	if !opts.DryRun {
		if err := setnames.NoteSetNames(ctx, cfg, s.sets); err != nil {
			warnings = append(warnings, err.Error())
		}
		if partly, err = s.EnsureSets(); err != nil {
			return nil, err
		}
		if err := s.checkBlocked(host.SSHLogins()); err != nil {
			return nil, err
		}
	}
	d, err := s.decide(ctx, How{ByHand: true, Force: opts.Force, Trial: opts.Confirm != 0, Always: opts.Always})
	report = s.report(d)
	var drop []firewall.Change // that were made before the rest was put on trial
	switch {
	case err != nil:
	case opts.DryRun:
		err = s.foresee(d, report)
	default:
		var warning string
		if drop, warning, err = s.tryAndCommit(ctx, d, report, opts); warning != "" {
			warnings = append(warnings, warning)
		}
	}
	if s.State.Pending != nil && err == nil {
		if err := s.noteWithoutBase(report); err != nil {
			warnings = append(warnings, fmt.Sprintf("what could not be installed is not remembered, so it cannot be confirmed: %v", err))
		}
	}
	if s.State.Pending != nil && err != nil {
		err = errors.Join(err, s.abandon(context.WithoutCancel(ctx)))
	}
	if report != nil {
		report.closes(err)
		if partly != nil {
			report.Families = []problem.FamilyProblem{problem.OfFamily(partly)} // its rules lack the set
		}
		if err != nil {
			report.Error = problem.Of(err)
		}
		if s.State.Pending != nil {
			report.Changes = append(drop, report.Changes...)
		}
		report.Pending = s.State.Pending.report()
		report.Agent = agent
		if silent != nil {
			warnings = append(warnings, silent.Error())
		}
		report.Warnings = append(warnings, report.Warnings...)
	}
	return report, err
}

// tryAndCommit carries a decision out, on trial if it is to be. drop are the changes that are
// not on trial: the drop stays when the rest is taken back.
func (r *Hold) tryAndCommit(ctx context.Context, d *Decision, report *Report, opts ApplyOptions) (drop []firewall.Change, warning string, err error) {
	if d.OnTrial {
		if drop, err = r.dropFirst(ctx, d); err != nil {
			return drop, "", err
		}
		if warning, err = r.begin(ctx, opts.Confirm, opts.Rollback, d.saved); err != nil {
			return drop, warning, err
		}
		ctx = context.WithoutCancel(ctx) // it has begun
	}
	return drop, warning, r.commit(ctx, d, report)
}

// resolveNow asks for the names of the configuration.
func resolveNow(ctx context.Context, cfg config.Config, keep bool) (exempt.Resolved, error) {
	store, err := state.OpenStore(cfg)
	if err != nil {
		return exempt.Resolved{}, err
	}
	defer store.Close()
	return exempt.Resolve(ctx, store, cfg, exempt.Lookups{Keep: keep}), nil
}

// BlockedLoginError is a set that has the address of somebody who is logged in: the
// drop would cut him off.
type BlockedLoginError struct {
	Login host.Login
	Set   string
}

func (e *BlockedLoginError) Error() string {
	return fmt.Sprintf("the set %s has the address of the SSH session from %s, so no rule is put in that drops its members", e.Set, e.Login.From)
}

// Remedy says what to do about it.
func (e *BlockedLoginError) Remedy() string {
	return "run \"voipbl sync\", which takes the addresses of SSH sessions out of the set; put yours into \"allow\""
}

// checkBlocked refuses to drop what is in the sets while somebody is logged in from
// there.
func (r *Hold) checkBlocked(logins []host.Login) error {
	for _, f := range cidr.Families {
		live, err := r.sets.Dump(r.Cfg.SetName(int(f)))
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, l := range logins {
			p := cidr.FromNetip(netip.PrefixFrom(l.From, l.From.BitLen()))
			if _, blocked := live.Find(p); blocked && p.Family() == f {
				return &BlockedLoginError{l, live.Name}
			}
		}
	}
	return nil
}

// EnsureSets makes the sets that are missing, empty, so that rules can refer to
// them. partly is why that of IPv6 cannot be there.
func (r *Hold) EnsureSets() (partly *firewall.FamilyError, err error) {
	if err := r.ensureSet(cidr.IPv4); err != nil {
		return nil, err
	}
	if err := r.ensureSet(cidr.IPv6); err != nil {
		partly = &firewall.FamilyError{Family: firewall.IPv6, Err: err}
	}
	if err := setnames.EnsureBanSets(r.Cfg, r.sets); !errors.As(err, new(*ipsetsync.ForeignBanSetError)) {
		return partly, err
	}
	return partly, nil // no rule names it
}

func (r *Hold) ensureSet(f cidr.Family) error {
	name := r.Cfg.SetName(int(f))
	if err := r.checkForeign(f); !errors.Is(err, ipsetsync.ErrNotFound) {
		return err
	}
	plan, err := ipsetsync.NewPlan(name, f, cidr.Set{}, nil)
	if err != nil {
		return err
	}
	if _, err := r.sets.Execute(plan); err != nil {
		return err
	}
	return state.RecordMade(r.Cfg, r.sets, []*ipsetsync.Plan{plan})
}

// checkForeign refuses to drop the members of a set that somebody else has made.
func (r *Hold) checkForeign(f cidr.Family) error {
	h, err := r.sets.Header(r.Cfg.SetName(int(f)))
	if err == nil && !ipsetsync.IsOurs(h, f) {
		return &ForeignSetError{h}
	}
	return err
}

// ForeignSetError is a set of our name that somebody else has made: its members
// are not to be dropped.
type ForeignSetError struct{ Header ipsetsync.Header }

func (e *ForeignSetError) Error() string {
	return fmt.Sprintf("the set %s is a %s of %s that somebody else made", e.Header.Name, e.Header.Type, e.Header.Family)
}

// Remedy says what to do about it.
func (e *ForeignSetError) Remedy() string {
	return "\"voipbl sync\" replaces it if nothing uses it; or choose another name with \"set:\""
}
