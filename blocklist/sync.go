package blocklist

import (
	"context"
	"errors"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// Sync fills the kernel's sets from the feeds, and applies the rules that drop their members.
// On an error the kernel is as it was; if the report's outcome is RulesFailed, only the rules
// are. A feed that fails is no error: the outcome is Stale.
func Sync(ctx context.Context, cfg config.Config, opts feeds.Options) (*SyncReport, error) {
	ctx = reach.AtOneMoment(ctx)
	defer firewall.EndMoment(ctx)
	memory.ForFeeds(len(cfg.Feeds))
	report := NewSyncReport(opts.Version)
	err := syncInto(ctx, cfg, opts, report)
	if err != nil {
		report.Error = problem.Of(err)
	}
	return report, err
}

// syncInto is Sync; it notes in report what it does.
func syncInto(ctx context.Context, cfg config.Config, opts feeds.Options, report *SyncReport) error {
	watch := &state.Stopwatch{Steps: &report.Steps, Last: time.Now()}
	h, err := rules.OpenHandles(cfg)
	if err != nil {
		return err
	}
	defer h.Close()
	// Before this takes the locks that the agent needs.
	how := takeover.Following{File: opts.ConfigFile, DryRun: opts.DryRun, Timeout: max(opts.Wait, state.LockWait)}
	if opts.Force {
		how.MayLose = state.LoseAny
	}
	agent, err := takeover.Follow(ctx, cfg, how)
	if errors.As(err, new(*state.SilentAgentError)) {
		report.AgentError = problem.Of(err)
		report.warn("%v: it may undo this, by an older configuration", err)
	} else if err != nil && !(opts.Force && errors.As(err, new(*takeover.NotFollowedError))) {
		return err
	}
	unlock, err := state.Lock(ctx, cfg.RunDir, state.MainLock, "voipbl sync", opts.Wait, opts.Waiting)
	if err != nil {
		return err
	}
	defer unlock()
	notes := state.UnwrittenNow(cfg)
	if err := h.OpenStore(!opts.DryRun); err != nil {
		return err
	}
	if err := rules.Sweep(ctx, cfg, h.Store, "voipbl sync", opts.Wait); err != nil {
		report.warn("%v", err)
	}
	watch.Lap("open")

	r := feeds.NewReader(cfg, opts, h.Store, report.At)
	e := &Enforcement{
		Handles: h, reader: r, feeds: make([]*feeds.Feed, len(cfg.Feeds)),
		verb: "voipbl sync", wait: opts.Wait, dryRun: opts.DryRun, force: opts.Force, setsOnly: opts.SetsOnly, leaveBase: opts.LeaveBase,
	}
	defer e.forgetFetched()
	if !opts.Offline {
		r.GetAll(ctx, cfg.Feeds, e.feeds, func(f config.Feed) bool { return f.URL != "" })
	}
	e.answers = exempt.Resolve(ctx, h.Store, cfg, exempt.Lookups{Offline: opts.Offline, Keep: !opts.DryRun})
	for _, f := range e.feeds {
		if f != nil {
			e.answers.Talked(f.Feed, f.Talked)
		}
	}
	if !opts.SetsOnly {
		report.Saved, report.DropLog = reach.SavedRenamed(host.SavedRules("/"), cfg), rules.DropLogNote(cfg)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	watch.Lap("fetch")
	err = e.end(ctx, report, opts, watch)
	if report.Rules != nil {
		report.Rules.Agent = agent
	}
	if err == nil && !opts.DryRun && !opts.Offline && !opts.SetsOnly { // everything was written again
		state.ForgetUnwritten(cfg, notes)
	}
	report.noteAround(ctx, cfg)
	if report.Outcome == InForce && report.Troubled() {
		report.Outcome = Stale
	}
	return err
}

// end does what comes after fetching.
func (e *Enforcement) end(ctx context.Context, report *SyncReport, opts feeds.Options, watch *state.Stopwatch) error {
	cfg := e.Cfg
	if err := e.Run(ctx, report, watch); err != nil {
		return err
	}
	report.seek(ctx)
	report.Rules.AsStatus(ctx, cfg)
	report.noteEmpty(cfg, e.Kernel)
	if err := report.noteUnreadable(ctx, cfg, e.Fw); err != nil {
		return err
	}
	for _, f := range report.Feeds {
		if f.Frozen {
			report.warn("feed %s is %s", f.Name, feeds.FrozenWords(f.ContentChanged))
		}
	}
	if report.Overruled = !opts.DryRun && state.AgentDiffers(ctx, cfg); !report.Overruled && !opts.DryRun {
		if err := state.KeepConfig(cfg, time.Now()); err != nil { // where no agent runs to keep it
			report.warn("%v", err)
		}
	}
	if report.Overruled {
		report.warn("%s", state.Differs)
	}
	return nil
}
