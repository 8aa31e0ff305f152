package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Options are what the caller of Sync may ask for.
type Options struct {
	Version    string
	ConfigFile string              // that the configuration is from
	DryRun     bool                // plan, and write nothing to the kernel
	Offline    bool                // use the last good copies of URL feeds and names
	SetsOnly   bool                // leave the rules as they are
	Force      bool                // believe a list that is held back, and have the agent take over what takes protection away
	LeaveBase  bool                // leave the base rules as they are: they are about to be tried
	Wait       time.Duration       // for the lock
	Waiting    func(holder string) // called once if the lock is held; may be nil
	Log        *slog.Logger        // may be nil
	Progress   func(feed string, got, total int64)
}

const (
	// feedsAtOnce bounds how many feeds are fetched and read at a time.
	feedsAtOnce = 8

	// fetchRounds bounds fetching all feeds together, in time-outs of one: a
	// sync ends in minutes however many feeds hang.
	fetchRounds = 3
)

// Sync makes the kernel's sets hold what the feeds say, and the rules drop their
// members. On an error the kernel is as it was, and the report says so too (or it
// says RulesFailed, and then only the rules are); a feed that fails is no error but
// a report that is Stale.
func Sync(ctx context.Context, cfg config.Config, opts Options) (*Report, error) {
	if opts.DryRun {
		ctx = AtOneMoment(ctx)
	}
	report := newReport(opts.Version)
	err := syncInto(ctx, cfg, opts, report)
	if err != nil {
		report.Error = problemOf(err)
	}
	return report, err
}

// syncInto is Sync, writing down in report what it does.
func syncInto(ctx context.Context, cfg config.Config, opts Options, report *Report) error {
	watch := &stopwatch{&report.Steps, time.Now()}
	h, err := openHost(cfg)
	if err != nil {
		return err
	}
	defer h.close()
	// Before the locks are held, for which the agent would wait.
	how := Following{File: opts.ConfigFile, DryRun: opts.DryRun, Timeout: max(opts.Wait, lockWait)}
	if opts.Force {
		how.MayLose = LoseAny
	}
	if err := Follow(ctx, cfg, how); errors.As(err, new(*SilentAgentError)) {
		report.AgentError = problemOf(err)
		report.warn("%v: it may undo this, by an older configuration", err)
	} else if err != nil && !(opts.Force && errors.As(err, new(*NotFollowedError))) {
		return err
	}
	unlock, err := lock(ctx, cfg.RunDir, mainLock, "voipbl sync", opts.Wait, opts.Waiting)
	if err != nil {
		return err
	}
	defer unlock()
	notes := unwrittenNow(cfg)
	if err := h.openStore(!opts.DryRun); err != nil {
		return err
	}
	if err := sweep(ctx, cfg, h.store, "voipbl sync", opts.Wait); err != nil {
		report.warn("%v", err)
	}
	watch.lap("open")

	r := newReader(cfg, opts, h.store, report.At)
	e := &enforcement{
		host: h, reader: r, feeds: make([]*feed, len(cfg.Feeds)),
		verb: "voipbl sync", wait: opts.Wait, dryRun: opts.DryRun, setsOnly: opts.SetsOnly, leaveBase: opts.LeaveBase,
	}
	r.lossy = copyLost(h.store, cfg.Feeds)
	if !opts.Offline {
		r.getAll(ctx, cfg.Feeds, e.feeds, func(f config.Feed) bool { return f.URL != "" })
	}
	e.answers = resolve(ctx, h.store, cfg, lookups{offline: opts.Offline, keep: !opts.DryRun})
	for _, f := range e.feeds {
		if f != nil {
			e.answers.talked(f.Feed, f.talked)
		}
	}
	if !opts.SetsOnly {
		report.Saved, report.DropLog = SavedRenamed(facts.SavedRules("/"), cfg), DropLogNote(cfg)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	watch.lap("fetch")
	err = e.end(ctx, report, opts, watch)
	if err == nil && !opts.DryRun && !opts.Offline && !opts.SetsOnly { // all was tried again
		forgetUnwritten(cfg, notes)
	}
	report.noteAround(ctx, cfg)
	if report.Outcome == InForce && report.Troubled() {
		report.Outcome = Stale
	}
	return err
}

// end is what follows when everything has been fetched.
func (e *enforcement) end(ctx context.Context, report *Report, opts Options, watch *stopwatch) error {
	cfg := e.cfg
	if err := e.run(ctx, report, watch); err != nil {
		return err
	}
	report.Rules.asStatus(ctx, cfg)
	report.noteEmpty(cfg, e.kernel)
	if err := report.noteUnlisted(ctx, cfg, e.fw); err != nil {
		return err
	}
	for _, f := range report.Feeds {
		if f.Frozen {
			report.warn("feed %s is %s", f.Name, frozenWords(f.ContentChanged))
		}
	}
	if report.Overruled = !opts.DryRun && agentDiffers(ctx, cfg); !report.Overruled && !opts.DryRun {
		if err := keepConfig(cfg, time.Now()); err != nil { // for hosts without an agent
			report.warn("%v", err)
		}
	}
	if report.Overruled {
		report.warn("%s", differs)
	}
	return nil
}

// host is what a change of this host's sets and rules needs: the configuration, and
// the ways to the kernel and to the state folder.
type host struct {
	cfg    config.Config
	kernel *ipsetsync.Kernel
	fw     *firewall.Firewall
	store  *fetch.Store
}

// openHost asks the kernel and looks for the tools first, so that what is missing
// is known before anything is made or downloaded.
func openHost(cfg config.Config) (*host, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		kernel.Close()
		return nil, err
	}
	return &host{cfg: cfg, kernel: kernel, fw: fw}, nil
}

// openHostAndStore is openHost for who has nothing to wait for in between.
func openHostAndStore(cfg config.Config) (*host, error) {
	h, err := openHost(cfg)
	if err != nil {
		return nil, err
	}
	if err := h.openStore(true); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// openStore opens the state folder; writes is that this is for writing into it.
func (h *host) openStore(writes bool) (err error) {
	if !writes {
		h.store, err = fetch.OpenStore(h.cfg.StateDir)
		return err
	}
	h.store, err = openState(h.cfg)
	return err
}

func (h *host) close() {
	if h.store != nil {
		h.store.Close()
	}
	h.kernel.Close()
}

// sweep removes what killed runs have left in the state folder. The caller holds
// mainLock, under which copies of lists are staged; local files are under setsLock.
func sweep(ctx context.Context, cfg config.Config, store *fetch.Store, verb string, wait time.Duration) error {
	unlock, err := lock(ctx, cfg.RunDir, setsLock, verb, wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	return store.Sweep()
}

func setName(cfg config.Config, f cidr.Family) string {
	if f == cidr.IPv4 {
		return cfg.Set
	}
	return cfg.SetName6()
}
