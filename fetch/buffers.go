package fetch

import (
	"bufio"
	"compress/gzip"
	"io"
	"sync"
)

// bufferSize is the size of every buffer for copying and for writing to disk.
const bufferSize = 32 << 10

// Buffers are kept for the next feed: a host may have hundreds of feeds, most of them much
// shorter than one buffer.
var (
	buffers  = sync.Pool{New: func() any { return new([bufferSize]byte) }}
	writers  = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, bufferSize) }}
	inflates = sync.Pool{New: func() any { return &inflate{in: bufio.NewReaderSize(nil, bufferSize)} }}
)

// An inflate decompresses gzip.
type inflate struct {
	in *bufio.Reader
	gzip.Reader
}

// newInflate returns a pooled inflate of in. close gives it back.
func newInflate(in io.Reader) (z *inflate, err error) {
	z = inflates.Get().(*inflate)
	z.in.Reset(in)
	if err := z.Reset(z.in); err != nil {
		z.close()
		return nil, err
	}
	return z, nil
}

func (z *inflate) close() {
	z.in.Reset(nil)
	inflates.Put(z)
}
