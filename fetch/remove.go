package fetch

import (
	"errors"
	"io/fs"
	"strings"
)

// PutAside keeps the copy of name under a second name as well, replacing what had that
// name. It takes no disk space until name is replaced.
func (s *Store) PutAside(name, as string) error {
	if err := s.Remove(as); err != nil {
		return err
	}
	err := checkName(name)
	if err == nil {
		err = s.root.Link(name+listSuffix, as+listSuffix)
	}
	if err == nil {
		err = s.syncFolder(as + listSuffix)
	}
	if err != nil {
		return storageError(name, s.path(as+listSuffix), err)
	}
	return nil
}

// Keep keeps the copy of name under a second name as well, unless there is one of that name. It
// takes no disk space until name is replaced, and is not synced: after a power failure it may be
// gone.
func (s *Store) Keep(name, as string) error {
	err := checkName(name)
	if err == nil {
		err = s.root.Link(name+listSuffix, as+listSuffix)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return storageError(name, s.path(as+listSuffix), err)
	}
	return nil
}

// Named returns the names of the copies that begin with prefix, as far as the folder can be read.
func (s *Store) Named(prefix string) (names []string) {
	dir, err := s.root.Open(".")
	if err != nil {
		return nil
	}
	defer dir.Close()
	files, _ := dir.Readdirnames(-1) // those read before an error count
	for _, file := range files {
		if name, ok := strings.CutSuffix(file, listSuffix); ok && strings.HasPrefix(name, prefix) && nameRE().MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// Drop removes a copy that [Store.Keep] has made, if there is one, and does not sync that either.
func (s *Store) Drop(as string) { s.root.Remove(as + listSuffix) }

// Remove removes a copy and syncs the folder. A copy that does not exist is no error.
func (s *Store) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	err := s.root.Remove(name + listSuffix)
	if err == nil {
		err = s.dir.Sync()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError(name, s.path(name+listSuffix), err)
	}
	return nil
}
