package fetch

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"strings"
)

// A Copy is a feed's last good copy, opened for reading. It stays readable and
// unchanged while another copy replaces it. It is not safe for concurrent use.
type Copy struct {
	file   *os.File
	path   string
	meta   Meta
	sum    hash.Hash
	offset int64 // bytes of the body read so far; sum has hashed them
	err    error // kept; io.EOF once all is read and verified
}

// Open opens the feed's last good copy. The error wraps [fs.ErrNotExist] if there is
// none, and is a [*DamagedError] if the file does not end with a valid trailer. The
// body is checked while it is read: see [Copy.Verify].
func (s *Store) Open(name string) (*Copy, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	file, info, err := s.openFile(name + listSuffix)
	if err != nil {
		return nil, ofFeed(name, err)
	}
	c := &Copy{file: file, path: s.path(name + listSuffix), sum: sha256.New()}
	if err := c.readMeta(info.Size()); err != nil {
		file.Close()
		return nil, ofFeed(name, err)
	}
	return c, nil
}

// Size returns how many bytes the file of a feed's last good copy has; 0 if there is none.
func (s *Store) Size(name string) int64 {
	info, err := s.root.Lstat(name + listSuffix)
	if err != nil {
		return 0
	}
	return info.Size()
}

// CopyName returns the file name of a feed's last good copy.
func CopyName(feed string) string { return feed + listSuffix }

// StateName returns the file name of a feed's [State].
func StateName(feed string) string { return feed + stateSuffix }

// FeedOf returns the feed whose last good copy or state is in file.
func FeedOf(file string) (feed string, ofFeed bool) {
	if feed, ofFeed = strings.CutSuffix(file, listSuffix); ofFeed {
		return feed, true
	}
	return strings.CutSuffix(file, stateSuffix)
}

// Stands reports to [Store.OnWrite] that the feed's last good copy is up to date and need
// not be written.
func (s *Store) Stands(name string) { s.wrote(name+listSuffix, nil) }

// ofFeed adds the feed's name to an error.
func ofFeed(name string, err error) error {
	if e, ok := err.(*fetchError); ok {
		e.Feed = name
	}
	return err
}

// readMeta reads the trailer of a file of the given size, and checks that the file
// holds nothing but body and trailer.
func (c *Copy) readMeta(size int64) error {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	line, err := c.lastLine(size, buf)
	if err != nil {
		return err
	}
	meta, why := parseTrailer(line)
	if why != "" {
		return c.damaged(why)
	}
	start := size - int64(len(line)) - 1 // of the trailer
	switch start - meta.Size {
	case 0: // the body ends with a newline, or is empty
	case 1:
		// The newline before the trailer was added when the copy was written; that is
		// only done if the body does not end with one.
		var end [1]byte
		if meta.Size > 0 {
			if _, err := c.file.ReadAt(end[:], meta.Size-1); err != nil {
				return readError(c.path, err)
			}
		}
		if meta.Size == 0 || end[0] == '\n' {
			return c.damaged("there is a newline too many before its trailer")
		}
	default:
		return c.damaged(fmt.Sprintf("%d bytes stand before its trailer, not %d", start, meta.Size))
	}
	c.meta = meta
	return nil
}

// lastLine returns the file's last line, without its newline. It reads from the end in
// growing steps; nearly all trailers fit into the first. The line may be in buf.
func (c *Copy) lastLine(size int64, buf *[bufferSize]byte) ([]byte, error) {
	for step := int64(1 << 10); ; step *= 4 {
		n := min(step, size, maxTrailer+1) // one byte more: the newline before
		tail := buf[:]
		if n > bufferSize {
			tail = make([]byte, n)
		}
		tail = tail[:n]
		if _, err := c.file.ReadAt(tail, size-n); err == io.EOF {
			return nil, c.damaged("it became shorter while it was read")
		} else if err != nil {
			return nil, readError(c.path, err)
		}
		line, ok := bytes.CutSuffix(tail, []byte("\n"))
		if !ok {
			return nil, c.damaged("its last line does not end: it is cut short")
		}
		if i := bytes.LastIndexByte(line, '\n'); i >= 0 {
			return line[i+1:], nil
		}
		switch n {
		case size:
			return line, nil
		case maxTrailer + 1:
			return nil, c.damaged("its last line is too long for a trailer")
		}
	}
}

func (c *Copy) damaged(why string) error { return &DamagedError{Path: c.path, Why: why} }

// Meta returns the metadata of the copy.
func (c *Copy) Meta() Meta { return c.meta }

// Parts reads the body from its start, part by part. Each reader is valid until the
// next iteration; bytes that it has not read are skipped. Reads are not buffered.
//
// Whether the body is intact is only known at its end: if it is damaged, the last
// reader returns a [*DamagedError] instead of [io.EOF]. A caller may stop before the
// end, or drop that error. So it must call [Copy.Verify] afterwards, and use nothing
// that it has read unless that succeeds.
func (c *Copy) Parts() iter.Seq2[Part, io.Reader] {
	return func(yield func(Part, io.Reader) bool) {
		c.rewind()
		for _, part := range c.meta.Parts {
			r := &partReader{c: c, left: part.Size}
			if !yield(part, r) {
				return
			}
			// c.err keeps an error.
			io.Copy(io.Discard, r)
			r.left = 0
		}
	}
}

// Verify reads the rest of the body and checks that the whole body is what was written.
// The error is a [*DamagedError] if it is not, and another one if the file cannot be
// read.
func (c *Copy) Verify() error {
	if c.err == nil {
		buf := buffers.Get().(*[bufferSize]byte)
		defer buffers.Put(buf)
		for c.err == nil {
			c.read(buf[:])
		}
	}
	if c.err == io.EOF {
		return nil
	}
	return c.err
}

// Close closes the file.
func (c *Copy) Close() error { return c.file.Close() }

func (c *Copy) rewind() {
	c.offset, c.err = 0, nil
	c.sum.Reset()
}

// read reads the next bytes of the body, and checks the whole with the last of them.
func (c *Copy) read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.file.ReadAt(p[:min(int64(len(p)), c.meta.Size-c.offset)], c.offset)
	c.sum.Write(p[:n])
	c.offset += int64(n)
	switch {
	case c.offset == c.meta.Size:
		if fmt.Sprintf("%x", c.sum.Sum(nil)) != c.meta.SHA256 {
			c.err = c.damaged("its contents do not match their SHA-256")
			return n, c.err
		}
		c.err = io.EOF
		if n > 0 {
			return n, nil
		}
	case err == io.EOF:
		c.err = c.damaged("it became shorter while it was read")
	case err != nil:
		c.err = readError(c.path, err)
	}
	return n, c.err
}

// A partReader reads one part of a body.
type partReader struct {
	c    *Copy
	left int64
}

func (r *partReader) Read(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case r.left > 0:
		n, err := r.c.read(p[:min(int64(len(p)), r.left)])
		r.left -= int64(n)
		return n, err
	case r.c.offset == r.c.meta.Size: // only read knows whether the body is intact
		return r.c.read(p)
	case r.c.err != nil:
		return 0, r.c.err
	}
	return 0, io.EOF
}
