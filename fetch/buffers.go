package fetch

import (
	"bufio"
	"compress/gzip"
	"io"
	"sync"
)

// bufferSize is the size of every buffer for copying and for writing to disk.
const bufferSize = 32 << 10

// A pool keeps buffers for the next feed: a host may have hundreds of feeds, most of them
// much shorter than one buffer.
type pool[T any] struct {
	free sync.Pool
	make func() T
}

func (p *pool[T]) get() T {
	if b, ok := p.free.Get().(T); ok {
		return b
	}
	return p.make()
}

func (p *pool[T]) put(b T) { p.free.Put(b) }

var (
	buffers  = pool[*[bufferSize]byte]{make: func() *[bufferSize]byte { return new([bufferSize]byte) }}
	writers  = pool[*bufio.Writer]{make: func() *bufio.Writer { return bufio.NewWriterSize(nil, bufferSize) }}
	inflates = pool[*inflate]{make: func() *inflate { return &inflate{in: bufio.NewReaderSize(nil, bufferSize)} }}
)

// An inflate decompresses gzip.
type inflate struct {
	in *bufio.Reader
	gzip.Reader
}

// newInflate returns a pooled inflate of in. close gives it back.
func newInflate(in io.Reader) (z *inflate, err error) {
	z = inflates.get()
	z.in.Reset(in)
	if err := z.Reset(z.in); err != nil {
		z.close()
		return nil, err
	}
	return z, nil
}

func (z *inflate) close() {
	z.in.Reset(nil)
	inflates.put(z)
}
