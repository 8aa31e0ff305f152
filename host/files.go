package host

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxFile bounds a file that is read whole. FreePBX writes about 1.5 kB for each
// extension into one file.
const maxFile = 16 << 20

// path is where a file of the host is.
func (l *looker) path(name string) string { return filepath.Join(l.root, name) }

// shown is what such a file is called on the machine itself.
func (l *looker) shown(path string) string { return shownBelow(l.root, path) }

// shownBelow is the name that a file below a root has on the machine itself.
func shownBelow(root, path string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, filepath.Clean(root)), "/")
}

// read reads a file below root.
func (l *looker) read(name string) (string, error) { return ReadFile(l.path(name)) }

// exists reports whether there is something of that name below root.
func (l *looker) exists(name string) bool {
	_, err := os.Stat(l.path(name))
	return err == nil
}

// hostname is the name of the host, below another root that of its /etc/hostname.
func (l *looker) hostname() string {
	if l.real() {
		name, _ := os.Hostname()
		return name
	}
	name, _ := l.read("/etc/hostname")
	return strings.TrimSpace(name)
}

// ReadFile reads a regular file, also of /proc, and nothing that would make it
// wait or fill the memory.
func ReadFile(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe without a writer
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("%s has more than %d MiB", path, maxFile>>20)
	}
	return string(text), nil
}
