package agent

import (
	"io"
	"iter"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// getPath reads a feed of local files, which are the admin's own hand: they may
// shrink and become empty. Their copy is for the day they cannot be read.
func (r *reader) getPath(f *feed) {
	if problem := r.readPath(f); problem != nil {
		f.report.Problem = problem
		r.useCopy(f, FeedStale)
	}
	state := r.state(f)
	if f.report.Problem != nil || state.LastError != "" || f.report.State == FeedFresh || r.now.Sub(state.LastSuccess).Abs() > rememberPaths {
		r.remember(f, state)
	}
}

// readPath takes what the files say. It returns why nothing could be taken; a
// file among others that is no list is a problem in the feed's report.
func (r *reader) readPath(f *feed) *problem.Problem {
	files, err := fetch.OpenPath(f.Path, f.Optional, r.limits.MaxBytes)
	if err != nil {
		return problem.Of(err)
	}
	staged, err := r.store.Stage(f.Name)
	if err != nil {
		// The files can be read; that no copy can be kept is no reason to
		// leave them out.
		f.unkept(err)
		body, err := r.read(files.Parts())
		if err != nil {
			return problem.Of(err)
		}
		return f.takeFiles(body, FeedFresh, 0, r.now)
	}
	defer staged.Discard()
	tee := &copying{to: staged}
	body, err := r.read(tee.parts(files.Parts()))
	if err != nil {
		return problem.Of(err)
	}
	if tee.err != nil {
		f.unkept(tee.err)
		return f.takeFiles(body, FeedFresh, 0, r.now)
	}
	state := FeedUnchanged
	if !r.store.Same(f.Name, staged.Sum()) {
		state = FeedFresh
	}
	if problem := f.takeFiles(body, state, staged.Size(), r.now); problem != nil {
		return problem
	}
	if state == FeedFresh {
		r.noteBefore(f)
		r.commit(f, staged, body, fetch.Meta{})
	}
	return nil
}

// takeFiles takes the entries of local files unless none of them is a list.
func (f *feed) takeFiles(body content, state FeedState, size int64, now time.Time) *problem.Problem {
	problem := foreignFiles(body)
	if problem != nil && body.tally.Malformed() == body.tally.Lines {
		return problem
	}
	f.report.Problem = problem
	f.take(body, state, size, now)
	return nil
}

// copying copies what is read to a staged file. An error of the copy stops the
// copying and not the reading.
type copying struct {
	to  *fetch.Staged
	err error
}

func (c *copying) Write(p []byte) (int, error) {
	if c.err == nil {
		_, c.err = c.to.Write(p)
	}
	return len(p), nil
}

func (c *copying) parts(parts iter.Seq2[fetch.Part, io.Reader]) iter.Seq2[fetch.Part, io.Reader] {
	return func(yield func(fetch.Part, io.Reader) bool) {
		for part, in := range parts {
			c.to.Part(part.Name)
			if !yield(part, io.TeeReader(in, c)) {
				return
			}
		}
	}
}
