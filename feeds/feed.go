package feeds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
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

// Reader gets feeds: each from its source, or else from its last good copy.
type Reader struct {
	store    *fetch.Store
	Client   *fetch.Client
	limits   config.Limits
	offline  bool
	force    bool
	dryRun   bool             // keep nothing: no copy, no history
	live     func() cidr.Sets // what the kernel holds of lists
	wrote    func() bool      // whether it was voipbl that put it there
	feeds    []config.Feed    // all that are configured
	Lossy    bool             // the copy of a feed is lost: see feed.before
	now      time.Time
	deadline time.Time // for fetching all feeds together
	progress func(feed string, got, total int64)
}

// Feed is what was got of one.
type Feed struct {
	config.Feed
	Report   Report
	source   string // tells it from what the name stood for before: see [config.URL.ID]
	sets     cidr.Sets
	Warnings []string

	Talked  []web.Peer  // the hosts that it came from just now
	history fetch.State // before this attempt; zero if it cannot be read
	damaged bool        // there is a last good copy, and it cannot be read
	before  cidr.Sets   // what the last good copy had, if a copy of another feed is lost
}

// content is a body that has been read.
type content struct {
	tally cidr.Tally
	sets  cidr.Sets
	files []string // for each sample of the tally, the part it stands in

	foreign []foreign     // parts that are no lists
	kind    filekind.Kind // of the first part that has a kind of its own
}

func NewReader(cfg config.Config, opts Options, store *fetch.Store, now time.Time) *Reader {
	return &Reader{
		store: store, Client: fetch.NewClient(opts.Version, opts.Log), limits: cfg.Limits,
		offline: opts.Offline, force: opts.Force, dryRun: opts.DryRun, now: now, progress: opts.Progress,
		deadline: time.Now().Add(Rounds * cfg.Limits.Timeout),
		live:     func() cidr.Sets { return readLive(cfg) },
		wrote:    func() bool { return state.LastRecord(cfg).Wrote(cfg) },
		feeds:    cfg.Feeds,
	}
}

// GetAll gets those feeds that are wanted and not there yet, a few at a time.
func (r *Reader) GetAll(ctx context.Context, cfgs []config.Feed, feeds []*Feed, want func(config.Feed) bool) {
	var group errgroup.Group
	group.SetLimit(AtOnce)
	for i, f := range cfgs {
		if feeds[i] != nil || !want(f) {
			continue
		}
		group.Go(func() error {
			feeds[i] = r.Get(ctx, f)
			return nil
		})
	}
	group.Wait()
}

// Get gets one feed. It cannot fail: what goes wrong is in the report, and
// then the last good copy is in force.
func (r *Reader) Get(ctx context.Context, cfg config.Feed) *Feed {
	f := &Feed{Feed: cfg, source: cfg.Path}
	f.Report = Report{Name: cfg.Name, Source: cfg.Path, Rejects: []Reject{}, File: cfg.URL == ""}
	if cfg.URL != "" {
		f.Report.Source, f.source = cfg.URL.String(), cfg.URL.ID()
	}
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

// getURL downloads the feed unless its copy is current, and judges it.
func (r *Reader) getURL(ctx context.Context, f *Feed) {
	prior := r.prior(f)
	state := r.state(f)
	problem := r.download(ctx, f, prior, &state)
	if problem != nil && problem.Reason == reasonNoCopy {
		// The source has not changed since the copy, which cannot be read.
		f.warn("feed %s: %s: it is fetched anew", f.Name, problem.Error)
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

// noteChange notes when the list last changed, and whether it is frozen, as it was last
// known to be current at success.
func (f *Feed) noteChange(state fetch.State, success time.Time) {
	f.Report.ContentChanged = state.ContentChanged
	f.Report.Frozen = state.Held == nil && IsFrozen(state.ContentChanged, success, f.Feed)
}

// remember keeps what became of the attempt. One that the user broke off says
// nothing about the feed.
func (r *Reader) remember(f *Feed, state fetch.State) {
	trouble := f.Report.Problem
	if r.dryRun || trouble != nil && trouble.Reason == string(fetch.ReasonCanceled) {
		return
	}
	state.LastAttempt, state.Source = r.now, f.source
	if state.ContentChanged.After(r.now) { // the clock has been set back since
		state.ContentChanged = r.now
	}
	if trouble == nil {
		state.LastSuccess, state.LastError, state.Reason, state.Failures = r.now, "", "", 0
	} else {
		state.LastError, state.Reason = trouble.Error, trouble.Reason
		state.Failures++
	}
	if err := r.store.SetState(f.Name, state); err != nil {
		f.warn("feed %s: its history is not kept: %s", f.Name, problem.Of(err).Error)
	}
}

// getCopy takes the last good copy because the user asked for it. That is no
// trouble in itself; a copy that is too old, or whose source was in trouble
// when it was last asked, is.
func (r *Reader) getCopy(f *Feed) {
	state := r.state(f)
	f.noteChange(state, state.LastSuccess)
	if !r.useCopy(f, Cached) {
		f.Report.Problem.Remedy = "run \"voipbl sync\" once with a network"
		return
	}
	switch success := lastSuccess(state, f.Report.FetchedAt); {
	case state.LastError != "":
		f.Report.Problem = &problem.Problem{Reason: state.Reason, Error: state.LastError, Remedy: remedyFor(fetch.Reason(state.Reason))}
	case IsStale(success, r.now, f.Schedule):
		f.Report.Problem = &problem.Problem{Reason: string(reasonStale), Error: "it was last fetched at " + success.Local().Format(time.DateTime), Remedy: remedyFor(reasonStale)}
	}
}

// download does what can go wrong. It returns the problem, or nil when the
// feed is in f.
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
	defer staged.Discard()
	response, err := r.Client.Get(ctx, fetch.Request{
		Feed: f.Name, URL: string(f.URL), Insecure: f.Insecure,
		MaxBytes: r.limits.MaxBytes, Timeout: timeout,
		ETag: prior.ETag, LastModified: prior.LastModified,
		Progress: r.feedProgress(f.Name),
	}, staged)
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
	body, err := r.read(staged.Parts())
	if err != nil {
		return problem.Of(err)
	}
	sum := fmt.Sprintf("%x", staged.Sum())
	if v := r.verdict(f, body, prior, sum, state); v.reason != "" {
		return &problem.Problem{Reason: string(v.reason), Error: v.why, Remedy: remedyFor(v.reason)}
	}
	state.Talked, state.Tried, f.Talked = response.Talked, nil, response.Talked
	r.noteBefore(f)
	r.commit(f, staged, body, fetch.Meta{ETag: response.ETag, LastModified: response.LastModified})
	f.take(body, Fresh, staged.Size(), r.now)
	return nil
}

// noteBefore keeps what the last good copy has, before another takes its place.
func (r *Reader) noteBefore(f *Feed) {
	if r.Lossy {
		if body, _, err := r.readCopy(f.Name); err == nil {
			f.before = body.sets
		}
	}
}

// commit makes what is staged the last good copy.
func (r *Reader) commit(f *Feed, staged *fetch.Staged, body content, meta fetch.Meta) {
	if r.dryRun {
		return
	}
	meta.Source, meta.FetchedAt = f.source, r.now
	if err := staged.Commit(body.meta(meta)); err != nil {
		f.unkept(err)
	}
}

// unkept notes that a feed is in force and its copy cannot be kept, which will
// be missed when the feed fails, or after a reboot.
func (f *Feed) unkept(err error) {
	f.Report.Unkept = true
	f.warn("feed %s: no copy is kept, so a reboot would lose it: %s: free or mend the disk, then sync again", f.Name, problem.Of(err).Error)
}

// rememberPaths is how often the success of a path feed is written down: it is
// read every few minutes, and a disk need not be written as often.
const rememberPaths = time.Minute

// prior is the last good copy's description, zero if there is none, or if it
// was of another source: one's validators and size say nothing about another.
func (r *Reader) prior(f *Feed) fetch.Meta {
	c, err := r.store.Open(f.Name)
	if err != nil {
		if !problem.IsAbsent(err) {
			f.warn("feed %s: %v: it is fetched anew", f.Name, err)
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
		f.warn("feed %s: %v: its history begins anew", f.Name, err)
	}
	f.history = state
	return state
}

// useCopy takes the last good copy, and reports whether there is one. If not,
// the feed is missing, and its problem is kept or, if it has none yet, set.
func (r *Reader) useCopy(f *Feed, state State) bool {
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

// bytesPerEntry is how many bytes a line of a list has, rounded down: the real
// ones have 14 to 17. It sizes memory, no more.
const bytesPerEntry = 14

// PolicyOf is what the configuration allows a feed's last good copy to put in the set.
func PolicyOf(l config.Limits) cidr.Policy {
	return cidr.Policy{Widest: [2]uint8{uint8(l.Widest), uint8(l.Widest6)}, MaxPrefixes: copyEntries(l)}
}

// read reads a body.
func (r *Reader) read(parts iter.Seq2[fetch.Part, io.Reader]) (content, error) {
	limit := LimitOf(r.limits)
	policy := PolicyOf(r.limits)
	policy.MaxPrefixes = limit.Entries
	c, err := r.readBy(policy, parts)
	if errors.Is(err, cidr.ErrTooMany) {
		err = fmt.Errorf("%w; one list may have %s", err, limit.Words())
	}
	return c, err
}

// tooManyError is a list with more entries than one may have.
type tooManyError struct{ error }

// Explain describes it; see problemOf.
func (e *tooManyError) Explain() (reason, what, remedy string) {
	return string(reasonTooMuch), "", remedyFor(reasonTooMuch)
}

func (e *tooManyError) Unwrap() error { return e.error }

// readBy reads a body by a policy.
func (r *Reader) readBy(policy cidr.Policy, parts iter.Seq2[fetch.Part, io.Reader]) (content, error) {
	var (
		c content
		b cidr.Builder
	)
	c.tally.Declared = cidr.NoTotal
	for part, in := range parts {
		b.Grow(cidr.IPv4, min(int(min(part.Size, r.limits.MaxBytes)/bytesPerEntry), policy.MaxPrefixes))
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

// meta completes the description of a copy.
func (c *content) meta(m fetch.Meta) fetch.Meta {
	m.Entries, m.Entries6, m.Rejects = c.tally.Entries, c.tally.Entries6, c.tally.Rejected()
	m.Effective = effective(c.tally, c.sets)
	return m
}

// take makes a body the one in force.
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
