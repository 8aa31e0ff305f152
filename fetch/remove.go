package fetch

import (
	"errors"
	"io/fs"
)

// PutAside keeps the copy of name under another name too, in place of what had that name.
// It takes no room until name is replaced.
func (s *Store) PutAside(name, as string) error {
	if err := s.Remove(as); err != nil {
		return err
	}
	err := checkName(name)
	if err == nil {
		err = s.root.Link(name+listSuffix, as+listSuffix)
	}
	if err == nil {
		err = s.dir.Sync()
	}
	if err != nil {
		return storageError(name, s.path(as+listSuffix), err)
	}
	return nil
}

// Remove takes a copy away, durably. One that is not there is no error.
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
