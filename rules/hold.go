package rules

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/state"
)

// Hold gives access to the firewall's rules: how they are configured, what the admin has
// decided about them, and what is known of the kernel. Its methods need the lock of the
// rules, unless they only look.
type Hold struct {
	Cfg    config.Config
	Fw     *firewall.Firewall
	Sets   *ipsetsync.Kernel
	store  *fetch.Store   // the state folder; nil if there is none and nothing is to be written
	Run    *fetch.Store   // the run folder, likewise
	Trunks []netip.Prefix // with names as they resolve now

	State  State
	Record Record
	ways   *host.Ways // see Look

	Replaced [2]bool // sets that are about to replace another program's; see freeForeign

	StateErr  error // why the state is not known
	stateLost bool  // there is no file of it

	unresolved []string // see unresolvedTrunks; only set when looking
	closers    []func()
}

// Open makes a Hold and reads the state and the record.
func Open(cfg config.Config, fw *firewall.Firewall, sets *ipsetsync.Kernel, store *fetch.Store) *Hold {
	r := &Hold{Cfg: cfg, Fw: fw, Sets: sets, store: store}
	// Without the run folder there is less to compare with and nothing can be recorded,
	// which is reported when it is tried.
	if r.Run, _ = fetch.FindStore(cfg.RunDir); r.Run != nil {
		r.closers = append(r.closers, func() { r.Run.Close() })
	}
	r.Reload()
	return r
}

// OpenLocked takes locks, opens all that the rules need, and makes a Hold. fw may be nil for a
// caller that only restores what was recorded with its backend.
func OpenLocked(ctx context.Context, cfg config.Config, fw *firewall.Firewall, verb string, wait time.Duration, waiting func(string), locks ...string) (r *Hold, err error) {
	opened := &Hold{}
	defer func() {
		if err != nil {
			opened.Close()
		}
	}()
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	opened.closers = append(opened.closers, kernel.Close)
	for _, name := range locks {
		unlock, err := state.Lock(ctx, cfg.RunDir, name, verb, wait, waiting)
		if err != nil {
			return nil, err
		}
		opened.closers = append(opened.closers, unlock)
	}
	store, err := state.OpenStore(cfg)
	if err != nil {
		return nil, err
	}
	opened.closers = append(opened.closers, func() { store.Close() })
	r = Open(cfg, fw, kernel, store)
	r.closers = append(opened.closers, r.closers...)
	return r, nil
}

// Reload reads the state and the record again. Call it after taking the lock of the rules,
// since both may have changed.
func (r *Hold) Reload() { r.State, r.Record, r.stateLost, r.StateErr = readRules(r.store, r.Run) }

// Close closes what was opened for the Hold.
func (r *Hold) Close() {
	for _, c := range slices.Backward(r.closers) {
		c()
	}
	r.closers = nil
}

// Decide looks at the host and decides what the rules are to become. It changes nothing. It
// looks up who is logged in only if the decision depends on it. With an error, the decision
// has only what was seen until then.
func (r *Hold) Decide(ctx context.Context, how How) (*Decision, error) {
	w := wantOf(r.Cfg, r.Trunks, how)
	saw, err := r.see(ctx, w, how)
	if err != nil {
		return &Decision{saw: saw}, err
	}
	if saw.remembered { // so it does not matter who asks
		return decide(w, saw, Circumstances{}), nil
	}
	c := how.circumstances(logins.CallerConnection(), onTerminal())
	d := decide(w, saw, c)
	if d.asks {
		d = decide(w, saw, r.meet(ctx, c, *w.base, saw.saved))
	}
	return d, nil
}

// Ensure makes the kernel hold the configured rules. Base rules that must not be installed
// (see [lockout.ShutOutError], [RejectedError]) are left as they are; the drop is applied all
// the same, and the report says why.
func (r *Hold) Ensure(ctx context.Context, how How) (*Report, error) {
	d, err := r.Decide(ctx, how)
	report := d.Report()
	switch {
	case err != nil || d.remembered:
		return report, err
	case how.DryRun:
		return report, d.foresee(report)
	}
	return report, r.Commit(ctx, d, report)
}

// callerOut returns the agent's problem with untried base rules, or, if the caller cannot try
// them because they would lock out a login that the agent may not see, that problem.
func (r *Hold) callerOut(ctx context.Context, trouble *problem.Problem) *problem.Problem {
	if trouble == nil || trouble.Reason != problem.ReasonUntried {
		return trouble
	}
	own, err := r.Ensure(ctx, How{DryRun: true, OnlyLooks: true})
	if err != nil || own.Problem == nil || own.Problem.Reason != problem.ReasonLockout {
		return trouble
	}
	return own.Problem
}

// EnsureSaved creates the missing sets of voipbl's fail2ban actions, and of registered phones, that saved
// rules name: these may be base rules, which the configuration has no more. At boot, one missing set keeps all saved rules from being loaded, and fail2ban starts later.
// Each set that cannot be created gives one warning.
func (r *Hold) EnsureSaved() (warnings []string) {
	before := problem.Digest(r.Record)
	for _, f := range cidr.Families {
		text, err := reach.RulesFile(host.RulesAtBoot[f])
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("the sets that saved rules name cannot be made: %v", err))
			continue
		}
		ensure := func(name string, make func(name string, f cidr.Family) (bool, error)) {
			made, err := make(name, f)
			if err != nil {
				warnings = append(warnings, fmt.Sprintf("%s names a set that cannot be made: %v", host.RulesAtBoot[f], err))
			}
			if made && !slices.Contains(r.Record.Sets, name) {
				r.Record.Sets = append(r.Record.Sets, name)
			}
		}
		for _, name := range iptables.NamedBanSets(text) {
			ensure(name, r.Sets.EnsureBanSet)
		}
		if name := r.Cfg.KnownSetName(int(f)); iptables.NamesSet(text, name) {
			ensure(name, r.Sets.EnsureKnownSet)
		}
	}
	if problem.Digest(r.Record) != before {
		r.WriteRecord() // if it cannot be kept, remember says so
	}
	return warnings
}

// Look returns who listens on this host and by which tunnels packets come in, as found on the
// first call.
func (r *Hold) Look() host.Ways {
	if r.ways == nil {
		ways := host.LookWays()
		r.ways = &ways
	}
	return *r.ways
}
