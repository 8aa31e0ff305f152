package feeds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// Mirrored is a list that another host has fetched, as the fleet's mirror offers it.
type Mirrored struct {
	From    string    // the mirror
	SHA256  string    // of the list
	Bytes   int64     // of it
	Fetched time.Time // when its source last said that this is its list

	// Open returns the list, compressed.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// ErrNotTaken is returned for a copy of the fleet's mirror that is not what it should be, or not believed: to
// ask for it again would change nothing. Any other error may pass.
var ErrNotTaken = errors.New("the copy of the fleet's mirror is not taken")

func notTaken(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNotTaken, fmt.Errorf(format, args...))
}

// Via says from where a list came, if the fleet's mirror of that name has brought it.
func Via(mirror string) string {
	if mirror == "" {
		return ""
	}
	return "from the fleet's mirror " + mirror
}

// GetMirrored gets a feed's list from the fleet's mirror, and judges it as one of its source. Its age is that
// of the mirror's word: a list that is old there is as old here. On an error nothing has changed: not the
// list, nor what is known of its source.
func (r *Reader) GetMirrored(ctx context.Context, cfg config.Feed, m Mirrored) (*Feed, error) {
	f := newFeed(cfg)
	prior, state := r.prior(f), r.state(f)
	if last := LastSuccess(state, prior.FetchedAt); !m.Fetched.After(last) && !last.After(r.now) {
		return nil, notTaken("it is not newer than the list here")
	}
	if prior.SHA256 != m.SHA256 || !r.useCopy(f, Unchanged) {
		f.Report.Problem = nil // of a copy that cannot be read
		if err := r.bring(ctx, f, m, prior, &state); err != nil {
			return nil, err
		}
	} else {
		r.store.Stands(f.Name)
	}
	f.mirrored, f.Report.Mirror = m, m.From
	state.Held = nil
	r.remember(f, state)
	f.noteChange(state, m.Fetched)
	return f, nil
}

// bring fetches the mirror's copy, and puts it in the place of the last good one.
func (r *Reader) bring(ctx context.Context, f *Feed, m Mirrored, prior fetch.Meta, state *fetch.State) error {
	if m.Bytes > r.limits.MaxBytes {
		return notTaken("it has %d bytes, more than limits.max_bytes", m.Bytes)
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.Timeout)
	defer cancel()
	staged, err := r.store.Stage(f.Name)
	if err != nil {
		return err
	}
	defer f.discard(staged)
	from, err := m.Open(ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	in := &noting{Reader: from}
	if err := staged.Inflate(ctx, f.Report.Source, in, m.Bytes); err != nil {
		if failed := cmp.Or(staged.Failed(), ctx.Err(), in.err); failed != nil {
			return failed
		}
		return notTaken("%w", err)
	}
	sum := fmt.Sprintf("%x", staged.Sum())
	if sum != m.SHA256 {
		return notTaken("its SHA-256 is another one than the mirror says")
	}
	body, err := r.read(staged.Parts())
	if err != nil {
		return notTaken("%w", err)
	}
	// Only fetches from the source count towards believing a list that is unlike its past.
	judged := *state
	judged.Held = nil
	if v := r.verdict(f, body, prior, sum, &judged); v.reason != "" {
		return notTaken("%s", v.why)
	}
	*state = judged
	r.noteBefore(f)
	f.take(body, Fresh, staged.Size(), m.Fetched)
	r.commit(f, staged, body, fetch.Meta{}) // what the source would compare with is not the mirror's to say
	return nil
}

// noting notes an error of what it reads from, which is none of the contents.
type noting struct {
	io.Reader
	err error
}

func (n *noting) Read(p []byte) (int, error) {
	read, err := n.Reader.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return read, err
}
