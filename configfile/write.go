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
type editedError struct{ file, command string }

func (e *editedError) Error() string {
	return e.file + " was changed meanwhile, so nothing is written"
}

// Remedy says what to do about it.
func (e *editedError) Remedy() string { return fmt.Sprintf("run \"%s\" once more", e.command) }

// Unedited returns an error if the file has changed since a command has read it as old; old is nil if
// there was none.
func Unedited(file string, old []byte, command string) error {
	if now, err := os.ReadFile(file); !bytes.Equal(now, old) || err != nil && old != nil {
		return &editedError{file, command}
	}
	return nil
}

// Write replaces a file in one step, and keeps the old one beside it. It returns the name of that
// copy, or "" if there was no file.
func Write(file string, old, text []byte, now time.Time) (backup string, err error) {
	file, mode, err := target(file)
	if err != nil {
		return "", err
	}
	if old != nil {
		if backup, err = writeBackup(file, old, mode, now); err != nil {
			return "", fmt.Errorf("nothing is written, since no copy of the old configuration can be kept: %w", err)
		}
	}
	return backup, replace(file, text, mode)
}

// Replace replaces a file in one step, without a copy of the old one. It is for changes that the program
// itself takes back.
func Replace(file string, text []byte) error {
	file, mode, err := target(file)
	if err != nil {
		return err
	}
	return replace(file, text, mode)
}

// target returns the file that a name leads to, so that a link stays a link, and its mode.
func target(file string) (real string, mode fs.FileMode, err error) {
	real, err = filepath.EvalSymlinks(file)
	switch {
	case err == nil:
		file = real
	case !errors.Is(err, fs.ErrNotExist):
		return "", 0, err
	default:
		if _, err := os.Lstat(file); err == nil {
			return "", 0, fmt.Errorf("%s is a link to a file that is not there", file)
		}
	}
	mode = configMode
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	return file, mode, nil
}

func replace(file string, text []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), configDirMode); err != nil {
		return err
	}
	return renameio.WriteFile(file, text, mode, renameio.WithExistingPermissions())
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
