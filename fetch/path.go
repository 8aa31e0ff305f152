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
	"strings"

	"golang.org/x/sys/unix"
)

// leftovers are the names of files that editors and package managers leave beside the
// real one. Directories and globs skip them.
var leftovers = []string{".*", "*~", "*.bak", "*.swp", "*.dpkg-*", "*.rpm*", "*.tmp"}

// Files are the regular files of a path feed, sorted by name. Each is opened only when
// it is read.
type Files struct {
	names []string
	max   int64
}

// OpenPath finds the files of a path feed. The pattern is a file, a directory (its
// regular files, and symbolic links to such, but nothing of its subdirectories) or a
// glob as of [filepath.Match]; a path that exists by exactly that name is never taken
// for a glob. A directory or a glob skips subdirectories, names that begin with a dot,
// and leftovers of editors and package managers (*~, *.bak, *.swp, *.dpkg-*, *.rpm*,
// *.tmp). Anything else that is not a regular file is an error that names it.
//
// A path that does not exist, and a glob that matches no file, gives no files if
// optional is true, and otherwise an error. An empty directory gives no files. A path
// that exists and cannot be read is always an error.
//
// All files together may have maxBytes bytes; 0 is defaultMaxBytes.
func OpenPath(pattern string, optional bool, maxBytes int64) (*Files, error) {
	if maxBytes <= 0 {
		maxBytes = defaultMaxBytes
	}
	names, err := find(pattern)
	if err != nil && !(optional && errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	return &Files{names: names, max: min(maxBytes, math.MaxInt64-1)}, nil
}

// find returns the full paths of the files that match a pattern. The error wraps
// [fs.ErrNotExist] only if nothing by that name exists.
func find(pattern string) ([]string, error) {
	if pattern == "" { // filepath.Abs would return the working directory
		return nil, &fetchError{Object: `""`, Reason: ReasonAbsent, Err: errors.New("the path is empty")}
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
		return nil, &fetchError{Object: pattern, Reason: ReasonAbsent, Err: fmt.Errorf("no file matches: %w", fs.ErrNotExist)}
	}
	return files, nil
}

// appendFound appends a path from a directory or a glob, unless it is to be skipped.
func appendFound(files []string, path string) ([]string, error) {
	for _, pattern := range leftovers {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok {
			return files, nil
		}
	}
	info, err := stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // removed after it was listed
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

// stat follows symbolic links. A link to a missing file is unreadable, not absent: the
// admin put it there for a reason.
func stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil {
		return info, nil
	}
	if _, lerr := os.Lstat(path); lerr == nil && errors.Is(err, fs.ErrNotExist) {
		return nil, &fetchError{Object: path, Reason: ReasonUnreadable, Err: errors.New("the symbolic link leads nowhere")}
	}
	return nil, readError(path, err)
}

// kinds names the types of files that are not regular.
var kinds = map[fs.FileMode]string{
	fs.ModeDir:                        "a directory",
	fs.ModeNamedPipe:                  "a FIFO",
	fs.ModeSocket:                     "a socket",
	fs.ModeDevice:                     "a block device",
	fs.ModeDevice | fs.ModeCharDevice: "a character device",
}

func notRegular(path string, info fs.FileInfo) *fetchError {
	kind := cmp.Or(kinds[info.Mode().Type()], "not a file")
	return &fetchError{Object: path, Reason: ReasonNotRegular, Err: fmt.Errorf("%s, not a regular file", kind)}
}

// Parts opens the files one after another. A part's name is the file's full path, its
// size that of the file when it was opened; a file that grows is read further, up to
// the limit. Each reader is valid until the next iteration. All errors, also of opening
// the file, are returned by the reader.
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

// openRegular opens a regular file for reading. If it has become a FIFO since it was
// found, the open does not wait for a writer.
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

// A boundedReader reads a file and subtracts what it reads from the bytes that all
// files together may have.
type boundedReader struct {
	file *os.File
	left *int64 // -1 if there was more
	max  int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if *r.left >= 0 {
		// One byte more than allowed, to see whether there is more.
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
	return &fetchError{Object: r.file.Name(), Reason: ReasonTooLarge, Err: fmt.Errorf("more than %d bytes, with the feed's files before it", r.max)}
}

// A failedReader returns the error of a file that could not be opened.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

func hasMeta(path string) bool { return strings.ContainsAny(path, `*?[\`) }
