package fetch

import (
	"errors"
	"io/fs"
)

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
