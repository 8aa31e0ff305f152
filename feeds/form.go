package feeds

import (
	"io"
	"iter"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/form"
)

// lines yields the parts of a body from its source as lines, whatever form they have. Each reader
// is valid until the next iteration.
func (r *Reader) lines(f config.Feed, parts iter.Seq2[fetch.Part, io.Reader]) iter.Seq2[fetch.Part, io.Reader] {
	source := form.Source{Form: f.Form, MaxBytes: r.limits.MaxBytes, Scratch: func() (form.File, error) { return r.store.Scratch() }}
	return func(yield func(fetch.Part, io.Reader) bool) {
		for part, in := range parts {
			l := source.Lines(in)
			if !l.Plain() {
				part.Size = 0 // nobody knows how many lines there will be
			}
			more := yield(part, l)
			l.Close()
			if !more {
				return
			}
		}
	}
}

// readBody reads a body that was fetched. If it is not plain lines, they are staged in its place,
// since a copy has lines only.
func (r *Reader) readBody(f *Feed, staged *fetch.Staged) (content, *fetch.Staged, error) {
	plain := true
	for _, in := range r.lines(f.Feed, staged.Parts()) {
		plain = plain && in.(*form.Reader).Plain()
	}
	if plain {
		body, err := r.read(staged.Parts())
		return body, staged, err
	}
	as, err := r.store.Stage(f.Name)
	if err != nil {
		return content{}, staged, err
	}
	tee := &copying{to: as}
	body, err := r.read(tee.parts(r.lines(f.Feed, staged.Parts())))
	if err == nil {
		err = tee.err
	}
	if err != nil {
		as.Discard()
		return content{}, staged, err
	}
	return body, as, nil
}
