package fetch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// glob returns the paths that match the pattern, an absolute path, sorted. Unlike
// [filepath.Glob] it returns an error for a directory that exists and cannot be read: a
// blocklist must not lose its entries silently.
func glob(pattern string) ([]string, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, &fetchError{Object: pattern, Reason: ReasonAbsent, Err: err}
	}
	found := []string{string(filepath.Separator)}
	for elem := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		var next []string
		for _, dir := range found {
			paths, err := globIn(dir, elem)
			if err != nil {
				return nil, err
			}
			next = append(next, paths...)
		}
		found = next
	}
	return found, nil
}

// globIn returns the names in dir that match elem, one element of a pattern. It returns
// none if dir does not exist or is not a directory.
func globIn(dir, elem string) ([]string, error) {
	if !hasMeta(elem) {
		path := filepath.Join(dir, elem)
		_, err := os.Lstat(path)
		switch {
		case err == nil:
			return []string{path}, nil
		case nothingThere(err):
			return nil, nil
		}
		return nil, readError(path, err)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case nothingThere(err):
		return nil, nil
	case err != nil:
		return nil, readError(dir, err)
	}
	var paths []string
	for _, entry := range entries {
		if ok, _ := filepath.Match(elem, entry.Name()); ok {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths, nil
}

func nothingThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
