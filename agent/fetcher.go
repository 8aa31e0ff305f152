package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/state"
)

// fetcher fetches the feeds that have a URL, each by its schedule, and resolves the names of the
// configuration. It does not touch the kernel: it sends results on the channel done, and keeps
// copies in the state folder.
type fetcher struct {
	round func(ctx context.Context, job job, tell func(fetched)) // does the work
	past  func(config.Feed) attempts                             // what is known of earlier attempts
	times func(config.Feed) feeds.Times
	lists *lists        // what mirrors of the fleet say; nil: there is no fleet
	done  chan fetched  // results; closed at the end
	ended chan struct{} // closed when run no longer reads

	replaced chan config.Config
	network  chan struct{}

	mu   sync.Mutex
	next map[string]time.Time // when each feed is due, for people
	busy time.Time            // when the present round began; zero if there is none
	todo []string             // the feeds that this round still has to fetch
}

// job is what a round has to do.
type job struct {
	cfg   config.Config
	feeds []config.Feed
	names bool

	mirrored map[string]bool // of these feeds, those to be taken from the fleet's mirror
}

// fetched is one feed that was fetched, or the names that were resolved.
type fetched struct {
	feed     string // empty for names
	report   feeds.Report
	warnings []string
	attempts attempts
	took     time.Duration

	changed  bool     // of names: the answers have changed
	unknown  bool     // of names: one of them has no known address, so it exempts nobody
	problems []string // of names
}

// wakeEvery is the longest time that the fetcher sleeps. Timers stop while the host is
// suspended, and do not notice when the clock is set.
const wakeEvery = 30 * time.Second

// slept is the longest time between two looks of a fetcher that was awake.
const slept = 4 * wakeEvery

func newFetcher(times func(config.Feed) feeds.Times, past func(config.Feed) attempts, round func(context.Context, job, func(fetched))) *fetcher {
	return &fetcher{
		round: round, past: past, times: times, done: make(chan fetched), ended: make(chan struct{}),
		replaced: make(chan config.Config), network: make(chan struct{}), next: make(map[string]time.Time),
	}
}

// run works until ctx ends, and then waits for the present round. It is ready when it is known
// what is due when.
func (f *fetcher) run(ctx context.Context, cfg config.Config, ready func()) {
	defer close(f.done)
	defer close(f.ended)
	var (
		tried     map[string]attempts
		named     namesAsked
		networkAt time.Time // when the network last changed
		news      <-chan struct{}
		awake     time.Time // since when this has run without a gap
		looked    time.Time
		finished  = make(chan []fetched)
		working   = false
	)
	if f.lists != nil {
		news = f.lists.news
	}
	for {
		if !working {
			tried = f.learn(cfg, tried) // "voipbl sync" may have run meanwhile
		}
		now := time.Now().Round(0) // wall clock only, since it goes on during a suspend
		if gap := now.Sub(looked); gap < 0 || gap > slept {
			awake = now
		}
		looked = now
		todo, next := f.due(cfg, tried, named, networkAt, awake, now)
		ready()
		if !working && (len(todo.feeds) > 0 || todo.names) {
			working = true
			f.setBusy(time.Now(), todo.feeds)
			for _, feed := range todo.feeds {
				if todo.mirrored[feed.Name] {
					continue // which is no attempt at the source, should it fail
				}
				a := tried[feed.Name]
				a.last, a.other = now, false
				tried[feed.Name] = a
			}
			if todo.names {
				named.at = now
			}
			go func() { finished <- f.work(ctx, todo) }()
			continue
		}
		wake := time.NewTimer(min(max(next.Sub(now), 0), wakeEvery))
		if working {
			wake.Reset(wakeEvery)
		}
		select {
		case <-wake.C:
		case results := <-finished:
			working = false
			f.setBusy(time.Time{}, nil)
			for _, r := range results {
				if r.feed == "" {
					named.answered(r.unknown)
				}
				if a, ok := tried[r.feed]; ok && a.url == r.attempts.url {
					if r.attempts.failures > 0 { // the state folder may not have the number
						r.attempts.failures = max(r.attempts.failures, a.failures+1)
						if r.attempts.success.IsZero() {
							r.attempts.success = a.success
						}
					}
					tried[r.feed] = r.attempts
				}
			}
		case cfg = <-f.replaced:
			tried = f.learn(cfg, tried)
			named = namesAsked{}
		case <-news:
		case <-f.network:
			networkAt = time.Now().Round(0)
			named = namesAsked{}
		case <-ctx.Done():
			if working {
				<-finished
			}
			return
		}
		wake.Stop()
	}
}

// work does a job, and sends each result at once, so that a server which hangs does not delay
// the other lists.
func (f *fetcher) work(ctx context.Context, todo job) (all []fetched) {
	var mu sync.Mutex
	urls := make(map[string]config.URL)
	for _, feed := range todo.feeds {
		urls[feed.Name] = feed.URL
	}
	f.round(ctx, todo, func(r fetched) {
		r.attempts.url = urls[r.feed]
		f.here(r.feed)
		mu.Lock()
		all = append(all, r)
		mu.Unlock()
		select {
		case f.done <- r:
		case <-ctx.Done(): // nobody may read it any more
		}
	})
	return all
}

// learn returns what is known of earlier attempts for a configuration's feeds.
func (f *fetcher) learn(cfg config.Config, before map[string]attempts) map[string]attempts {
	tried := make(map[string]attempts)
	for _, feed := range cfg.Feeds {
		if feed.URL == "" {
			continue
		}
		a := f.past(feed)
		a.url = feed.URL
		b, ok := before[feed.Name]
		switch {
		case ok && b.url != a.url:
			a.other = true // earlier attempts were for another source
		case ok && !b.last.Before(a.last):
			a = b // this one could not be written down
		default:
			a.other = a.other || b.other
		}
		tried[feed.Name] = a
	}
	return tried
}

// due returns what to do at now, and when to look again.
func (f *fetcher) due(cfg config.Config, tried map[string]attempts, named namesAsked, network, awake, now time.Time) (todo job, next time.Time) {
	todo.cfg = cfg
	next = now.Add(wakeEvery)
	times := make(map[string]time.Time)
	for _, feed := range cfg.Feeds {
		if feed.URL == "" {
			continue
		}
		at, mirrored := f.nextOf(cfg, feed, tried[feed.Name], now, network, awake)
		times[feed.Name] = at
		if !at.After(now) {
			todo.feeds = append(todo.feeds, feed)
			if mirrored {
				if todo.mirrored == nil {
					todo.mirrored = make(map[string]bool)
				}
				todo.mirrored[feed.Name] = true
			}
		} else if at.Before(next) {
			next = at
		}
	}
	if n := exempt.NamesNow(cfg); n.Friends() {
		at := named.next()
		todo.names = !at.After(now) || named.at.After(now)
		if at.After(now) && at.Before(next) {
			next = at
		}
	} else if len(n.Servers) > 0 {
		// The server that takes reports need not be a feed's.
		todo.names = len(todo.feeds) > 0 || cfg.Report.Enabled && named.at.IsZero()
	}
	f.mu.Lock()
	f.next = times
	f.mu.Unlock()
	return todo, next
}

// nextOf returns when a feed is due, and whether the fleet's mirror is to give its list.
func (f *fetcher) nextOf(cfg config.Config, feed config.Feed, a attempts, now, network, awake time.Time) (at time.Time, mirrored bool) {
	times := f.times(feed)
	source := nextFetch(times, a, now, network, awake)
	if f.lists == nil || a.last.After(now.Add(clockSlack)) {
		return source, false
	}
	w, waits := f.lists.of(cfg, feed)
	if waits && a.mirrored {
		source = later(source, awake.Add(firstWord))
	}
	return nextSource(times, a, w, source, now)
}

func (f *fetcher) setBusy(since time.Time, feeds []config.Feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy, f.todo = since, nil
	for _, feed := range feeds {
		f.todo = append(f.todo, feed.Name)
	}
}

// here notes that this round has fetched a feed.
func (f *fetcher) here(feed string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.todo = slices.DeleteFunc(slices.Clone(f.todo), func(name string) bool { return name == feed })
}

// fetching returns the feeds that are being fetched.
func (f *fetcher) fetching() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.todo...)
}

// plans returns when each feed is due, and when the present round began.
func (f *fetcher) plans() (next map[string]time.Time, busy time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next = make(map[string]time.Time, len(f.next))
	for name, at := range f.next {
		next[name] = at
	}
	return next, f.busy
}

// fetchRound is a round of the agent. It holds the lock for fetching, so that a "voipbl sync"
// waits its turn.
func (d *daemon) fetchRound(ctx context.Context, todo job, tell func(fetched)) {
	h, unlock, err := d.openFetch(ctx, todo.cfg)
	if err != nil {
		for _, f := range todo.feeds {
			if todo.mirrored[f.Name] && ctx.Err() == nil {
				m, _ := d.lists.mirrored(f)
				d.notMirrored(f, m, err) // which is no attempt at the source
			} else if ctx.Err() == nil {
				r := feeds.Report{Name: f.Name, State: feeds.Stale, Problem: problem.Of(err)}
				tell(fetched{feed: f.Name, report: r, attempts: attempts{last: time.Now().Round(0), failures: 1, reason: fetch.Reason(r.Problem.Reason)}})
			}
		}
		if todo.names && ctx.Err() == nil {
			got := resolveAgain(ctx, todo.cfg, nil) // the answers are kept in the run folder
			got.problems = append(got.problems, "DNS answers are not written down: "+err.Error())
			tell(got)
		}
		return
	}
	defer unlock()
	defer h.Close()
	var group errgroup.Group
	group.SetLimit(fetch.AtOnce)
	if todo.names {
		group.Go(func() error {
			if got := resolveAgain(ctx, todo.cfg, h); ctx.Err() == nil {
				tell(got)
			}
			return nil
		})
	}
	r := feeds.NewReader(todo.cfg, feeds.Options{Version: d.opts.Version, Log: d.log}, h, time.Now().UTC().Truncate(time.Second))
	defer r.Client.Close()
	end := h.Round()
	for _, f := range todo.feeds {
		group.Go(func() error {
			begun := time.Now()
			got := d.get(ctx, r, h, f, todo.mirrored[f.Name])
			if got != nil && ctx.Err() == nil {
				tell(fetched{feed: f.Name, report: got.Report, warnings: got.Warnings, attempts: attemptsAfter(h, f, got.Report, begun), took: time.Since(begun)})
			}
			return nil
		})
	}
	group.Wait()
	if err := end(); err != nil {
		d.log.Warn(err.Error())
	}
}

// get gets a feed from its source, or from the fleet's mirror. It returns nil if the mirror's copy was not
// taken: then the source is asked when it is due.
func (d *daemon) get(ctx context.Context, r *feeds.Reader, store *fetch.Store, f config.Feed, mirrored bool) *feeds.Feed {
	if !mirrored {
		got := r.Get(ctx, f)
		if c, err := store.Open(f.Name); err == nil {
			d.lists.has(f, c.Meta().SHA256)
			c.Close()
		}
		return got
	}
	m, ok := d.lists.mirrored(f)
	if !ok {
		return nil
	}
	got, err := r.GetMirrored(ctx, f, m)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		d.notMirrored(f, m, err)
		return nil
	}
	d.lists.tried(f, m, nil, time.Now())
	return got
}

// notMirrored notes that a mirror's copy could not be had or was not believed.
func (d *daemon) notMirrored(f config.Feed, m feeds.Mirrored, err error) {
	d.lists.tried(f, m, err, time.Now())
	d.log.Warn("a list is not taken from the fleet's mirror; its source is asked when it is due", "feed", f.Name, "mirror", m.From, "error", err)
}

// fetchWait is how long the agent waits for a "voipbl sync": longer than the longest can take.
const fetchWait = 2 * time.Hour

func (d *daemon) openFetch(ctx context.Context, cfg config.Config) (*fetch.Store, func(), error) {
	unlock, err := state.Lock(ctx, cfg.RunDir, state.MainLock, "voipbl run, fetching", fetchWait, nil)
	if err != nil {
		return nil, nil, err
	}
	store, err := state.OpenStore(cfg)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	if err := rules.Sweep(ctx, cfg, store, "voipbl run", state.LockWait); err != nil && ctx.Err() == nil {
		d.log.Warn(err.Error())
	}
	return store, unlock, nil
}

// resolveAgain resolves the names of a configuration, and notes whether the answers differ from
// those that were kept.
func resolveAgain(ctx context.Context, cfg config.Config, store *fetch.Store) fetched {
	before := exempt.Resolve(ctx, store, cfg, exempt.Lookups{Offline: true})
	now := exempt.Resolve(ctx, store, cfg, exempt.Lookups{Keep: true})
	moved, err := known.Resolved(ctx, cfg, now.Learned(), state.LookWait)
	if err != nil && ctx.Err() == nil {
		now.Problems = append(now.Problems, "trunks of the PBX: "+problem.Line(err))
	}
	same := len(before.Answers) == len(now.Answers) && !moved
	for name, a := range now.Answers {
		same = same && slices.Equal(a.Addrs(), before.Answers[name].Addrs())
	}
	return fetched{changed: !same, problems: now.Problems, unknown: slices.ContainsFunc(now.Never, now.Friend)}
}

// attemptsAfter returns what is known of a feed after an attempt, even if that could not be
// written down, so that a full disk does not lead to more requests.
func attemptsAfter(store *fetch.Store, f config.Feed, r feeds.Report, begun time.Time) attempts {
	past, _ := pastAttempts(store, f)
	a := attempts{last: begun.Round(0), mirrored: r.Mirror != "", success: begun.Round(0)}
	if r.Mirror != "" {
		a.success = past.success
	}
	if r.Problem != nil {
		a.failures, a.reason, a.success = max(past.failures, 1), fetch.Reason(r.Problem.Reason), past.success
	}
	return a
}

// pastAttempts returns what the state folder says of earlier attempts for a feed, and whether that
// will be the same as long as its files are: not if one could not be read just now.
func pastAttempts(store *fetch.Store, f config.Feed) (a attempts, lasts bool) {
	state, err := store.State(f.Name)
	if err != nil {
		return attempts{}, lastingError(err)
	}
	a = attempts{last: state.LastAttempt, failures: state.Failures, reason: fetch.Reason(state.Reason), success: state.LastSuccess}
	a.mirrored = state.Mirror != ""
	if state.LastError == "" {
		a.failures, a.reason = 0, ""
	}
	c, err := store.Open(f.Name)
	switch {
	case err == nil:
		a.other = c.Meta().Source != f.SourceID()
		a.success = feeds.LastSuccess(state, c.Meta().FetchedAt)
		c.Close()
	case a.failures == 0:
		a.other = true // it succeeded once, but the copy is gone
	case state.Source != "":
		a.other = state.Source != f.SourceID() // another source failed
	}
	return a, err == nil || lastingError(err)
}

// lastingError reports whether reading a file fails as long as it is the same.
func lastingError(err error) bool {
	return problem.IsAbsent(err) || errors.As(err, new(*fetch.DamagedError))
}
