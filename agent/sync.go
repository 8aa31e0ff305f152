package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
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
	DryRun   bool          // plan, and write nothing to the kernel
	Offline  bool          // use the last good copies of URL feeds and names
	Force    bool          // believe a list that shrank below half
	Wait     time.Duration // for the lock
	Log      *slog.Logger  // may be nil
	Progress func(feed string, got, total int64)
}

const (
	// feedsAtOnce bounds how many feeds are fetched and read at a time.
	feedsAtOnce = 8

	// fetchRounds bounds fetching all feeds together, in time-outs of one: a
	// sync ends in minutes however many feeds hang.
	fetchRounds = 3
)

// Sync makes the kernel's sets hold what the feeds say. On an error the kernel
// is as it was; a feed that fails is no error but a report that is Stale.
func Sync(ctx context.Context, cfg config.Config, opts Options) (*Report, error) {
	report := &Report{
		Version: opts.Version, At: time.Now().UTC().Truncate(time.Second), Outcome: Unsynced,
		Feeds: []FeedReport{}, Protected: []Protected{}, Sets: []SetReport{}, Warnings: []string{},
	}
	watch := stopwatch{&report.Steps, time.Now()}

	kernel, err := ipsetsync.Open()
	if err != nil {
		return report, err
	}
	defer kernel.Close()
	unlock, err := lock(ctx, cfg.RunDir, "voipbl sync", opts.Wait)
	if err != nil {
		return report, err
	}
	defer unlock()
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		return report, err
	}
	defer store.Close()
	if err := store.Sweep(); err != nil {
		report.Warnings = append(report.Warnings, err.Error())
	}
	watch.lap("open")

	// The kernel is read while the feeds are fetched.
	var lives [2]*ipsetsync.Live
	var dump errgroup.Group
	dump.Go(func() (err error) {
		for _, f := range cidr.Families {
			if lives[f], err = kernel.Dump(setName(cfg, f)); err != nil && !errors.Is(err, ipsetsync.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	protected, err := protection(ctx, cfg, store, opts.Offline)
	if err != nil {
		return report, errors.Join(err, dump.Wait())
	}
	watch.lap("protect")
	feeds := getFeeds(ctx, cfg, opts, store, report.At)
	if err := ctx.Err(); err != nil {
		return report, errors.Join(err, dump.Wait())
	}
	watch.lap("feeds")
	if err := dump.Wait(); err != nil {
		return report, err
	}
	watch.lap("kernel state")

	report.addFeeds(feeds, protected)
	sets, kept := desired(feeds, keepLive(store, feeds, lives), lives)
	report.Warnings = append(report.Warnings, kept...)
	report.Protected = append(report.Protected, protected.overlapping(sets)...)
	sets = blockable(sets, protected.sets)
	watch.lap("combine")

	plans, err := planAll(ctx, cfg, kernel, sets, lives)
	if err != nil {
		return report, err
	}
	for _, p := range plans {
		report.Sets = append(report.Sets, setReport(p))
	}
	watch.lap("plan")
	if opts.DryRun {
		report.Outcome = DryRun
		return report, nil
	}
	for _, p := range plans {
		if err := kernel.Execute(p); err != nil {
			return report, err
		}
	}
	watch.lap("kernel")
	if err := setApplied(store, feeds, report.At); err != nil {
		report.Warnings = append(report.Warnings, err.Error())
	}
	report.Outcome = outcome(feeds)
	return report, nil
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
		offline: opts.Offline, force: opts.Force, now: now, progress: opts.Progress,
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
}

// desired is the union of all feeds, and of what is kept of the live sets. The
// feeds give up their own, so that the memory is there for what follows.
func desired(feeds []*feed, missing []string, lives [2]*ipsetsync.Live) (cidr.Sets, []string) {
	var all []cidr.Sets
	for _, f := range feeds {
		all = append(all, f.sets)
		f.sets = cidr.Sets{}
	}
	var warnings []string
	if len(missing) > 0 {
		if live := liveSets(lives); live.Len() > 0 {
			all = append(all, live)
			warnings = append(warnings, fmt.Sprintf("feed %s has no copy here but may be in the kernel: its %d prefixes stay", missing[0], live.Len()))
		}
	}
	return cidr.Union(all...), warnings
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
	var users []string
	if lists, err := kernel.Lists(name); err == nil {
		for _, l := range lists {
			users = append(users, "list:set "+l)
		}
	}
	return append(users, firewall.RulesWithSet(ctx, name)...)
}

func outcome(feeds []*feed) Outcome {
	notFresh := func(f *feed) bool {
		return slices.Contains([]FeedState{FeedStale, FeedHeld, FeedMissing}, f.report.State)
	}
	if slices.ContainsFunc(feeds, notFresh) {
		return Stale
	}
	return InForce
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
