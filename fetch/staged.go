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

// A Staged is a feed's bytes in a temporary file beside the last good copy,
// while it is not yet known whether they are any good. It is an [io.Writer];
// it is not safe for concurrent use.
//
// The first error to write stays: all that follows returns it.
type Staged struct {
	store *Store
	name  string
	temp  *renameio.PendingFile
	buf   *bufio.Writer
	sum   hash.Hash
	parts []Part
	size  int64
	last  byte // the last one written
	err   error
	done  bool
}

// Stage begins a new copy of the feed. The caller ends it with
// [Staged.Commit] or [Staged.Discard].
func (s *Store) Stage(name string) (*Staged, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	temp, err := s.create(name + listSuffix)
	if err != nil {
		return nil, s.wrote(name+listSuffix, storageError(name, s.path(name+listSuffix), err))
	}
	return &Staged{
		store: s,
		name:  name,
		temp:  temp,
		buf:   bufio.NewWriterSize(temp, bufferSize),
		sum:   sha256.New(),
	}, nil
}

// Part begins a new part, named by the URL or the path its bytes come from.
// What is written before the first call is a part named like the feed.
//
// A part that does not end its last line has a newline added to it when
// another begins: a reader of the whole must not see two lines as one.
func (st *Staged) Part(name string) {
	if st.size > 0 && st.last != '\n' {
		st.Write([]byte{'\n'}) // a failure stays in st.err
	}
	st.parts = append(st.parts, Part{Name: name})
}

// Write appends to the current part. Its error is an [*Error].
func (st *Staged) Write(p []byte) (int, error) {
	if st.err != nil || len(p) == 0 {
		return 0, st.err
	}
	if len(st.parts) == 0 {
		st.Part(st.name)
	}
	n, err := st.buf.Write(p)
	st.sum.Write(p[:n])
	st.size += int64(n)
	st.parts[len(st.parts)-1].Size += int64(n)
	if n > 0 {
		st.last = p[n-1]
	}
	return n, st.failed(err)
}

// Reset drops what was written and begins anew.
func (st *Staged) Reset() error {
	if st.err != nil {
		return st.err
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

// Size returns the bytes written since the beginning or the last Reset.
func (st *Staged) Size() int64 { return st.size }

// Sum returns the SHA-256 of these bytes.
func (st *Staged) Sum() [sha256.Size]byte { return [sha256.Size]byte(st.sum.Sum(nil)) }

// Reader reads back, from the start, what has been written so far.
func (st *Staged) Reader() io.Reader { return st.section(0, st.size) }

// Parts reads it back part by part. The readers are independent of each other.
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

// flush brings to light what a buffered write may still hide: a full disk.
func (st *Staged) flush() error {
	if st.err != nil {
		return st.err
	}
	return st.failed(st.buf.Flush())
}

// failed keeps the first failure as the error of all that follows.
func (st *Staged) failed(err error) error {
	if err == nil {
		return nil
	}
	st.err = st.store.wrote(st.name+listSuffix, storageError(st.name, st.path(), err))
	return st.err
}

func (st *Staged) path() string { return st.store.path(st.name + listSuffix) }

// Commit makes what is staged the feed's last good copy: durably, and in one
// step, so that at every moment, in a power cut too, there is the old copy
// whole or the new one whole. It fills in the meta's Version, Size, SHA256 and
// Parts; the rest is the caller's.
//
// On an error, an [*Error], the staged file is gone and the old copy stands,
// unless all that failed was to make the rename durable.
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
	if st.err != nil {
		return st.err
	}
	if _, err := st.buf.Write(trailer); err != nil {
		return st.failed(err)
	}
	if err := st.flush(); err != nil {
		return err
	}
	if err := st.store.replace(st.temp); err != nil {
		return st.failed(err)
	}
	return st.store.wrote(st.name+listSuffix, nil)
}

// Discard removes the staged file. Done twice, or after Commit, it does nothing.
func (st *Staged) Discard() error {
	if st.done {
		return nil
	}
	st.done = true
	err := st.temp.Cleanup() // nothing, if it has been renamed
	if st.err == nil {
		st.err = storageError(st.name, st.path(), fmt.Errorf("no longer staged: %w", os.ErrClosed))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return storageError(st.name, st.path(), err)
	}
	return nil
}
