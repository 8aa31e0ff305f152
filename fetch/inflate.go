package fetch

import (
	"context"
	"fmt"
	"io"
)

// Inflate stages a compressed (gzip) body of exactly so many bytes, as one part of that name.
func (st *Staged) Inflate(ctx context.Context, name string, from io.Reader, size int64) error {
	st.Part(name)
	z, err := newInflate(from)
	if err != nil {
		return fmt.Errorf("it is not compressed: %w", err)
	}
	defer z.close()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	n, err := io.CopyBuffer(st, io.LimitReader(z, size+1), buf[:])
	switch {
	case st.err != nil:
		return st.err
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("after %d bytes: %w", n, err)
	case n != size:
		return fmt.Errorf("it has not the %d bytes that it is to have", size)
	}
	return st.flush()
}

// Failed returns why nothing more can be staged: an error of the folder. It is nil if there is none.
func (st *Staged) Failed() error { return st.err }
