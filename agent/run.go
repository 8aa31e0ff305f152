package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
)

// RunOptions are what the caller of Run says.
type RunOptions struct {
	Version    string
	ConfigFile string
	Load       func() (config.Config, error) // reads the configuration anew
	Reload     <-chan os.Signal              // asks for that
	Log        *slog.Logger
}

// Run keeps the host protected until ctx ends. First it puts the last good copies
// and the rules into the kernel, without the network; if that fails, Run does. Then
// it tells systemd that it is ready, fetches each feed by its schedule, and undoes
// what others do to our sets and rules. When it ends, protection stays.
func Run(ctx context.Context, opts RunOptions) error {
	cfg, err := opts.Load()
	if err != nil {
		return err
	}
	unlock, err := lockAgent(ctx, cfg, "voipbl run")
	if err != nil {
		return err
	}
	defer unlock()
	d := &daemon{opts: opts, log: opts.Log, cfg: cfg, asks: make(chan chan error), begun: time.Now()}
	d.shared.Store(&cfg)
	now := time.Now().UTC().Truncate(time.Second)
	d.state.now = AgentStatus{
		PID: os.Getpid(), Version: opts.Version, Since: now, ConfigFile: opts.ConfigFile, ConfigLoaded: now,
		Steps: []StepTime{}, Repairs: Repairs{Last: []Repair{}},
	}
	if err := d.apply(ctx, "start"); err != nil {
		return err
	}
	return d.serve(ctx)
}

// daemon is the agent at work. All that changes the kernel happens in its loop, one
// thing after the other; fetching, listening and answering go on beside it.
type daemon struct {
	opts    RunOptions
	log     *slog.Logger
	cfg     config.Config                 // for the loop
	shared  atomic.Pointer[config.Config] // the same for others, who read it at any time
	state   agentState
	fetcher *fetcher
	files   *fileWatch
	metrics *metricsServer
	asks    chan chan error // of reload, to be answered

	applyAt  time.Time // when the lists are to be put in force, as something asks for it; zero if nothing does
	applyWhy string
	failures int           // to apply, in a row
	took     time.Duration // the last time
	hostAt   time.Time     // when to look at this host's addresses; zero if nothing says so
	bansAt   time.Time     // likewise at its bans
	expiryAt time.Time     // of the next ban
	pathsAt  time.Time     // when local feeds were last read
	oldSets  []string      // of a configuration that is gone

	drift
	said  map[string]bool      // warnings that were logged and still hold
	stale map[string]time.Time // since when a stale feed was last told about
	host  string               // see hostAddresses
	ready bool

	begun     time.Time
	shoutedAt time.Time // see shout
}

const (
	// tick is how often the agent looks around: at what costs next to nothing.
	tick = 5 * time.Second

	// settle is for how long changes are gathered before they are put in force
	// together: files are written one after the other, feeds finish together.
	settle = 500 * time.Millisecond

	// lockWait is for a lock that others hold for a moment.
	lockWait = 30 * time.Second

	// lookWait is for who only looks: whoever has the lock puts things right.
	lookWait = time.Second

	// filesPace keeps lists that are written all the time from filling the
	// machine: after putting them in force there is a pause of that many times
	// as long.
	filesPace = 5

	// A failed apply is tried again after this, and after twice as long each
	// time up to a minute.
	applyPause    = 5 * time.Second
	maxApplyPause = time.Minute
)

// serve is all that follows the start.
func (d *daemon) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.fetcher = newFetcher(hostSplay(machineID()), d.past, d.fetchRound)
	var err error
	if d.files, err = newFileWatch(); err != nil {
		d.log.Warn("files cannot be watched, so they are read by their schedule only, and the configuration by \"voipbl reload\"", "error", err)
	}
	defer d.files.close()
	d.files.follow(d.cfg, d.opts.ConfigFile)
	d.host = hostAddresses()
	control, err := d.listen()
	if err != nil {
		return err
	}
	defer control.close()
	d.metrics = newMetricsServer(d)
	defer d.metrics.close()
	d.metrics.listen(d.cfg.Metrics.Listen)
	news, err := firewall.Watch(ctx)
	if err != nil {
		d.log.Warn("the kernel's news about rules cannot be listened to, so it is asked every few seconds", "error", err)
	}
	go d.fetcher.run(ctx, d.cfg)
	defer drainAll(d.fetcher.done)
	defer cancel()

	d.ready = true
	d.tellSystemd("READY=1")
	words := "protected"
	if d.entries == 0 {
		words = "ready, with empty sets until a feed has been fetched"
	}
	d.log.Info(words, "set", d.cfg.Set, "entries", d.entries, "feeds", len(d.cfg.Feeds), "version", d.opts.Version)
	err = d.loop(ctx, news, watchHost(ctx))
	d.tellSystemd("STOPPING=1")
	d.log.Info("stopped: sets and rules stay in force")
	return err
}

// LostLockError is the run folder having been taken away from under the agent: another
// one may be started beside it.
type LostLockError struct{ Dir string }

func (e *LostLockError) Error() string {
	return "the agent's lock is gone from " + e.Dir + ": somebody has removed the folder"
}

// Remedy says what to do about it.
func (e *LostLockError) Remedy() string { return "start the agent anew, and leave run_dir alone" }

// drainAll waits until the channel is closed.
func drainAll[T any](c <-chan T) {
	for range c {
	}
}

func (d *daemon) loop(ctx context.Context, news, hostNews <-chan struct{}) error {
	dog := newWatchdog()
	events, troubles := d.files.channels()
	for ctx.Err() == nil {
		if _, runs := agentRuns(d.cfg); !runs {
			return &LostLockError{d.cfg.RunDir}
		}
		d.work(ctx, time.Now())
		d.feed(dog)
		wake := time.NewTimer(time.Until(dog.next(d.nextWork(time.Now()))))
		select {
		case <-ctx.Done():
		case <-wake.C:
		case <-d.opts.Reload:
			d.reload(ctx, "SIGHUP")
		case answer := <-d.asks:
			err := d.reload(ctx, "voipbl reload")
			if err == nil {
				err = d.apply(ctx, "configuration")
			}
			answer <- err
		case f, open := <-d.fetcher.done:
			if open {
				d.fetched(f)
			}
		case _, open := <-news:
			if !open {
				news = nil
			}
			d.lookSoon(time.Now())
		case <-hostNews:
			if d.hostAt.IsZero() {
				d.hostAt = time.Now().Add(hostPause) // a lot of little news
			}
		case event := <-events:
			d.fileChanged(event)
		case err := <-troubles:
			d.log.Warn("some changes of files may have been missed", "error", err)
			d.applySoon("files", settle)
		}
		wake.Stop()
	}
	return nil
}

// work does what is due.
func (d *daemon) work(ctx context.Context, now time.Time) {
	if d.due(d.reloadAt, now) {
		d.reloadChanged(ctx)
	}
	if d.due(d.hostAt, now) {
		d.hostChanged()
	}
	if d.due(d.bansAt, now) {
		d.lookAtBans()
	}
	if d.due(d.expiryAt, now) {
		d.expiryAt = time.Time{}
		d.applySoon("a ban has expired", 0)
	}
	if d.pathsDue(now) {
		d.readPaths(ctx, now)
	}
	if d.due(d.applyAt, now) {
		d.apply(ctx, d.applyWhy) // what goes wrong is logged, and tried again
	}
	d.lookForDrift(ctx, now)
	d.shout(now)
}

func (d *daemon) due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// nextWork is when there is something to do, at most a tick from now.
func (d *daemon) nextWork(now time.Time) time.Time {
	next := now.Add(tick)
	for _, at := range []time.Time{d.applyAt, d.expiryAt, d.reloadAt, d.hostAt, d.bansAt, d.glanceAt, d.studyAt, d.rulesAt} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// pathsDue reports whether a local feed is to be read again.
func (d *daemon) pathsDue(now time.Time) bool {
	if d.failures > 0 {
		return false // it will be, when that is tried again
	}
	last := d.pathsAt
	for _, f := range d.cfg.Feeds {
		if f.Path != "" && (last.After(now.Add(clockSlack)) || !f.Schedule.Next(last).After(now)) {
			return true
		}
	}
	return false
}

// readPaths reads the local feeds, and asks for them to be put in force if one of them
// is not as it was: to put everything in force again would cost a hundred times as
// much.
func (d *daemon) readPaths(ctx context.Context, now time.Time) {
	d.pathsAt = now.Round(0)
	d.log.Debug("reading local feeds")
	unlock, err := lock(ctx, d.cfg.RunDir, setsLock, "voipbl run", lookWait, nil)
	if err != nil {
		return // by somebody who reads them as well
	}
	defer unlock()
	store, err := fetch.OpenStore(d.cfg.StateDir)
	if err != nil {
		d.applySoon("schedule", 0) // which tells what is wrong
		return
	}
	defer store.Close()
	r := newReader(d.cfg, Options{Offline: true}, store, now.UTC().Truncate(time.Second))
	for _, f := range d.cfg.Feeds {
		if f.Path == "" {
			continue
		}
		if got := r.get(ctx, f); got.report.State == FeedFresh || got.report.Problem != nil {
			d.applySoon("schedule", 0)
		}
	}
}

// applySoon asks for the lists to be put in force after a while, unless that is asked
// for already.
func (d *daemon) applySoon(why string, after time.Duration) {
	at := time.Now().Add(after)
	if d.applyAt.IsZero() || at.Before(d.applyAt) {
		d.applyAt, d.applyWhy = at, why
	}
}

// apply puts the lists, the bans and the rules in force.
func (d *daemon) apply(ctx context.Context, why string) error {
	now := time.Now()
	report := newReport(d.opts.Version)
	err := d.enforce(ctx, report)
	// What reading the lists took is not needed until the next time.
	debug.FreeOSMemory()
	d.applyAt = time.Time{}
	d.pathsAt = now.Round(0)
	d.looked(now)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.took = time.Since(now)
	d.expiryAt = d.nextExpiry(report.bansAt)
	d.logApply(report, why)
	d.noteApply(report, err)
	if err != nil {
		d.failures++
		wait := min(applyPause<<min(d.failures-1, 8), maxApplyPause)
		if d.ready {
			d.log.Error("the lists could not be put in force; what is in the kernel stays", "why", why, "error", err, "remedy", problemOf(err).Remedy, "again_in", wait)
		}
		d.applySoon(why, wait)
		return err
	}
	d.failures = 0
	return nil
}

func (d *daemon) enforce(ctx context.Context, report *Report) error {
	watch := &stopwatch{&report.Steps, time.Now()}
	h, err := openHostAndStore(d.cfg)
	if err != nil {
		return err
	}
	defer h.close()
	e := newEnforcement(h, "voipbl run", lockWait, report.At)
	e.established = d.ready
	if err := e.run(ctx, report, watch); err != nil {
		return err
	}
	d.remembered(e, report)
	return errors.Join(d.removeOldSets(h))
}

// nextExpiry is when the next ban is over.
// It is after a moment at which others were over already.
func (d *daemon) nextExpiry(after time.Time) time.Time {
	store, err := findStore(d.cfg)
	if err != nil || store == nil {
		return time.Time{}
	}
	defer store.Close()
	bans, err := readBans(store)
	if err != nil {
		return time.Time{}
	}
	bans.expire(after)
	return bans.nextExpiry()
}

// fetched takes note of what the fetcher has done.
func (d *daemon) fetched(f fetched) {
	if f.feed == "" {
		d.warn("names", f.problems)
		if f.changed {
			d.applySoon("names resolve to other addresses", settle)
		}
		return
	}
	d.logFetch(f)
	d.state.change(func(s *AgentStatus) { s.FetchSeconds = with(s.FetchSeconds, f.feed, f.took.Seconds()) })
	if f.report.State == FeedFresh {
		d.applySoon("feed "+f.feed, settle)
	}
}

// with is a map with one value more; the map itself is not changed.
func with[V any](m map[string]V, key string, value V) map[string]V {
	all := map[string]V{key: value}
	for k, v := range m {
		if k != key {
			all[k] = v
		}
	}
	return all
}

// past is what is known of a feed when the agent starts, or is reloaded.
func (d *daemon) past(f config.Feed) attempts {
	store, err := findStore(*d.shared.Load())
	if err != nil || store == nil {
		return attempts{}
	}
	defer store.Close()
	return pastAttempts(store, f)
}

// hostChanged puts other addresses under protection, and lets feeds be fetched that
// could not be.
func (d *daemon) hostChanged() {
	d.hostAt = time.Time{}
	now := hostAddresses()
	if now == d.host {
		return
	}
	d.host = now
	d.applySoon("this host's addresses", settle)
	go func() { // it may be about to end
		select {
		case d.fetcher.network <- struct{}{}:
		case <-d.fetcher.ended:
		}
	}()
}

func (d *daemon) fileChanged(event fsnotify.Event) {
	if event.Op == fsnotify.Chmod {
		return // such as the time of the last access; the schedule finds the rest
	}
	kind := d.files.kind(event.Name)
	switch kind {
	case fileNone:
		return
	case fileConfig:
		d.reloadAt = time.Now().Add(configSettle)
		if d.files.aboveFeed(event.Name) {
			d.applySoon("files of a feed", max(settle, filesPace*d.took))
		}
	case fileBans:
		d.bansAt = time.Now().Add(bansSettle)
	case fileFeed:
		d.applySoon("files of a feed", max(settle, filesPace*d.took))
	}
	d.files.refresh()
}

const (
	// configSettle is how long an editor may take to write the configuration.
	configSettle = 2 * time.Second

	// bansSettle is how long whoever has written a ban may take to put it in
	// force.
	bansSettle = 2 * time.Second
)

// lookAtBans takes note of bans that others have written, and puts in force what they
// have not.
func (d *daemon) lookAtBans() {
	d.bansAt = time.Time{}
	store, err := findStore(d.cfg)
	if err != nil || store == nil {
		return
	}
	defer store.Close()
	bans, err := readBans(store)
	switch {
	case err != nil:
		d.applySoon("bans", 0) // which tells what is wrong
	case bans.Serial != lastRecord(d.cfg).Bans:
		d.applySoon("bans", 0)
	default:
		d.expiryAt = bans.nextExpiry()
	}
}
