package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// journalSuffix is that of a file of the caller's own to which lines are appended.
const journalSuffix = ".journal"

// maxJournal bounds such a file when it is read.
const maxJournal = 256 << 20

// FileState tells whether a file is the one that was seen before, with the same content.
// The zero FileState is that of a file that is not there.
type FileState struct {
	dev, inode uint64
	size       int64
	modified   time.Time
}

// Exists reports whether there was a file.
func (f FileState) Exists() bool { return f != FileState{} }

// NewerThan reports whether the file was changed after another one was.
func (f FileState) NewerThan(other FileState) bool { return f.modified.After(other.modified) }

// Size is the length of the file in bytes.
func (f FileState) Size() int64 { return f.size }

// ID tells the file from all others that are there now.
func (f FileState) ID() (device, inode uint64) { return f.dev, f.inode }

func fileState(info fs.FileInfo) FileState {
	s := info.Sys().(*syscall.Stat_t)
	return FileState{uint64(s.Dev), s.Ino, info.Size(), info.ModTime()}
}

// JournalName is the name of the file of a journal.
func JournalName(name string) string { return name + journalSuffix }

// JournalState looks at a journal without reading it.
func (s *Store) JournalState(name string) (FileState, error) { return s.stateOf(name + journalSuffix) }

// JSONState looks at the file of [Store.WriteJSON] without reading it.
func (s *Store) JSONState(name string) (FileState, error) { return s.stateOf(name + jsonSuffix) }

func (s *Store) stateOf(file string) (FileState, error) {
	info, err := s.root.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return FileState{}, nil
	case err != nil:
		return FileState{}, readError(s.path(file), err)
	}
	return fileState(info), nil
}

// JournalEnd looks whether a journal is there and ends with a whole line.
func (s *Store) JournalEnd(name string) (state FileState, whole bool, err error) {
	f, info, err := s.openFile(name + journalSuffix)
	if err != nil {
		return FileState{}, false, err
	}
	defer f.Close()
	var last [1]byte
	if info.Size() > 0 {
		if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
			return FileState{}, false, readError(f.Name(), err)
		}
	}
	return fileState(info), last[0] == '\n', nil
}

// JournalLines counts the lines of a journal, and keeps nothing of it in memory.
func (s *Store) JournalLines(name string) (n int, err error) {
	f, _, err := s.openFile(name + journalSuffix)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, bufferSize)
	for {
		got, err := f.Read(buf)
		n += bytes.Count(buf[:got], []byte{'\n'})
		switch err {
		case nil:
		case io.EOF:
			return n, nil
		default:
			return 0, readError(f.Name(), err)
		}
	}
}

// ReadJournal reads a journal; one that is not there is empty.
func (s *Store) ReadJournal(name string) ([]byte, FileState, error) {
	if err := checkName(name); err != nil {
		return nil, FileState{}, err
	}
	f, info, err := s.openFile(name + journalSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, FileState{}, nil
	case err != nil:
		return nil, FileState{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	switch {
	case err != nil:
		return nil, FileState{}, readError(f.Name(), err)
	case len(text) > maxJournal:
		return nil, FileState{}, &DamagedError{Path: f.Name(), Why: fmt.Sprintf("it has more than %d bytes", maxJournal)}
	}
	return text, fileState(info), nil
}

// AppendJournal appends lines to a journal, durably; it is made if it is not there. If
// it fails the file is as it was: half a line would spoil the next one. The caller holds
// a lock.
func (s *Store) AppendJournal(name string, lines []byte) (FileState, error) {
	state, err := s.appendJournal(name, lines)
	if err != nil {
		return FileState{}, storageError("", s.path(name+journalSuffix), err)
	}
	return state, nil
}

func (s *Store) appendJournal(name string, lines []byte) (FileState, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(s.dir.Fd()), name+journalSuffix, flags, fileMode)
	if err != nil {
		return FileState{}, fmt.Errorf("open: %w", err)
	}
	f := os.NewFile(uintptr(fd), s.path(name+journalSuffix))
	defer f.Close()
	before, err := f.Stat()
	if err == nil && !before.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return FileState{}, err
	}
	_, err = f.Write(lines)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Truncate(before.Size())
		return FileState{}, err
	}
	if before.Size() == 0 { // it may have just been made
		if err := s.dir.Sync(); err != nil {
			return FileState{}, err
		}
	}
	after, err := f.Stat()
	if err != nil {
		return FileState{}, err
	}
	return fileState(after), nil
}

// WriteJournal replaces a journal, durably and in one step.
func (s *Store) WriteJournal(name string, lines []byte) (FileState, error) {
	if err := checkName(name); err != nil {
		return FileState{}, err
	}
	if err := s.writeFile(name+journalSuffix, lines); err != nil {
		return FileState{}, storageError("", s.path(name+journalSuffix), err)
	}
	return s.JournalState(name)
}

// RemoveJournal takes a journal away.
func (s *Store) RemoveJournal(name string) error {
	if err := s.root.Remove(name + journalSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError("", s.path(name+journalSuffix), err)
	}
	return nil
}

// damagedSuffix is that of a file that could not be understood and was put aside, for
// whoever wants to look at it. A number comes after it while earlier ones are still there.
const damagedSuffix = ".damaged"

// mostAside is how many files of one name are put aside.
const mostAside = 9

// asideNames are the names that a file is put aside as, in order.
func asideNames(file string) []string {
	names := []string{file + damagedSuffix}
	for n := 2; n <= mostAside; n++ {
		names = append(names, fmt.Sprintf("%s%s.%d", file, damagedSuffix, n))
	}
	return names
}

// SetAsideJournal gives a journal another name, which it returns.
func (s *Store) SetAsideJournal(name string) (string, error) { return s.setAside(name + journalSuffix) }

// SetAsideJSON gives the file of [Store.WriteJSON] another name, which it returns.
func (s *Store) SetAsideJSON(name string) (string, error) { return s.setAside(name + jsonSuffix) }

// AsideJSON are the paths of the files that [Store.SetAsideJSON] has put aside.
func (s *Store) AsideJSON(name string) (paths []string) {
	for _, file := range asideNames(name + jsonSuffix) {
		if state, err := s.stateOf(file); err == nil && state.Exists() {
			paths = append(paths, s.path(file))
		}
	}
	return paths
}

// setAside writes over the last of the names only, so that what is there of the others
// can still be looked at.
func (s *Store) setAside(file string) (string, error) {
	var aside string
	for _, aside = range asideNames(file) {
		if state, err := s.stateOf(aside); err == nil && !state.Exists() {
			break
		}
	}
	if err := s.root.Rename(file, aside); err != nil {
		return "", storageError("", s.path(file), err)
	}
	return s.path(aside), s.dir.Sync()
}

// RemoveJSON takes the file of [Store.WriteJSON] away.
func (s *Store) RemoveJSON(name string) error {
	if err := s.root.Remove(name + jsonSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError("", s.path(name+jsonSuffix), err)
	}
	return nil
}

// ReadText reads the text of the file of [Store.WriteJSON]; the error wraps
// [fs.ErrNotExist] if there is none.
func (s *Store) ReadText(name string) ([]byte, error) {
	f, _, err := s.openFile(name + jsonSuffix)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return nil, readError(f.Name(), err)
	}
	return text, nil
}
