package feeds

import (
	"io"
	"iter"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// getPath reads a feed of local files. The admin writes them, so they may shrink and become
// empty. The copy is used when they cannot be read.
func (r *Reader) getPath(f *Feed) {
	if problem := r.readPath(f); problem != nil {
		f.Report.Problem = problem
		r.useCopy(f, Stale)
	}
	state := r.state(f)
	if f.Report.Problem != nil || state.LastError != "" || f.Report.State == Fresh || r.now.Sub(state.LastSuccess).Abs() > rememberPaths {
		r.remember(f, state)
	}
}

// readPath reads the files. It returns why it got nothing. If only some of the files are not
// lists, that is a problem in the feed's report.
func (r *Reader) readPath(f *Feed) *problem.Problem {
	files, err := fetch.OpenPath(f.Path, f.Optional, r.limits.MaxBytes)
	if err != nil {
		return problem.Of(err)
	}
	staged, err := r.store.Restage(f.Name)
	if err != nil {
		// The files can be read, so they are used even if no copy can be kept.
		f.unkept(err)
		r.gathered.hold(f)
		body, err := r.read(r.lines(f.Feed, files.Parts()))
		if err != nil {
			return problem.Of(err)
		}
		return f.takeFiles(body, Fresh, 0, r.now)
	}
	defer f.discard(staged)
	tee := &copying{to: staged}
	r.gathered.hold(f)
	body, err := r.read(tee.parts(r.lines(f.Feed, files.Parts())))
	if err != nil {
		return problem.Of(err)
	}
	if tee.err != nil {
		f.unkept(tee.err)
		return f.takeFiles(body, Fresh, 0, r.now)
	}
	state := Unchanged
	if !staged.Same() {
		state = Fresh
	}
	if problem := f.takeFiles(body, state, staged.Size(), r.now); problem != nil {
		return problem
	}
	if state == Fresh {
		r.noteBefore(f)
		r.commit(f, staged, body, fetch.Meta{})
	}
	return nil
}

// takeFiles uses the entries of local files, unless none of the files is a list.
func (f *Feed) takeFiles(body content, state State, size int64, now time.Time) *problem.Problem {
	problem := foreignFiles(body)
	if problem != nil && body.tally.Malformed() == body.tally.Lines {
		return problem
	}
	f.Report.Problem = problem
	f.take(body, state, size, now)
	return nil
}

// copying copies what is read to a staged file. If the copy fails, the reading goes on.
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
