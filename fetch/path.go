package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// leftovers are the names that editors and package managers leave beside the
// file that is meant; they are not read from a directory or by a glob.
var leftovers = []string{".*", "*~", "*.bak", "*.swp", "*.dpkg-*", "*.rpm*", "*.tmp"}

// Files is what a path feed stands for: regular files, in the order of their
// names. They are opened one at a time, when they are read.
type Files struct {
	names []string
	max   int64
}

// OpenPath finds the files of a path feed. The pattern is a file, a directory
// (its regular files, and symbolic links to such, but nothing of its
// subdirectories) or a glob as of [filepath.Match]; what exists by that very
// name is never taken for a glob. In a directory or a glob, names that begin
// with a dot or look like an editor's or package manager's leftovers (*~,
// *.bak, *.swp, *.dpkg-*, *.rpm*, *.tmp) and subdirectories are passed over;
// anything else that is not a regular file is an error that names it.
//
// A path that does not exist, and a glob that matches no file, is no files if
// optional, and otherwise an error; an empty directory is no files either way.
// What is there and cannot be looked at is always an error.
//
// All files together may have maxBytes bytes; 0 is [DefaultMaxBytes].
// Errors are of type [*Error].
func OpenPath(pattern string, optional bool, maxBytes int64) (*Files, error) {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	names, err := find(pattern)
	if err != nil && !(optional && errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	return &Files{names: names, max: min(maxBytes, math.MaxInt64-1)}, nil
}

// find returns the full paths of the files a pattern stands for. The error
// wraps [fs.ErrNotExist] only if there is nothing by that name.
func find(pattern string) ([]string, error) {
	if pattern == "" { // which would be made the working directory
		return nil, &Error{Object: `""`, Reason: ReasonAbsent, Err: errors.New("the path is empty")}
	}
	path, err := filepath.Abs(pattern)
	if err != nil {
		return nil, readError(pattern, err)
	}
	info, err := stat(path)
	switch {
	case nothingThere(err) && hasMeta(path):
		return findGlob(path)
	case err != nil:
		return nil, err
	case info.IsDir():
		return findDir(path)
	}
	return regular(nil, path, info)
}

func findDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, readError(dir, err)
	}
	var files []string
	for _, entry := range entries {
		if files, err = appendFound(files, filepath.Join(dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func findGlob(pattern string) ([]string, error) {
	matches, err := glob(pattern)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, path := range matches {
		if files, err = appendFound(files, path); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, &Error{Object: pattern, Reason: ReasonAbsent, Err: fmt.Errorf("no file matches: %w", fs.ErrNotExist)}
	}
	return files, nil
}

// appendFound appends a path that a directory or a glob has brought up,
// unless it is one to pass over.
func appendFound(files []string, path string) ([]string, error) {
	for _, pattern := range leftovers {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok {
			return files, nil
		}
	}
	info, err := stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // removed since it was listed
		return files, nil
	case err != nil:
		return nil, err
	case info.IsDir():
		return files, nil
	}
	return regular(files, path, info)
}

func regular(files []string, path string, info fs.FileInfo) ([]string, error) {
	if !info.Mode().IsRegular() {
		return nil, notRegular(path, info)
	}
	return append(files, path), nil
}

// stat follows symbolic links. One that leads nowhere is there, and so is
// unreadable rather than absent: the admin meant something by it.
func stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil {
		return info, nil
	}
	if _, lerr := os.Lstat(path); lerr == nil && errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Object: path, Reason: ReasonUnreadable, Err: errors.New("the symbolic link leads nowhere")}
	}
	return nil, readError(path, err)
}

// kinds are what else may stand where a regular file should.
var kinds = map[fs.FileMode]string{
	fs.ModeDir:                        "a directory",
	fs.ModeNamedPipe:                  "a FIFO",
	fs.ModeSocket:                     "a socket",
	fs.ModeDevice:                     "a block device",
	fs.ModeDevice | fs.ModeCharDevice: "a character device",
}

func notRegular(path string, info fs.FileInfo) *Error {
	kind := cmp.Or(kinds[info.Mode().Type()], "not a file")
	return &Error{Object: path, Reason: ReasonNotRegular, Err: fmt.Errorf("%s, not a regular file", kind)}
}

// Names returns the full paths of the files.
func (f *Files) Names() []string { return slices.Clone(f.names) }

// Parts opens the files one after another. A part's name is the file's full
// path, its size what the file had when it was opened; one that grows is read
// on, up to the cap. A reader is good until the loop's next turn. What goes
// wrong, in opening the file as well, is the reader's error, an [*Error].
func (f *Files) Parts() iter.Seq2[Part, io.Reader] {
	return func(yield func(Part, io.Reader) bool) {
		left := f.max
		for _, path := range f.names {
			part := Part{Name: path}
			file, info, err := openRegular(path)
			if err != nil {
				if !yield(part, failedReader{err}) {
					return
				}
				continue
			}
			part.Size = info.Size()
			more := yield(part, &boundedReader{file: file, left: &left, max: f.max})
			file.Close()
			if !more {
				return
			}
		}
	}
}

// CopyTo stages the files, a part for each, replacing whatever is staged
// there. The error, if any, is an [*Error], and to then holds nothing of use.
func (f *Files) CopyTo(to *Staged) error {
	if err := to.Reset(); err != nil {
		return err
	}
	buf := make([]byte, bufferSize)
	for part, r := range f.Parts() {
		to.Part(part.Name)
		if _, err := io.CopyBuffer(to, r, buf); err != nil {
			var e *Error
			if errors.As(err, &e) {
				e.Feed = to.name
			}
			return err
		}
	}
	return to.flush()
}

// openRegular opens the file for reading. It was a regular file when it was
// found; should it have become a FIFO since, the open does not wait for a writer.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, readError(path, err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		err = readError(path, err)
	case !info.Mode().IsRegular():
		err = notRegular(path, info)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// A boundedReader reads a file and takes what it reads off the bytes that all
// files may have together.
type boundedReader struct {
	file *os.File
	left *int64 // -1 once there was more
	max  int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if *r.left >= 0 {
		// One more than may be: to see that there is more.
		n, err := r.file.Read(p[:min(int64(len(p)), *r.left+1)])
		*r.left -= int64(n)
		switch {
		case *r.left >= 0 && err != nil && err != io.EOF:
			return n, readError(r.file.Name(), err)
		case *r.left >= 0:
			return n, err
		}
		return n - 1, r.tooLarge()
	}
	return 0, r.tooLarge()
}

func (r *boundedReader) tooLarge() error {
	return &Error{Object: r.file.Name(), Reason: ReasonTooLarge, Err: fmt.Errorf("more than %d bytes, with the feed's files before it", r.max)}
}

// A failedReader is in place of one that could not be had.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

func hasMeta(path string) bool { return strings.ContainsAny(path, `*?[\`) }
