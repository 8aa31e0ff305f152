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

// journalSuffix is the suffix of a journal: a caller's file to which lines are
// appended.
const journalSuffix = ".journal"

// maxJournal is the largest journal in bytes that is read.
const maxJournal = 256 << 20

// FileState identifies a file and its content: two equal states mean the same file,
// unchanged. The zero FileState means that there is no file.
type FileState struct {
	dev, inode uint64
	size       int64
	modified   time.Time
}

// Exists reports whether the file existed.
func (f FileState) Exists() bool { return f != FileState{} }

// NewerThan reports whether the file was changed later than the other.
func (f FileState) NewerThan(other FileState) bool { return f.modified.After(other.modified) }

// Size returns the length of the file in bytes.
func (f FileState) Size() int64 { return f.size }

// ID returns the device and inode, which identify the file as long as it exists.
func (f FileState) ID() (device, inode uint64) { return f.dev, f.inode }

func fileState(info fs.FileInfo) FileState {
	s := info.Sys().(*syscall.Stat_t)
	return FileState{uint64(s.Dev), s.Ino, info.Size(), info.ModTime()}
}

// JournalName returns the file name of a journal.
func JournalName(name string) string { return name + journalSuffix }

// JournalState returns the state of a journal without reading it.
func (s *Store) JournalState(name string) (FileState, error) { return s.stateOf(name + journalSuffix) }

// JSONState returns the state of a file of [Store.WriteJSON] without reading it.
func (s *Store) JSONState(name string) (FileState, error) { return s.stateOf(name + jsonSuffix) }

func (s *Store) stateOf(file string) (FileState, error) {
	info, err := s.root.Lstat(file)
	return fileStateIf(s.path(file), info, err)
}

// StateOfFile returns the state of a file without an open Store.
func StateOfFile(path string) (FileState, error) {
	info, err := os.Lstat(path)
	return fileStateIf(path, info, err)
}

func fileStateIf(path string, info fs.FileInfo, err error) (FileState, error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return FileState{}, nil
	case err != nil:
		return FileState{}, readError(path, err)
	}
	return fileState(info), nil
}

// JournalEnd returns the state of a journal and whether its last line is complete.
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

// JournalLines counts the lines of a journal without keeping it in memory.
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

// AppendJournal appends lines to a journal and syncs it to disk; it creates the journal
// if there is none. If it fails, the file is unchanged, because half a line would spoil
// the next one. The caller holds a lock.
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
	if before.Size() == 0 { // it may be new
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

// WriteJournal replaces a journal in one step and syncs it to disk.
func (s *Store) WriteJournal(name string, lines []byte) (FileState, error) {
	if err := checkName(name); err != nil {
		return FileState{}, err
	}
	if err := s.writeFile(name+journalSuffix, lines); err != nil {
		return FileState{}, storageError("", s.path(name+journalSuffix), err)
	}
	return s.JournalState(name)
}

// RemoveJournal removes a journal.
func (s *Store) RemoveJournal(name string) error {
	if err := s.root.Remove(name + journalSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError("", s.path(name+journalSuffix), err)
	}
	return nil
}

// damagedSuffix is the suffix of a damaged file that was put aside, so that a person can
// look at it. A number follows it while earlier ones exist.
const damagedSuffix = ".damaged"

// mostAside is how many damaged files of one name are kept.
const mostAside = 9

// asideNames returns the names under which a file is put aside, in order.
func asideNames(file string) []string {
	names := []string{file + damagedSuffix}
	for n := 2; n <= mostAside; n++ {
		names = append(names, fmt.Sprintf("%s%s.%d", file, damagedSuffix, n))
	}
	return names
}

// SetAsideJournal renames a damaged journal and returns its new name.
func (s *Store) SetAsideJournal(name string) (string, error) { return s.setAside(name + journalSuffix) }

// SetAsideJSON renames a damaged file of [Store.WriteJSON] and returns its new name.
func (s *Store) SetAsideJSON(name string) (string, error) { return s.setAside(name + jsonSuffix) }

// AsideJSON returns the paths of the files that [Store.SetAsideJSON] has put aside.
func (s *Store) AsideJSON(name string) (paths []string) {
	for _, file := range asideNames(name + jsonSuffix) {
		if state, err := s.stateOf(file); err == nil && state.Exists() {
			paths = append(paths, s.path(file))
		}
	}
	return paths
}

// setAside renames file to the first free name of asideNames. If none is free, it
// replaces the last one, so that the earlier ones can still be looked at.
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

// RemoveJSON removes a file of [Store.WriteJSON].
func (s *Store) RemoveJSON(name string) error {
	if err := s.root.Remove(name + jsonSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError("", s.path(name+jsonSuffix), err)
	}
	return nil
}

// ReadText returns the text of a file of [Store.WriteJSON]. The error wraps
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
