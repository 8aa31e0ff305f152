package fetch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
)

// Restage is [Store.Stage] for a body that is probably the last good copy again, as that of
// a local file. Nothing is written to disk as long as the body is the same: see
// [Staged.Same]. Only bytes that differ make a temporary file.
func (s *Store) Restage(name string) (*Staged, error) {
	old, err := s.Open(name)
	if err != nil { // there is none, or it is damaged
		return s.Stage(name)
	}
	return &Staged{store: s, name: name, old: old, buf: writers.Get().(*bufio.Writer), sum: sha256.New()}, nil
}

// Same reports whether the bytes written so far are the last good copy, which then need not
// be written again. A damaged copy is not the same, and writing it again repairs it.
func (st *Staged) Same() bool {
	if st.err != nil || st.old == nil || fmt.Sprintf("%x", st.Sum()) != st.old.meta.SHA256 {
		return false
	}
	st.store.Stands(st.name)
	return true
}

// asBefore reports whether p stands in the last good copy where it would be written, and all
// bytes before it, too.
func (st *Staged) asBefore(p []byte) bool {
	if st.old == nil || st.size+int64(len(p)) > st.old.meta.Size {
		return false
	}
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for at := st.size; len(p) > 0; {
		before := buf[:min(len(p), len(buf))]
		if n, _ := st.old.file.ReadAt(before, at); n < len(before) || !bytes.Equal(before, p[:n]) {
			return false
		}
		at, p = at+int64(len(before)), p[len(before):]
	}
	return true
}

// part parts the staged bytes from the last good copy, if they are still the same: it makes
// the temporary file and copies them there. It returns the first error of all.
func (st *Staged) part() error {
	old := st.old
	if st.err != nil || old == nil {
		return st.err
	}
	st.old = nil
	defer old.Close()
	if err := st.create(); err != nil {
		return err
	}
	sum, buf := sha256.New(), buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	if _, err := io.CopyBuffer(io.MultiWriter(st.buf, sum), io.NewSectionReader(old.file, 0, st.size), buf[:]); err != nil {
		return st.failed(err)
	}
	if [sha256.Size]byte(sum.Sum(nil)) != st.Sum() {
		return st.failed(old.damaged("it changed while it was read"))
	}
	return nil
}
