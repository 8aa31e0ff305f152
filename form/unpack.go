package form

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

// maxMemory is how much memory unpacking may take, in bytes. "xz -9" and "zstd --long" ask for
// more; a list of a million entries gains nothing by it.
const maxMemory = 16 << 20

// unpack returns the unpacked body if it is compressed; nil if it is not.
func (s Source) unpack(r *Reader, in *bufio.Reader) (io.Reader, error) {
	head, _ := in.Peek(len(xzMagic))
	starts := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case starts("\x1f\x8b"):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, packedError("gzip", err)
		}
		return &packed{"gzip", z}, nil
	case starts(xzMagic):
		z, err := xz.NewReader(in, maxMemory)
		if err != nil {
			return nil, packedError("xz", err)
		}
		return &packed{"xz", z}, nil
	case starts("\x28\xb5\x2f\xfd"):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxMemory))
		if err != nil {
			return nil, packedError("zstd", err)
		}
		r.close = append(r.close, z.Close)
		return &packed{"zstd", z}, nil
	case starts("PK\x03\x04"), starts("PK\x05\x06"):
		return s.unzip(r, in)
	}
	return nil, nil
}

const xzMagic = "\xfd7zXZ\x00"

// unzip returns the one file of a zip. Its name is not used.
func (s Source) unzip(r *Reader, in io.Reader) (io.Reader, error) {
	file, err := s.Scratch()
	if err != nil {
		return nil, err
	}
	r.close = append(r.close, func() { file.Close() })
	size, err := io.Copy(file, &limited{in: in, left: s.MaxBytes, max: s.MaxBytes})
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(file, size)
	if err != nil {
		return nil, packedError("zip", err)
	}
	var members []*zip.File
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, "/") {
			members = append(members, f)
		}
	}
	switch {
	case len(members) != 1:
		return nil, &Mismatch{fmt.Sprintf("a zip with %d files", len(members)), "a zip may hold one file: unpack it, or choose another download"}
	case members[0].Flags&1 != 0:
		return nil, &Mismatch{"an encrypted zip", "unpack it first"}
	}
	member, err := members[0].Open()
	if err != nil {
		return nil, packedError("zip", err)
	}
	r.close = append(r.close, func() { member.Close() })
	return &packed{"zip", member}, nil
}

// packed names the compression in errors.
type packed struct {
	kind string
	in   io.Reader
}

func (p *packed) Read(to []byte) (int, error) {
	n, err := p.in.Read(to)
	if err != nil && err != io.EOF {
		err = packedError(p.kind, err)
	}
	return n, err
}

// packedError says what is wrong with a compressed body. An error of its source passes as it is.
func packedError(kind string, err error) error {
	var known interface {
		Explain() (reason, what, remedy string)
	}
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, xz.ErrBuf):
		return &brokenError{what: "the " + kind + " file ends in the middle", cut: true}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, xz.ErrMemlimit):
		return &brokenError{what: fmt.Sprintf("unpacking the %s file takes more than %d MiB of memory", kind, maxMemory>>20), large: true}
	}
	return &brokenError{what: fmt.Sprintf("the %s file is damaged: %v", kind, err), damaged: true}
}

// limited refuses a body of more than max bytes.
type limited struct {
	in        io.Reader
	left, max int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.in.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return 0, &brokenError{what: fmt.Sprintf("more than %d bytes when unpacked and read", l.max), large: true}
	}
	return n, err
}
