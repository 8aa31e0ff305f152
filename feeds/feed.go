package feeds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/filekind"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/web"
	"github.com/voipbl/voipbl/state"
)

// Reader gets each feed from its source or, if that fails, from its last good copy.
type Reader struct {
	store    *fetch.Store
	Client   *fetch.Client
	limits   config.Limits
	limit    func() EntryLimit // of one list
	offline  bool
	force    bool
	dryRun   bool             // keep nothing: no copy, no history
	live     func() cidr.Sets // what the sets of the lists hold in the kernel
	wrote    func() bool      // whether voipbl put it there
	feeds    []config.Feed    // all that are configured
	lossy    func() bool      // whether the copy of a feed is lost: see Feed.before
	gathered *gathering       // of [Reader.GetAll]; nil before
	now      time.Time
	deadline time.Time // for fetching all feeds
	progress func(feed string, got, total int64)
}

// Feed is one feed as it was read.
type Feed struct {
	config.Feed
	Report   Report
	source   string    // identifies the source, should it change: see [config.Feed.SourceID]
	sets     cidr.Sets // empty once GetAll has gathered them: see [Reader.Brought]
	Warnings []string

	Talked      []web.Peer    // the hosts that it was just fetched from
	history     fetch.State   // before this attempt; zero if it cannot be read
	held, taken bool          // by [gathering]
	damaged     bool          // there is a last good copy, but it cannot be read
	mirrored    Mirrored      // from where it came, if the fleet's mirror has brought it
	staged      *fetch.Staged // what a dry run has fetched or read, if that is new
	before      cidr.Sets     // entries of the last good copy, kept if another feed's copy is lost
}

// content is a body that has been read.
type content struct {
	tally cidr.Tally
	sets  cidr.Sets
	files []string // for each sample of the tally, the part it is from

	foreign []foreign     // parts that are not lists
	kind    filekind.Kind // kind of the first part that is a known kind of file
}

// NewReader returns a Reader for the feeds of cfg. now is the time of this sync.
func NewReader(cfg config.Config, opts Options, store *fetch.Store, now time.Time) *Reader {
	return &Reader{
		store: store, Client: fetch.NewClient(opts.Version, opts.Log), limits: cfg.Limits,
		offline: opts.Offline, force: opts.Force, dryRun: opts.DryRun, now: now, progress: opts.Progress,
		deadline: time.Now().Add(Rounds * cfg.Limits.Timeout),
		live:     func() cidr.Sets { return readLive(cfg) },
		wrote:    func() bool { return state.LastRecord(cfg).Wrote(cfg) },
		limit:    sync.OnceValue(func() EntryLimit { return LimitOf(cfg.Limits) }),
		feeds:    cfg.Feeds,
	}
}

// GetAll gets the feeds that are wanted and still nil in feeds, a few at a time.
func (r *Reader) GetAll(ctx context.Context, cfgs []config.Feed, feeds []*Feed, want func(config.Feed) bool) {
	defer r.Client.Close()
	if r.gathered == nil {
		r.gathered = newGathering()
	}
	if r.lossy == nil {
		r.lossy = sync.OnceValue(func() bool { return copyLost(r.store, r.feeds) })
	}
	end := r.store.Round()
	var group errgroup.Group
	group.SetLimit(fetch.AtOnce)
	var got []int
	var wanted []config.Feed
	for i, f := range cfgs {
		if feeds[i] == nil && want(f) {
			got, wanted = append(got, i), append(wanted, f)
		}
	}
	r.gathered.grow(r, wanted)
	for _, i := range got {
		group.Go(func() error {
			feeds[i] = r.Get(ctx, cfgs[i])
			r.gathered.take(feeds[i])
			return nil
		})
	}
	group.Wait()
	if err := end(); err != nil {
		for _, i := range got {
			if f := feeds[i]; f.Report.State == Fresh && !f.Report.Unkept {
				f.unkept(err)
			}
		}
	}
}

// Get gets one feed. It returns no error: problems are in the report, and then the last good
// copy is used.
func (r *Reader) Get(ctx context.Context, cfg config.Feed) *Feed {
	f := newFeed(cfg)
	switch {
	case r.offline && cfg.URL != "":
		r.getCopy(f)
	case cfg.URL != "":
		r.getURL(ctx, f)
	default:
		r.getPath(f)
	}
	return f
}

// newFeed is a feed of which nothing has been read yet.
func newFeed(cfg config.Feed) *Feed {
	f := &Feed{Feed: cfg, source: cfg.SourceID()}
	f.Report = Report{Name: cfg.Name, Source: cfg.Path, Rejects: []Reject{}, File: cfg.URL == ""}
	if cfg.URL != "" {
		f.Report.Source = cfg.URL.String()
	}
	return f
}

// getURL downloads the feed unless its copy is current, and decides whether to believe it.
func (r *Reader) getURL(ctx context.Context, f *Feed) {
	prior := r.prior(f)
	state := r.state(f)
	problem := r.download(ctx, f, prior, &state)
	if problem != nil && problem.Reason == reasonNoCopy {
		// The source has nothing newer than the copy, but the copy cannot be read.
		f.warn("feed %s: %s: it is fetched again", f.Name, problem.Error)
		prior.ETag, prior.LastModified = "", ""
		problem = r.download(ctx, f, prior, &state)
	}
	if problem != nil {
		f.Report.Problem = problem
		if state.Held != nil && problem.Reason == state.Held.Reason {
			r.useCopy(f, Held)
		} else {
			r.useCopy(f, Stale)
		}
	}
	r.remember(f, state)
	f.noteChange(state, state.LastSuccess)
	if problem == nil {
		f.noteChange(state, r.now)
	}
}

// noteChange notes when the list last changed, and whether it was frozen at the last success.
func (f *Feed) noteChange(state fetch.State, success time.Time) {
	f.Report.ContentChanged = state.ContentChanged
	f.Report.Frozen = state.Held == nil && IsFrozen(state.ContentChanged, success, f.Feed)
}

// remember writes down the result of the attempt, unless the user interrupted it: then it says
// nothing about the feed.
func (r *Reader) remember(f *Feed, state fetch.State) {
	r.gathered.take(f) // before this waits for the disk
	trouble := f.Report.Problem
	if r.dryRun || trouble != nil && trouble.Reason == string(fetch.ReasonCanceled) {
		return
	}
	state.LastAttempt, state.Source = r.now, f.source
	success := r.now
	if !f.mirrored.Fetched.IsZero() {
		success = f.mirrored.Fetched
	}
	if state.ContentChanged.After(r.now) { // the clock was set back since
		state.ContentChanged = r.now
	}
	if trouble == nil {
		state.LastSuccess, state.LastError, state.Reason, state.Failures = success, "", "", 0
		state.Mirror = f.mirrored.From
	} else {
		state.LastError, state.Reason = trouble.Error, trouble.Reason
		state.Failures++
	}
	if err := r.store.SetState(f.Name, state); err != nil {
		f.warn("feed %s: its history is not kept: %s", f.Name, problem.Of(err).Error)
	}
}

// getCopy uses the last good copy because the user asked for it. That is no problem in itself,
// but a copy is one if it is too old or the last fetch failed.
func (r *Reader) getCopy(f *Feed) {
	state := r.state(f)
	f.noteChange(state, state.LastSuccess)
	if !r.useCopy(f, Cached) {
		f.Report.Problem.Remedy = "run \"voipbl sync\" once with a network"
		return
	}
	switch success := LastSuccess(state, f.Report.FetchedAt); {
	case state.LastError != "":
		f.Report.Problem = &problem.Problem{Reason: state.Reason, Error: state.LastError, Remedy: remedyFor(fetch.Reason(state.Reason))}
	case IsStale(success, r.now, TimesOf(f.Feed)):
		f.Report.Problem = &problem.Problem{Reason: string(reasonStale), Error: "it was last fetched at " + success.Local().Format(time.DateTime), Remedy: remedyFor(reasonStale)}
	}
}

// download fetches the feed's list and reads it into f. It returns the problem, or nil.
func (r *Reader) download(ctx context.Context, f *Feed, prior fetch.Meta, state *fetch.State) *problem.Problem {
	timeout := min(r.limits.Timeout, time.Until(r.deadline))
	if timeout <= 0 {
		why := fmt.Sprintf("not begun: the other feeds took %v, all the time there is", Rounds*r.limits.Timeout)
		return &problem.Problem{Reason: string(fetch.ReasonTooSlow), Error: why, Remedy: remedyFor(fetch.ReasonTooSlow)}
	}
	staged, err := r.store.Stage(f.Name)
	if err != nil {
		return problem.Of(err)
	}
	defer f.discard(staged)
	request, err := requestFor(f.Feed)
	if err != nil {
		return problem.Of(err)
	}
	request.MaxBytes, request.Timeout = r.limits.MaxBytes, timeout
	request.ETag, request.LastModified = prior.ETag, prior.LastModified
	request.Progress = r.feedProgress(f.Name)
	get := r.Client.Get
	if f.Next != "" {
		get = func(ctx context.Context, request fetch.Request, to *fetch.Staged) (fetch.Response, error) {
			return r.getPages(ctx, f, request, to)
		}
	}
	response, err := get(ctx, request, staged)
	if err != nil {
		state.Tried, f.Talked = response.Talked, response.Talked
		return problem.Of(err)
	}
	if response.NotModified {
		if !r.useCopy(f, Unchanged) {
			why := f.Report.Problem.Error
			f.Report.Problem = nil
			return &problem.Problem{Reason: reasonNoCopy, Error: why}
		}
		r.store.Stands(f.Name)
		state.Held = nil
		if state.Content == "" {
			state.Content, state.ContentChanged = contentOf(f.sets), prior.FetchedAt
		}
		state.Talked, state.Tried, f.Talked = response.Talked, nil, response.Talked
		return nil
	}
	r.gathered.hold(f)
	body, staged, err := r.readBody(f, staged)
	if err != nil {
		return problem.Of(err)
	}
	defer f.discard(staged)
	sum := fmt.Sprintf("%x", staged.Sum())
	if v := r.verdict(f, body, prior, sum, state); v.reason != "" {
		return &problem.Problem{Reason: string(v.reason), Error: v.why, Remedy: cmp.Or(v.remedy, remedyFor(v.reason))}
	}
	state.Talked, state.Tried, f.Talked = response.Talked, nil, response.Talked
	r.noteBefore(f)
	f.take(body, Fresh, staged.Size(), r.now)
	r.commit(f, staged, body, fetch.Meta{ETag: response.ETag, LastModified: response.LastModified})
	return nil
}

// noteBefore notes the entries of the last good copy before it is replaced, if a copy was lost
// before the first was replaced.
func (r *Reader) noteBefore(f *Feed) {
	if r.lossy != nil && r.lossy() {
		if body, _, err := r.readCopy(f.Name); err == nil {
			f.before = body.sets
		}
	}
}

// commit makes the staged file the last good copy.
func (r *Reader) commit(f *Feed, staged *fetch.Staged, body content, meta fetch.Meta) {
	if r.dryRun {
		f.staged = staged
		return
	}
	meta.Source, meta.FetchedAt = f.source, f.Report.FetchedAt
	meta = body.meta(meta)
	r.gathered.take(f)                             // before this waits for the disk
	_ = r.store.Keep(f.Name, inForcePrefix+f.Name) // without it, packets count for the new list
	if err := staged.Commit(meta); err != nil {
		f.unkept(err)
	}
}

// unkept notes that a feed is in force but no copy of it can be kept. The copy will be missing
// when the source fails, or after a reboot.
func (f *Feed) unkept(err error) {
	f.Report.Unkept = true
	f.warn("feed %s: no copy is kept, so a reboot would lose it: %s: free or mend the disk, then sync again", f.Name, problem.Of(err).Error)
}

// rememberPaths is the least time between two notes of a path feed's success. The feed is read
// often, and the disk need not be written each time.
const rememberPaths = time.Minute

// prior returns the description of the last good copy. It is zero if there is no copy, or one
// of another source, whose validators and size do not apply.
func (r *Reader) prior(f *Feed) fetch.Meta {
	c, err := r.store.Open(f.Name)
	if err != nil {
		if !problem.IsAbsent(err) {
			f.warn("feed %s: %v: it is fetched again", f.Name, err)
		}
		return fetch.Meta{}
	}
	defer c.Close()
	if c.Meta().Source != f.source {
		return fetch.Meta{}
	}
	return c.Meta()
}

func (r *Reader) state(f *Feed) fetch.State {
	state, err := r.store.State(f.Name)
	if err != nil {
		f.warn("feed %s: %v: its history starts again", f.Name, err)
	}
	f.history = state
	return state
}

// useCopy uses the last good copy, and reports whether there is one. If not, the feed is
// Missing, and gets a problem if it has none yet.
func (r *Reader) useCopy(f *Feed, state State) bool {
	r.gathered.hold(f)
	body, meta, err := r.readCopy(f.Name)
	if err != nil {
		f.Report.State, f.damaged = Missing, !problem.IsAbsent(err)
		if f.Report.Problem == nil {
			f.Report.Problem = problem.Of(err)
		} else if !problem.IsAbsent(err) {
			f.warn("feed %s: %v", f.Name, err)
		}
		return false
	}
	f.take(body, state, meta.Size, meta.FetchedAt)
	return true
}

func (r *Reader) readCopy(name string) (content, fetch.Meta, error) {
	c, err := r.store.Open(name)
	if err != nil {
		return content{}, fetch.Meta{}, err
	}
	defer c.Close()
	body, err := r.readBy(PolicyOf(r.limits), c.Parts())
	if err == nil {
		err = c.Verify()
	}
	return body, c.Meta(), err
}

// PolicyOf returns which entries the configuration allows in a feed's last good copy.
func PolicyOf(l config.Limits) cidr.Policy {
	return cidr.Policy{Widest: [2]uint8{uint8(l.Widest), uint8(l.Widest6)}, MaxPrefixes: copyEntries(l)}
}

// read reads a body under the configured limits.
func (r *Reader) read(parts iter.Seq2[fetch.Part, io.Reader]) (content, error) {
	limit := r.limit()
	policy := PolicyOf(r.limits)
	policy.MaxPrefixes = limit.Entries
	c, err := r.readBy(policy, parts)
	if errors.Is(err, cidr.ErrTooMany) {
		err = fmt.Errorf("%w; one list may have %s", err, limit.Words())
	}
	return c, err
}

// tooManyError says that a list has more entries than allowed.
type tooManyError struct{ error }

// Explain describes the error; see [problem.Of].
func (e *tooManyError) Explain() (reason, what, remedy string) {
	return string(reasonTooMuch), "", remedyFor(reasonTooMuch)
}

func (e *tooManyError) Unwrap() error { return e.error }

// readBy reads a body under a policy.
func (r *Reader) readBy(policy cidr.Policy, parts iter.Seq2[fetch.Part, io.Reader]) (content, error) {
	var c content
	b := r.gathered.builder()
	c.tally.Declared = cidr.NoTotal
	for part, in := range parts {
		part.Size = min(part.Size, r.limits.MaxBytes)
		t, err := c.readPart(part, in, policy, &b)
		if errors.Is(err, cidr.ErrTooMany) {
			err = &tooManyError{err}
		}
		if err != nil {
			return content{}, err
		}
		c.tally.Merge(t)
		for len(c.files) < len(c.tally.Samples) {
			c.files = append(c.files, part.Name)
		}
	}
	c.sets = b.Sets()
	return c, nil
}

// meta adds what is known of the body to the description of its copy.
func (c *content) meta(m fetch.Meta) fetch.Meta {
	m.Entries, m.Entries6, m.Rejects = c.tally.Entries, c.tally.Entries6, c.tally.Rejected()
	m.Effective = effective(c.tally, c.sets)
	return m
}

// take makes a body the feed's list.
func (f *Feed) take(c content, state State, size int64, fetchedAt time.Time) {
	f.sets = c.sets
	r := &f.Report
	r.State, r.Bytes, r.FetchedAt = state, size, fetchedAt
	r.Lines, r.Entries, r.Entries6, r.Prefixes = c.tally.Lines, c.tally.Entries, c.tally.Entries6, c.sets.Len()
	r.Rejected, r.Screened = make(map[string]int), []Screened{}
	for why := range cidr.Reasons {
		if n := c.tally.Rejects[why]; n > 0 {
			r.Rejected[why.Key()] = n
		}
	}
	for i, s := range cidr.Specials() {
		if len(c.tally.Specials) > 0 && c.tally.Specials[i] > 0 {
			r.Screened = append(r.Screened, Screened{s.Prefix.Netip(), s.Name, s.Source, c.tally.Specials[i]})
		}
	}
	for i, s := range c.tally.Samples {
		r.Rejects = append(r.Rejects, Reject{c.files[i], s.Line, s.Text, s.Reason.Key(), s.Reason.String()})
	}
}

func (f *Feed) warn(format string, args ...any) {
	f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...))
}

func (r *Reader) feedProgress(name string) func(got, total int64) {
	if r.progress == nil {
		return nil
	}
	return func(got, total int64) { r.progress(name, got, total) }
}
