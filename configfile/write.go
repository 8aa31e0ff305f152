package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// configMode and configDirMode are for a new configuration, which has no secrets in it. An existing
// file keeps its mode.
const (
	configMode    = 0o644
	configDirMode = 0o755
)

// editedError is a configuration that somebody has edited since it was read.
type editedError struct{ file string }

func (e *editedError) Error() string {
	return e.file + " was changed meanwhile, so nothing is written"
}

// Remedy says what to do about it.
func (e *editedError) Remedy() string { return "run \"voipbl setup\" once more" }

// Unedited returns an error if the file has changed since it was read as old; old is nil if there
// was none.
func Unedited(file string, old []byte) error {
	if now, err := os.ReadFile(file); !bytes.Equal(now, old) || err != nil && old != nil {
		return &editedError{file}
	}
	return nil
}

// Write replaces a file in one step, and keeps the old one beside it. It returns the name of that
// copy, or "" if there was no file.
func Write(file string, old, text []byte, now time.Time) (backup string, err error) {
	real, err := filepath.EvalSymlinks(file)
	switch {
	case err == nil:
		file = real // a link stays a link
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	default:
		if _, err := os.Lstat(file); err == nil {
			return "", fmt.Errorf("%s is a link to a file that is not there", file)
		}
	}
	mode := fs.FileMode(configMode)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	if old != nil {
		if backup, err = writeBackup(file, old, mode, now); err != nil {
			return "", fmt.Errorf("nothing is written, since no copy of the old configuration can be kept: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), configDirMode); err != nil {
		return backup, err
	}
	return backup, renameio.WriteFile(file, text, mode, renameio.WithExistingPermissions())
}

// writeBackup never overwrites another copy: if two are made in the same second, one gets a number.
func writeBackup(file string, text []byte, mode fs.FileMode, now time.Time) (string, error) {
	name := file + ".bak-" + now.Format("20060102-150405")
	for i := 2; ; i++ {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			name = fmt.Sprintf("%s.bak-%s-%d", file, now.Format("20060102-150405"), i)
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(text)
		return name, errors.Join(err, f.Sync(), f.Close())
	}
}
