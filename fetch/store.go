package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

const (
	dirMode  = 0o750
	fileMode = 0o640
	// listSuffix is the suffix of a copy, stateSuffix that of a feed's [State]. They
	// differ from ".json", so that no feed's name collides with a caller's file (see
	// [Store.WriteJSON]).
	listSuffix, stateSuffix, jsonSuffix = ".list", ".state", ".json"
)

// maxName is the longest name in bytes. With a suffix and the digits of a temporary
// file it stays below the kernel's limit of 255.
const maxName = 200

var (
	nameRE = lazyregexp.New(`^[a-z0-9_-][a-z0-9._-]*$`)
	// ownRE matches the names of all files of a store, except temporary ones and those
	// put aside.
	ownRE = lazyregexp.New(`^[a-z0-9_-][a-z0-9._-]*\.(list|state|json|journal)$`)
	// tempRE matches the names of renameio's temporary files: a dot, the final name, a
	// random number. No other file of a store begins with a dot.
	tempRE = lazyregexp.New(`^\.[a-z0-9_-][a-z0-9._-]*\.(list|state|json|journal)[0-9]+$`)
)

// A Store is the folder with the last good copies. It opens no file outside of that
// folder, whatever symbolic links are in it.
//
// Its methods are safe for concurrent use; a reader sees the old file or the new one.
// Callers hold a lock so that only one process writes at a time.
type Store struct {
	root *os.Root
	dir  *os.File // the same folder, for calls that os.Root does not have
	note func(file string, err error)

	mu     sync.Mutex
	rounds int      // that have begun and not ended
	late   []string // files that were renamed since the folder was last synced
}

// OnWrite sets a function that is called after each attempt to write a file of the folder,
// with its error or nil. Call it before the Store is used. note may be called concurrently.
func (s *Store) OnWrite(note func(file string, err error)) { s.note = note }

// wrote passes the result of an attempt to write a file to the function of OnWrite, and
// returns err.
func (s *Store) wrote(file string, err error) error {
	if s.note != nil {
		s.note(file, err)
	}
	return err
}

// FindStore is [OpenStore] for readers: it does not create the folder; the error wraps
// [fs.ErrNotExist] if there is none.
func FindStore(dir string) (*Store, error) {
	if _, err := os.Lstat(dir); err != nil {
		return nil, storageError("", dir, err)
	}
	return openFolder(dir)
}

// OpenStore opens the folder, and creates it (mode 0750, its parents 0755) if it does
// not exist.
//
// It refuses a folder that group or others may write to, or that belongs to neither
// root nor this user: anyone who can write there decides what this host blocks. It does
// not check the folders above.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, storageError("", dir, err)
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, storageError("", dir, err)
	}
	return openFolder(dir)
}

func openFolder(dir string) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, storageError("", dir, err)
	}
	self, err := root.Open(".")
	if err == nil {
		err = private(self)
	}
	s := &Store{root: root, dir: self}
	if err != nil {
		s.Close()
		return nil, storageError("", dir, err)
	}
	return s, nil
}

func private(dir *os.File) error {
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode(); mode&0o022 != 0 {
		return fmt.Errorf("group or others may write to it (%v): chmod go-w", mode)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 && int(uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, not to root or user %d: chown", uid, os.Geteuid())
	}
	return nil
}

// Largest returns the largest file of a folder that is replaced as a whole, and its
// length in bytes. The name is empty if there is none.
func Largest(dir string) (file string, size int64) {
	folder, err := os.Open(dir)
	if err != nil {
		return "", 0
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1) // those read before an error count
	var info unix.Stat_t
	for _, name := range names {
		if unix.Fstatat(int(folder.Fd()), name, &info, unix.AT_SYMLINK_NOFOLLOW) == nil && info.Mode&unix.S_IFMT == unix.S_IFREG && info.Size > size && ownRE().MatchString(name) {
			file, size = name, info.Size
		}
	}
	return file, size
}

// Close closes the folder. Its open files stay usable.
func (s *Store) Close() error {
	s.dir.Close()
	return s.root.Close()
}

// Sweep removes temporary files that a killed run has left behind; those of small
// values ([Store.WriteJSON]) only after an hour. The caller holds the locks under which
// copies are staged.
func (s *Store) Sweep() error {
	dir, err := s.root.Open(".")
	if err != nil {
		return storageError("", s.root.Name(), err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return storageError("", s.root.Name(), err)
	}
	var errs []error
	for _, name := range names {
		if !strings.HasPrefix(name, ".") || !tempRE().MatchString(name) || s.inUse(name) {
			continue
		}
		if err := s.root.Remove(name); err != nil {
			errs = append(errs, storageError("", s.path(name), err))
		}
	}
	return errors.Join(errs...)
}

// writing is how long writing a small value may take. A younger temporary file may
// belong to another process, which needs no lock to write it.
const writing = time.Hour

// inUse reports whether another process may still be writing a temporary file, or it is a
// folder. Copies are not in use: they are staged under the lock that the caller of Sweep
// holds.
func (s *Store) inUse(temp string) bool {
	info, err := s.root.Lstat(temp)
	if err != nil || info.IsDir() {
		return err == nil
	}
	small := strings.Contains(temp, jsonSuffix) || strings.Contains(temp, journalSuffix)
	return small && time.Since(info.ModTime()).Abs() < writing
}

// path returns the file's path for messages; it is never opened.
func (s *Store) path(file string) string { return filepath.Join(s.root.Name(), file) }

// checkName refuses a name that could reach outside of the folder. The configuration
// should have refused it already.
func checkName(name string) error {
	if len(name) > maxName || !nameRE().MatchString(name) {
		return &fetchError{
			Feed: name, Object: "the feed's name", Reason: ReasonStorage,
			Err: fmt.Errorf("not 1 to %d of a-z, 0-9, '.', '_' and '-', beginning with another than '.'", maxName),
		}
	}
	return nil
}

// create makes the temporary file that is to become file. Its name is random and it is
// opened with O_EXCL, so that it never writes to a planted file.
func (s *Store) create(file string) (*renameio.PendingFile, error) {
	return renameio.NewPendingFile(file, renameio.WithRoot(s.root), renameio.WithPermissions(fileMode))
}

// replace renames the temporary file to its final name. It syncs the file before the
// rename and the folder after it.
func (s *Store) replace(temp *renameio.PendingFile, file string) error {
	if err := temp.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return s.syncFolder(file)
}

// syncFolder syncs the folder, in which a file was renamed, or leaves that to the end of the round.
func (s *Store) syncFolder(file string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rounds > 0 {
		s.late = append(s.late, file)
		return nil
	}
	return s.dir.Sync()
}

// Round begins a round in which many files are written. Each is synced as ever, but the
// folder only once, by end: after a power failure before that, a file may be the old one,
// whole, although it was written. The error is the sync's; [Store.OnWrite] is told of it for
// each file.
func (s *Store) Round() (end func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rounds++
	return s.endRound
}

func (s *Store) endRound() error {
	s.mu.Lock()
	s.rounds--
	late := s.late
	if s.rounds > 0 || len(late) == 0 {
		s.mu.Unlock()
		return nil
	}
	s.late = nil
	err := s.dir.Sync()
	s.mu.Unlock()
	if err == nil {
		return nil
	}
	err = storageError("", s.root.Name(), err)
	for _, file := range late {
		s.wrote(file, err)
	}
	return err
}

// openFile opens a regular file of the folder for reading. An error may be
// a [*DamagedError].
func (s *Store) openFile(file string) (*os.File, fs.FileInfo, error) {
	path := s.path(file)
	// os.Root would follow a link to another file of the folder. The name is a single
	// element, so this open stays in the folder; the flags keep it from following a
	// link and from waiting at a FIFO.
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(s.dir.Fd()), file, flags, 0)
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		return nil, nil, &DamagedError{Path: path, Why: "a symbolic link or a socket, not a regular file"}
	case err != nil:
		return nil, nil, readError(path, fmt.Errorf("open: %w", err))
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	switch {
	case err != nil:
		err = readError(path, err)
	case !info.Mode().IsRegular():
		err = &DamagedError{Path: path, Why: notRegular(path, info).Err.Error()}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
