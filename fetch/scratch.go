package fetch

import (
	"os"
	"path/filepath"
)

// A ScratchFile is a file of the state folder that has no name any more: it is gone when it is
// closed.
type ScratchFile struct {
	*os.File
	path string
}

// Write is that of [os.File], with an error that says what to do.
func (f *ScratchFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if err != nil {
		return n, storageError("", f.path, err)
	}
	return n, nil
}

// Scratch returns an empty file. The caller closes it.
func (s *Store) Scratch() (*ScratchFile, error) {
	const file = "scratch"
	temp, err := s.create(file)
	if err != nil {
		return nil, storageError("", s.path(file), err)
	}
	if err := s.root.Remove(filepath.Base(temp.Name())); err != nil {
		temp.Cleanup()
		return nil, storageError("", s.path(file), err)
	}
	return &ScratchFile{temp.File, s.path(file)}, nil
}
