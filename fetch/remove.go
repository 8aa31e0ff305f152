package fetch

import (
	"errors"
	"io/fs"
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
