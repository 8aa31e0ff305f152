package form

import (
	"bufio"
	"bytes"
	"io"
	"iter"
	"sync"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/filekind"
)

// A Source is what a list is read with.
type Source struct {
	Form     config.Form
	MaxBytes int64 // limit of the unpacked body, in bytes

	// Scratch returns an empty file that nobody else sees, for a zip: its table of contents is at
	// its end.
	Scratch func() (File, error)
}

// A File is written once, and then read.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// Lines returns the lines of a body. If it is plain lines already, they are read as they are. Errors of reading it, and a [*Mismatch], come from the reader. The caller closes it.
func (s Source) Lines(in io.Reader) *Reader {
	r := &Reader{}
	if err := s.open(r, in); err != nil {
		r.in = failed{err}
	}
	return r
}

// A Reader gives the lines of a list.
type Reader struct {
	in    io.Reader
	close []func()
	plain bool
}

func (r *Reader) Read(p []byte) (int, error) { return r.in.Read(p) }

// Plain reports whether the body is plain lines, which are read unchanged.
func (r *Reader) Plain() bool { return r.plain }

// Close ends the reading.
func (r *Reader) Close() {
	for len(r.close) > 0 {
		last := len(r.close) - 1
		r.close[last]()
		r.close = r.close[:last]
	}
}

// heads are the buffers for the beginnings of bodies, kept for the next: a host may have hundreds of
// feeds. What follows is read past them.
var heads = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, headSize) }}

type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

func (s Source) open(r *Reader, body io.Reader) error {
	in := heads.Get().(*bufio.Reader)
	in.Reset(body)
	r.close = append(r.close, func() { in.Reset(nil); heads.Put(in) })
	packed, err := s.unpack(r, in)
	if err != nil {
		return err
	}
	if packed != nil {
		in = bufio.NewReaderSize(&limited{in: packed, left: s.MaxBytes, max: s.MaxBytes}, headSize)
	}
	head, _ := in.Peek(headSize) // the reading finds the error again
	kind := filekind.Of(head[:min(len(head), filekind.HeadSize)])
	form := s.Form
	if form.Format == "" {
		if form, err = sure(kind, head); err != nil {
			return err
		}
	}
	switch form.Format {
	case config.FormatJSON:
		if kind.Name != "" && kind.Name != filekind.JSON {
			return &Mismatch{kind.Name, kind.Advice}
		}
		r.pull(s.MaxBytes, func(out lines) error {
			w := &walk{tokens: tokens{in: skipMark(in)}, out: out, root: stepsTo(form.Fields), fields: words(form.Fields)}
			err := w.run()
			w.out.end(err)
			return err
		})
	case config.FormatCSV:
		if kind.Name != "" {
			return &Mismatch{kind.Name, kind.Advice}
		}
		r.pull(s.MaxBytes, func(out lines) error {
			t := &table{in: skipMark(in), out: out, separator: form.Separator, column: form.Column}
			err := t.run()
			t.out.end(err)
			return err
		})
	default:
		r.in, r.plain = in, packed == nil
	}
	return nil
}

// pull makes the reader give what work writes, max bytes at most.
func (r *Reader) pull(max int64, work func(lines) error) {
	next, stop := iter.Pull2(func(yield func([]byte, error) bool) {
		_ = work(lines{yield: yield}) // handed on by lines.end
	})
	r.in, r.close = &limited{in: &pulled{next: next}, left: max, max: max}, append(r.close, stop)
}

// pulled reads chunks.
type pulled struct {
	next func() ([]byte, error, bool)
	rest []byte
	err  error
}

func (p *pulled) Read(to []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		var more bool
		if p.rest, p.err, more = p.next(); !more {
			p.err = io.EOF
		}
	}
	n := copy(to, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// skipMark skips a byte order mark.
func skipMark(in *bufio.Reader) io.Reader {
	if head, _ := in.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		in.Discard(3)
	}
	return in
}
