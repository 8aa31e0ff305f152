package agent

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
)

// pathsDue reports whether a local feed is due to be read.
func (d *daemon) pathsDue(now time.Time) bool {
	if d.failures > 0 {
		return false // the retry of the apply reads it
	}
	last := d.pathsAt
	for _, f := range d.cfg.Feeds {
		if f.Path != "" && (last.After(now.Add(clockSlack)) || !f.Schedule.Next(last).After(now)) {
			return true
		}
	}
	return false
}

// readPaths reads the local feeds, and plans an apply if one of them has changed. An apply costs
// a hundred times as much as reading them.
func (d *daemon) readPaths(ctx context.Context, now time.Time) {
	d.pathsAt = now.Round(0)
	d.log.Debug("reading local feeds")
	if d.files.watcher == nil {
		d.reports.poke() // nothing else pokes it then
	}
	unlock, err := state.Lock(ctx, d.cfg.RunDir, state.SetsLock, "voipbl run", state.LookWait, nil)
	if err != nil {
		return // another process holds the lock, and reads them too
	}
	defer unlock()
	store, err := state.OpenStore(d.cfg)
	if err != nil {
		d.applySoon("schedule", 0) // the apply reports what is wrong
		return
	}
	defer store.Close()
	defer debug.FreeOSMemory() // which the lists took
	r := feeds.NewReader(d.cfg, feeds.Options{Offline: true}, store, now.UTC().Truncate(time.Second))
	for _, f := range d.cfg.Feeds {
		if f.Path == "" {
			continue
		}
		if got := r.Get(ctx, f); got.Report.State == feeds.Fresh || got.Report.Problem != nil {
			d.applySoon("schedule", 0)
		}
	}
}

// applySoon plans an apply after a while, unless one is planned earlier. It collects the reasons
// for the log.
func (d *daemon) applySoon(why string, after time.Duration) {
	if !d.agenda.planned(applyTask) {
		d.applyWhy = nil
	}
	if !slices.Contains(d.applyWhy, why) {
		d.applyWhy = append(d.applyWhy, why)
	}
	d.agenda.sooner(applyTask, time.Now().Add(after))
}

// apply puts the lists, the bans and the rules into the kernel, and gives back the memory that it
// took to read them.
func (d *daemon) apply(ctx context.Context, reasons ...string) error {
	defer debug.FreeOSMemory()
	return d.applyNow(ctx, reasons)
}

func (d *daemon) applyNow(ctx context.Context, reasons []string) error {
	why := strings.Join(reasons, "; ")
	now := time.Now()
	state.ForgetUnconfigured(d.cfg)
	report := blocklist.NewSyncReport(d.opts.Version)
	err := d.enforce(ctx, report)
	d.agenda.drop(applyTask)
	d.pathsAt = now.Round(0)
	d.looked(now)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.took = time.Since(now)
	d.agenda.set(bansTask, d.agenda.beat(now))
	d.logApply(report, why)
	d.noteApply(report, err)
	if err != nil {
		d.failures++
		wait := min(applyPause<<min(d.failures-1, 8), maxApplyPause)
		if d.ready {
			d.log.Error("the lists could not be put in force; what is in the kernel stays", "why", why, "error", err, "remedy", problem.Of(err).Remedy, "again_in", wait)
		}
		for _, reason := range reasons {
			d.applySoon(reason, wait)
		}
		return err
	}
	d.failures = 0
	d.agenda.drop(keptTask)
	if end := feeds.NextEnd(report.Kept); !end.IsZero() {
		d.agenda.set(keptTask, now.Add(end.Sub(now)+time.Second)) // not put off if the clock is set
	}
	d.agenda.drop(allowedTask)
	if report.AllowedUntil > 0 {
		d.agenda.set(allowedTask, now.Add(report.AllowedUntil+time.Second)) // a moment later, rather than twice
	}
	if len(report.Families) > 0 {
		d.applySoon("a set could not be filled", maxApplyPause)
	}
	d.readAgain(report)
	return nil
}

// readAgain plans another apply if a local list could not be read, since nothing else tells
// when it can be read again.
func (d *daemon) readAgain(report *blocklist.SyncReport) {
	if !slices.ContainsFunc(report.Feeds, func(f feeds.Report) bool {
		return f.Problem != nil && slices.Contains([]fetch.Reason{fetch.ReasonUnreadable, fetch.ReasonNoFiles, fetch.ReasonShortage}, fetch.Reason(f.Problem.Reason))
	}) {
		d.unread = 0
		return
	}
	d.unread++
	d.applySoon("a local list could not be read", min(applyPause<<min(d.unread-1, 8), maxApplyPause))
}

func (d *daemon) enforce(ctx context.Context, report *blocklist.SyncReport) error {
	watch := &state.Stopwatch{Steps: &report.Steps, Last: time.Now()}
	h, err := rules.OpenAllHandles(d.cfg)
	if err != nil {
		return err
	}
	defer h.Close()
	e := blocklist.NewEnforcement(h, "voipbl run", state.LockWait, report.At)
	e.Established, e.Book = d.ready, d.book
	if err := e.Run(ctx, report, watch); err != nil {
		return err
	}
	d.foreignBans, d.foreignPhones = report.ForeignBans, report.ForeignPhones
	if report.BansProblem != nil {
		d.warnOfBans(nil, report.BansProblem)
	}
	d.remembered(e, report)
	d.removeOldSets(h)
	return nil
}
