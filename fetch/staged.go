package fetch

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"

	"github.com/google/renameio/v2"
)

// A Staged holds a new body of a feed in a temporary file beside the last good copy,
// until the caller has decided whether to keep it. It is an [io.Writer], and not safe
// for concurrent use.
//
// After a write error all further calls return that error.
type Staged struct {
	store *Store
	name  string
	temp  *renameio.PendingFile
	old   *Copy // nil once a byte differs from it: see [Store.Restage]. Until then temp is nil.
	buf   *bufio.Writer
	sum   hash.Hash
	parts []Part
	size  int64
	last  byte // the last byte written
	err   error
	done  bool
}

// Stage begins a new copy of the feed. The caller ends it with
// [Staged.Commit] or [Staged.Discard].
func (s *Store) Stage(name string) (*Staged, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	st := &Staged{store: s, name: name, buf: writers.Get().(*bufio.Writer), sum: sha256.New()}
	if err := st.create(); err != nil {
		st.Discard()
		return nil, err
	}
	return st, nil
}

// create makes the temporary file.
func (st *Staged) create() error {
	temp, err := st.store.create(st.name + listSuffix)
	if err != nil {
		return st.failed(err)
	}
	st.temp = temp
	st.buf.Reset(temp)
	return nil
}

// Part begins a new part, named by the URL or path of its source. Bytes written before
// the first call form a part named like the feed.
//
// If the previous part does not end with a newline, Part adds one, so that two lines
// are not read as one.
func (st *Staged) Part(name string) {
	if st.size > 0 && st.last != '\n' {
		st.Write([]byte{'\n'}) // st.err keeps an error
	}
	st.parts = append(st.parts, Part{Name: name})
}

// Write appends to the current part.
func (st *Staged) Write(p []byte) (int, error) {
	if st.err != nil || len(p) == 0 {
		return 0, st.err
	}
	if len(st.parts) == 0 {
		st.Part(st.name)
	}
	n, err := len(p), error(nil)
	if !st.asBefore(p) {
		if err := st.part(); err != nil {
			return 0, err
		}
		n, err = st.buf.Write(p)
	}
	st.sum.Write(p[:n])
	st.size += int64(n)
	st.parts[len(st.parts)-1].Size += int64(n)
	if n > 0 {
		st.last = p[n-1]
	}
	return n, st.failed(err)
}

// reset drops everything written so far.
func (st *Staged) reset() error {
	if err := st.part(); err != nil {
		return err
	}
	if _, err := st.temp.Seek(0, io.SeekStart); err != nil {
		return st.failed(err)
	}
	if err := st.temp.Truncate(0); err != nil {
		return st.failed(err)
	}
	st.buf.Reset(st.temp)
	st.sum.Reset()
	st.parts, st.size, st.last = nil, 0, 0
	return nil
}

// Size returns the number of bytes written since the start or the last reset.
func (st *Staged) Size() int64 { return st.size }

// Sum returns the SHA-256 of the bytes written since the start or the last reset.
func (st *Staged) Sum() [sha256.Size]byte { return [sha256.Size]byte(st.sum.Sum(nil)) }

// Parts reads everything written so far, part by part. The readers are independent of
// each other.
func (st *Staged) Parts() iter.Seq2[Part, io.Reader] {
	return func(yield func(Part, io.Reader) bool) {
		offset := int64(0)
		for _, part := range st.parts {
			if !yield(part, st.section(offset, part.Size)) {
				return
			}
			offset += part.Size
		}
	}
}

func (st *Staged) section(offset, size int64) io.Reader {
	if err := st.flush(); err != nil {
		return failedReader{err}
	}
	return io.NewSectionReader(st.temp, offset, size)
}

// flush writes the buffer to the file, which shows whether the disk is full.
func (st *Staged) flush() error {
	if err := st.part(); err != nil {
		return err
	}
	return st.failed(st.buf.Flush())
}

// failed keeps the first error for all further calls.
func (st *Staged) failed(err error) error {
	if err == nil {
		return nil
	}
	st.err = st.store.wrote(st.name+listSuffix, storageError(st.name, st.path(), err))
	return st.err
}

func (st *Staged) path() string { return st.store.path(st.name + listSuffix) }

// Commit makes the staged bytes the feed's last good copy, in one step and synced to
// disk: at every moment, even after a power failure, there is either the complete old
// copy or the complete new one. It fills in the Version, Size, SHA256 and Parts of
// meta; the caller fills in the rest.
//
// On an error the staged file is removed and the old copy stays, unless
// only the sync after the rename has failed.
func (st *Staged) Commit(meta Meta) error {
	defer st.Discard()
	meta.Version = metaVersion
	meta.Size = st.size
	meta.SHA256 = fmt.Sprintf("%x", st.Sum())
	meta.Parts = st.parts
	trailer, err := meta.trailer()
	if err != nil {
		return st.failed(err)
	}
	if st.size > 0 && st.last != '\n' {
		trailer = append([]byte{'\n'}, trailer...)
	}
	if err := st.part(); err != nil {
		return err
	}
	if _, err := st.buf.Write(trailer); err != nil {
		return st.failed(err)
	}
	if err := st.flush(); err != nil {
		return err
	}
	if err := st.store.replace(st.temp, st.name+listSuffix); err != nil {
		return st.failed(err)
	}
	return st.store.wrote(st.name+listSuffix, nil)
}

// Discard removes the staged file. A second call, or one after Commit, does nothing.
func (st *Staged) Discard() error {
	if st.done {
		return nil
	}
	st.done = true
	st.buf.Reset(nil)
	writers.Put(st.buf)
	if st.old != nil {
		st.old.Close()
	}
	err := error(nil)
	if st.temp != nil {
		err = st.temp.Cleanup() // does nothing after a rename
	}
	if st.err == nil {
		st.err = storageError(st.name, st.path(), fmt.Errorf("no longer staged: %w", os.ErrClosed))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return storageError(st.name, st.path(), err)
	}
	return nil
}
