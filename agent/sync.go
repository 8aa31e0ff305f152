package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Options are what the caller of Sync may ask for.
type Options struct {
	Version  string
	DryRun   bool                // plan, and write nothing to the kernel
	Offline  bool                // use the last good copies of URL feeds and names
	Force    bool                // believe a list that shrank below half
	Wait     time.Duration       // for the lock
	Waiting  func(holder string) // called once if the lock is held; may be nil
	Log      *slog.Logger        // may be nil
	Progress func(feed string, got, total int64)
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
	report := &Report{
		Version: opts.Version, At: time.Now().UTC().Truncate(time.Second), Outcome: Unsynced,
		Feeds: []FeedReport{}, Protected: []Protected{}, Sets: []SetReport{}, Warnings: []string{}, Steps: []StepTime{},
	}
	err := syncInto(ctx, cfg, opts, report)
	if err != nil {
		report.Error = problemOf(err)
	}
	return report, err
}

// syncInto is Sync, writing down in report what it does.
func syncInto(ctx context.Context, cfg config.Config, opts Options, report *Report) error {
	watch := stopwatch{&report.Steps, time.Now()}
	kernel, err := ipsetsync.Open()
	if err != nil {
		return err
	}
	defer kernel.Close()
	fw, err := firewall.Open(cfg.Firewall.Backend)
	if err != nil {
		return err
	}
	unlock, err := lock(ctx, cfg.RunDir, mainLock, "voipbl sync", opts.Wait, opts.Waiting)
	if err != nil {
		return err
	}
	defer unlock()
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.Sweep(); err != nil {
		report.warn("%v", err)
	}
	watch.lap("open")

	// What is compared with must be what the kernel holds now, so it is read
	// after the feeds; or beside them, if nothing has to be waited for.
	live := dump{kernel: kernel, cfg: cfg}
	rules := openRules(cfg, fw, kernel, store)
	defer rules.close()
	if quick := opts.Offline || !slices.ContainsFunc(cfg.Feeds, func(f config.Feed) bool { return f.URL != "" }); quick {
		live.start()
	}
	feeds := getFeeds(ctx, cfg, opts, store, report.At)
	watch.lap("feeds")
	live.start()
	lives, err := live.wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	watch.lap("kernel state")
	// Late, so that whoever has logged in meanwhile is protected.
	protected, err := protection(ctx, cfg, store, lookups{offline: opts.Offline, keep: !opts.DryRun})
	if err != nil {
		return err
	}
	watch.lap("protect")

	report.addFeeds(feeds, protected)
	kept := keepLive(store, feeds)
	sets := report.combine(feeds, kept, lives)
	report.Protected = append(report.Protected, protected.overlapping(sets)...)
	sets = blockable(sets, protected.sets)
	watch.lap("combine")

	plans, err := planAll(ctx, cfg, kernel, sets, lives)
	if err != nil {
		return err
	}
	for _, p := range plans {
		report.Sets = append(report.Sets, setReport(p))
	}
	watch.lap("plan")
	rules.trunks = protected.trunks
	if opts.DryRun {
		report.Outcome = DryRun
		report.Rules, err = rules.ensure(ctx, howRules{dryRun: true})
		return err
	}
	warnings, err := kernel.Execute(plans...)
	if err != nil {
		return err
	}
	report.Warnings = append(report.Warnings, warnings...)
	watch.lap("kernel")
	if err := setApplied(store, feeds, kept, report.At); err != nil {
		report.warn("%v", err)
	}
	report.Outcome = RulesFailed // until they are there
	if err := report.ensureRules(ctx, rules, opts.Wait); err != nil {
		return err
	}
	watch.lap("rules")
	report.Outcome = InForce
	if report.Troubled() {
		report.Outcome = Stale
	}
	return nil
}

// ensureRules ends a sync: a set does nothing without the rules.
func (r *Report) ensureRules(ctx context.Context, rules *rules, wait time.Duration) error {
	unlock, err := lock(ctx, rules.cfg.RunDir, rulesLock, "voipbl sync", wait, nil)
	if err != nil {
		return err
	}
	defer unlock()
	rules.reload()
	warnings, err := rules.settle(ctx, time.Now())
	r.Warnings = append(r.Warnings, warnings...)
	if err != nil {
		return err
	}
	r.Rules, err = rules.ensure(ctx, howRules{})
	r.Warnings = append(r.Warnings, r.Rules.Warnings...)
	return err
}

// dump reads the live sets in the background.
type dump struct {
	kernel *ipsetsync.Kernel
	cfg    config.Config
	lives  [2]*ipsetsync.Live
	done   chan error
}

// start begins, unless it has begun.
func (d *dump) start() {
	if d.done != nil {
		return
	}
	d.done = make(chan error, 1)
	go func() { d.done <- d.read() }()
}

func (d *dump) read() (err error) {
	for _, f := range cidr.Families {
		if d.lives[f], err = d.kernel.Dump(setName(d.cfg, f)); err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (d *dump) wait() ([2]*ipsetsync.Live, error) {
	err := <-d.done
	return d.lives, err
}

func setName(cfg config.Config, f cidr.Family) string {
	if f == cidr.IPv4 {
		return cfg.Set
	}
	return cfg.SetName6()
}

// getFeeds gets all feeds, a few at a time, in the order of the configuration.
func getFeeds(ctx context.Context, cfg config.Config, opts Options, store *fetch.Store, now time.Time) []*feed {
	r := &reader{
		store: store, client: fetch.NewClient(opts.Version, opts.Log), limits: cfg.Limits,
		offline: opts.Offline, force: opts.Force, dryRun: opts.DryRun, now: now, progress: opts.Progress,
		deadline: time.Now().Add(fetchRounds * cfg.Limits.Timeout),
	}
	feeds := make([]*feed, len(cfg.Feeds))
	var group errgroup.Group
	group.SetLimit(feedsAtOnce)
	for i, f := range cfg.Feeds {
		group.Go(func() error {
			feeds[i] = r.get(ctx, f)
			return nil
		})
	}
	group.Wait()
	return feeds
}

func (r *Report) addFeeds(feeds []*feed, p *Protection) {
	for _, f := range feeds {
		r.Feeds = append(r.Feeds, f.report)
		r.Warnings = append(r.Warnings, f.warnings...)
	}
	r.Warnings = append(r.Warnings, p.problems...)
	r.Unprotected = p.unprotected
}

// combine is the union of all feeds, and of the live sets if feeds are kept from
// there. The feeds give up their own sets, so that the memory is there for what
// follows.
func (r *Report) combine(feeds []*feed, kept []string, lives [2]*ipsetsync.Live) cidr.Sets {
	var all []cidr.Sets
	for _, f := range feeds {
		all = append(all, f.sets)
		f.sets = cidr.Sets{}
	}
	if len(kept) > 0 {
		if live := liveSets(lives); live.Len() > 0 {
			all = append(all, live)
			r.warn("feed %s has no copy here but may be in the kernel: all %d prefixes that are there stay", strings.Join(kept, ", "), live.Len())
		}
	}
	return cidr.Union(all...)
}

// blockable is what remains of sets without what is never blocked.
func blockable(sets, protected cidr.Sets) cidr.Sets {
	return sets.Subtract(cidr.Union(cidr.SpecialSpace, protected))
}

func liveSets(lives [2]*ipsetsync.Live) cidr.Sets {
	var b cidr.Builder
	for _, live := range lives {
		if live != nil && live.NoMatch == 0 {
			for _, p := range live.Prefixes {
				b.Add(p)
			}
		}
	}
	return b.Sets()
}

func planAll(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, sets cidr.Sets, lives [2]*ipsetsync.Live) ([]*ipsetsync.Plan, error) {
	var plans []*ipsetsync.Plan
	for _, f := range cidr.Families {
		p, err := ipsetsync.NewPlan(setName(cfg, f), f, sets[f], lives[f])
		if inUse := (*ipsetsync.InUseError)(nil); errors.As(err, &inUse) {
			inUse.Users = setUsers(ctx, kernel, inUse.Header.Name)
		}
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// setUsers names the lists and rules that refer to a set.
func setUsers(ctx context.Context, kernel *ipsetsync.Kernel, name string) []string {
	return append(listUsers(kernel, name), firewall.RulesWithSet(ctx, name)...)
}

// listUsers names the lists that a set is a member of.
func listUsers(kernel *ipsetsync.Kernel, name string) []string {
	var users []string
	if lists, err := kernel.Lists(name); err == nil {
		for _, l := range lists {
			users = append(users, "list:set "+l)
		}
	}
	return users
}

// redact takes the password out of a URL that is shown.
func redact(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(malformed URL)"
	}
	u.User = nil
	return u.String()
}
