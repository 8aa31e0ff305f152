package enroll

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// maxFile bounds what is read of a file. The hub's file with 10,000 hosts has some 3 MB.
const maxFile = 32 << 20

// file is a file as it should be.
type file struct {
	Name   string // on the machine, such as /etc/nats-server.conf
	Text   []byte // nil: there is to be none
	Mode   fs.FileMode
	GID    int         // its group; its owner is root
	Folder fs.FileMode // of its folder, if that has to be made; 0: it must be there
}

// errNotPlain is the error for what is no ordinary file, so that nothing is read that blocks or never
// ends, and no link is followed.
var errNotPlain = errors.New("it is a link, or no ordinary file")

// found is a file as it was found.
type found struct {
	text []byte
	mode fs.FileMode
	uid  int
	gid  int
}

// read reads an ordinary file of at most limit bytes. It returns nil for one that is not there.
func read(name string, limit int64) (*found, error) {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errNotPlain}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, syscall.ELOOP):
		return nil, &fs.PathError{Op: "read", Path: name, Err: errNotPlain}
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errNotPlain}
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("it has more than %d bytes", limit)}
	}
	if err != nil {
		return nil, err
	}
	sys := info.Sys().(*syscall.Stat_t)
	return &found{text: text, mode: info.Mode().Perm(), uid: int(sys.Uid), gid: int(sys.Gid)}, nil
}

// isThere reports whether a file below root is as it should be.
func (f file) isThere(root string) (bool, error) {
	now, err := read(filepath.Join(root, f.Name), maxFile)
	switch {
	case err != nil:
		return false, err
	case now == nil || f.Text == nil:
		return now == nil && f.Text == nil, nil
	}
	return bytes.Equal(now.text, f.Text) && now.mode == f.Mode && now.uid == 0 && now.gid == f.GID, nil
}

// differing returns those files that are not as they should be.
func differing(root string, files []file) (changes []file, err error) {
	for _, f := range files {
		same, err := f.isThere(root)
		if err != nil {
			return nil, err
		}
		if !same {
			changes = append(changes, f)
		}
	}
	return changes, nil
}

// names returns the names of files.
func names(files []file) []string {
	all := []string{}
	for _, f := range files {
		all = append(all, f.Name)
	}
	return all
}

// beside is at the end of the name that a file has while it is written.
const beside = ".voipbl-new"

// write writes a file below root in one step: a new one beside it takes its name. What a killed run has
// left there is replaced.
func (f file) write(root string) error {
	dir := filepath.Join(root, path.Dir(f.Name))
	if f.Folder != 0 && f.Text != nil {
		if err := os.MkdirAll(dir, f.Folder); err != nil {
			return err
		}
	}
	folder, err := os.OpenRoot(dir)
	if f.Text == nil && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	name := path.Base(f.Name)
	if err := folder.Remove(name + beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.Text == nil {
		if err := folder.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return sync(folder)
	}
	if err := f.fill(folder, name+beside); err != nil {
		return errors.Join(err, folder.Remove(name+beside))
	}
	if err := folder.Rename(name+beside, name); err != nil {
		return errors.Join(err, folder.Remove(name+beside))
	}
	return sync(folder)
}

// fill writes a new file of that name. Until it has its owner, nobody but root can read it.
func (f file) fill(folder *os.Root, name string) error {
	to, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = to.Write(f.Text)
	return errors.Join(err, to.Chown(0, f.GID), to.Chmod(f.Mode), to.Sync(), to.Close())
}

// sync makes names in a folder outlive a power cut.
func sync(folder *os.Root) error {
	dir, err := folder.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// writeAll writes files in their order.
func writeAll(root string, files []file) error {
	for _, f := range files {
		if err := f.write(root); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}
