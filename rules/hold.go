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
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/state"
)

// Hold is a hold on the firewall's rules: how they are configured, what the
// admin has said about them, and what is known of the kernel's. Its methods are
// for whoever holds the lock.
type Hold struct {
	Cfg    config.Config
	Fw     *firewall.Firewall
	Sets   *ipsetsync.Kernel
	store  *fetch.Store   // the state folder; nil for looking only, if there is none
	Run    *fetch.Store   // the run folder, likewise
	Trunks []netip.Prefix // as the names in it are resolved now

	State  State
	Record Record
	ways   *host.Ways // see Look

	Replaced [2]bool // sets that are about to take the place of somebody else's; see freeForeign

	StateErr  error // why the state is not known
	stateLost bool  // there is no file of it

	unresolved []string // see unresolvedTrunks; of who only looks
	closers    []func()
}

// Open gathers all this.
func Open(cfg config.Config, fw *firewall.Firewall, sets *ipsetsync.Kernel, store *fetch.Store) *Hold {
	r := &Hold{Cfg: cfg, Fw: fw, Sets: sets, store: store}
	// Without it there is less to compare with, and nothing to be remembered:
	// that is said when it is tried.
	if r.Run, _ = fetch.FindStore(cfg.RunDir); r.Run != nil {
		r.closers = append(r.closers, func() { r.Run.Close() })
	}
	r.Reload()
	return r
}

// OpenLocked takes locks, opens all that the rules need, and gathers this. fw may be nil for
// who only puts back what is written down with its backend.
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

// Reload reads what is known once more, when it can have changed since: after the
// lock of the rules has been taken.
func (r *Hold) Reload() { r.State, r.Record, r.stateLost, r.StateErr = readRules(r.store, r.Run) }

// Close closes what was opened for it.
func (r *Hold) Close() {
	for _, c := range slices.Backward(r.closers) {
		c()
	}
	r.closers = nil
}

// Decide looks at what there is, and decides what is to become of the rules. It changes
// nothing. Who is there is looked up only if the decision depends on it. With an error the
// decision has only what was seen until then.
func (r *Hold) Decide(ctx context.Context, how How) (*Decision, error) {
	w := wantOf(r.Cfg, r.Trunks, how)
	saw, err := r.see(ctx, w, how)
	if err != nil {
		return &Decision{saw: saw}, err
	}
	c := how.circumstances(logins.CallerConnection(), onTerminal())
	d := decide(w, saw, c)
	if d.asks {
		d = decide(w, saw, r.meet(ctx, c, *w.base, saw.saved))
	}
	return d, nil
}

// Ensure makes the kernel hold the configured rules. Base rules that must not be
// installed (see [lockout.ShutOutError], [RejectedError]) are left as they are,
// the drop is put in force all the same, and the report says why.
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

// callerOut is the problem that the agent has with base rules nobody has tried yet, or why
// whoever asks cannot try them: they would lock out a login that the agent may not see.
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

// EnsureSaved makes the sets of our actions for fail2ban that saved rules name and that are
// not there. Whoever loads these rules at boot loads none of them if one set is missing, and
// fail2ban comes later. What cannot be made is in a line each.
func (r *Hold) EnsureSaved() (warnings []string) {
	before := problem.Digest(r.Record)
	for _, f := range cidr.Families {
		names, err := reach.SavedSets(host.RulesAtBoot[f])
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("the sets that saved rules name cannot be made: %v", err))
			continue
		}
		for _, name := range names {
			made, err := r.Sets.EnsureBanSet(name, f)
			if err != nil {
				warnings = append(warnings, fmt.Sprintf("%s names a set that cannot be made: %v", host.RulesAtBoot[f], err))
			}
			if made && !slices.Contains(r.Record.Sets, name) {
				r.Record.Sets = append(r.Record.Sets, name)
			}
		}
	}
	if problem.Digest(r.Record) != before {
		r.WriteRecord() // if it cannot be kept, remember says so
	}
	return warnings
}

// Look is who listens on this host and by which tunnels packets come in, as they were
// when it was asked first.
func (r *Hold) Look() host.Ways {
	if r.ways == nil {
		ways := host.LookWays()
		r.ways = &ways
	}
	return *r.ways
}
