package probe

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxFile is the largest file that is read. FreePBX writes about 1.5 kB for each
// extension into one file.
const maxFile = 16 << 20

// Path returns the path of a file of the machine, below the root of the look.
func (l *Look) Path(name string) string { return filepath.Join(l.root, name) }

// Shown returns the path of a file on the machine itself, without the root of the look.
func (l *Look) Shown(path string) string { return ShownBelow(l.root, path) }

// ShownBelow returns path without root.
func ShownBelow(root, path string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, filepath.Clean(root)), "/")
}

// Read reads a file of the machine by its name there, as [ReadFile] does.
func (l *Look) Read(name string) (string, error) { return ReadFile(l.Path(name)) }

// Exists reports whether the machine has a file or a folder of that name.
func (l *Look) Exists(name string) bool {
	_, err := os.Stat(l.Path(name))
	return err == nil
}

// Hostname returns the name of the host; below another root, the name in its
// /etc/hostname.
func (l *Look) Hostname() string {
	if l.Real() {
		name, _ := os.Hostname()
		return name
	}
	name, _ := l.Read("/etc/hostname")
	return strings.TrimSpace(name)
}

// ReadFile reads a regular file, also in /proc. It refuses files that could block or
// fill the memory.
func ReadFile(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // does not wait at a pipe without a writer
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
