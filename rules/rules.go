package rules

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// Hold is a hold on the firewall's rules: how they are configured, what the
// admin has said about them, and what is known of the kernel's. Its methods are
// for whoever holds the lock.
type Hold struct {
	Cfg    config.Config
	fw     *firewall.Firewall
	sets   *ipsetsync.Kernel
	store  *fetch.Store   // the state folder; nil for looking only, if there is none
	Run    *fetch.Store   // the run folder, likewise
	Trunks []netip.Prefix // as the names in it are resolved now

	State  State
	Record Record
	ways   *host.Ways // see look

	Replaced [2]bool // sets that are about to take the place of somebody else's; see freeForeign

	StateErr  error // why the state is not known
	stateLost bool  // there is no file of it
}

// Open gathers all this. It is closed by closing run.
func Open(cfg config.Config, fw *firewall.Firewall, sets *ipsetsync.Kernel, store *fetch.Store) *Hold {
	r := &Hold{Cfg: cfg, fw: fw, sets: sets, store: store}
	// Without it there is less to compare with, and nothing to be remembered:
	// that is said when it is tried.
	r.Run, _ = fetch.FindStore(cfg.RunDir)
	r.Reload()
	return r
}

// Reload reads what is known once more, when it can have changed since: after the
// lock of the rules has been taken.
func (r *Hold) Reload() { r.State, r.Record, r.stateLost, r.StateErr = readRules(r.store, r.Run) }

func (r *Hold) Close() {
	if r.Run != nil {
		r.Run.Close()
	}
}

// SettleAndEnsure is what whoever holds the lock of the rules does about them when
// nobody has asked for anything: what is pending too long ends, and the rest is put
// right.
func (r *Hold) SettleAndEnsure(ctx context.Context, how How) (report *Report, warnings []string, err error) {
	r.Reload()
	warnings, err = r.settle(ctx, host.Uptime())
	if err != nil {
		return nil, warnings, err
	}
	report, err = r.Ensure(ctx, how)
	return report, append(warnings, report.Warnings...), err
}

// DropBanned reports whether there are rules that drop who is banned. That something
// refers to the sets says little: a rule that only logs does, too.
func (r *Hold) DropBanned(ctx context.Context) bool {
	if r.asLastTime() {
		return true
	}
	saved, err := r.fw.Read(ctx)
	if err != nil {
		return true // as far as can be known; whoever repairs the rules tells
	}
	// Who has put something above them is the agent's to deal with, if there is one: it
	// does not quarrel for the first place without end.
	_, agent, _ := state.AgentRuns(r.Cfg) // not knowing it, the rules are put right
	for _, f := range cidr.Families {
		if saved[f].Trouble != nil || r.Record.Troubles[f] != nil || !settings.WantsRules(r.Cfg, firewall.Family(f)) {
			continue // whoever repairs the rules tells
		}
		drops := saved[f].DropRules(r.Cfg.BanSetName(int(f)))
		if !agent {
			drops = slices.DeleteFunc(drops, firewall.DropRule.Bypassed)
		}
		if len(drops) == 0 {
			return false
		}
	}
	return true
}

// decide looks at what there is, and decides what is to become of the rules. It changes
// nothing. Who is there is looked up only if the decision depends on it. With an error the
// decision has only what was seen until then.
func (r *Hold) decide(ctx context.Context, how How) (*Decision, error) {
	w := wantOf(r.Cfg, r.Trunks, how)
	saw, err := r.see(ctx, w, how)
	if err != nil {
		return &Decision{saw: saw}, err
	}
	c := how.circumstances(host.CallerConnection(), onTerminal())
	d := decide(w, saw, c)
	if d.asks {
		d = decide(w, saw, r.meet(ctx, c, *w.base, saw.saved))
	}
	return d, nil
}

// Ensure makes the kernel hold the configured rules. Base rules that must not be
// installed (see [LockoutError], [OtherOwnerError], [RejectedError]) are left as they
// are, the drop is put in force all the same, and the report says why.
func (r *Hold) Ensure(ctx context.Context, how How) (*Report, error) {
	d, err := r.decide(ctx, how)
	report := r.report(d)
	switch {
	case err != nil || d.remembered:
		return report, err
	case how.DryRun:
		return report, r.foresee(d, report)
	}
	return report, r.commit(ctx, d, report)
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
			made, err := r.sets.EnsureBanSet(name, f)
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
