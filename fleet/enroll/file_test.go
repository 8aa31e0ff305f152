package enroll

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testskip"
)

// TestWriteFiles: a file gets its text, mode and group in one step, and what a killed run has left beside it
// does not stand in the way.
func TestWriteFiles(t *testing.T) {
	testskip.UnlessRoot(t)
	root := t.TempDir()
	f := file{Name: "/etc/made/for/it", Text: []byte("new"), Mode: 0o640, GID: 3, Folder: 0o755}
	if same, err := f.isThere(root); err != nil || same {
		t.Fatalf("there before it is written: %v, %v", same, err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "etc/made/for"), 0o755), os.WriteFile(filepath.Join(root, f.Name+beside), []byte("left"), 0o666)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.write(root); err != nil {
			t.Fatal(err)
		}
		if same, err := f.isThere(root); err != nil || !same {
			t.Fatalf("not there after it was written: %v, %v", same, err)
		}
	}
	all, err := os.ReadDir(filepath.Join(root, "etc/made/for"))
	if err != nil || len(all) != 1 {
		t.Errorf("beside it: %v, %v", all, err)
	}
	f.Text = nil
	for range 2 {
		if err := f.write(root); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := read(filepath.Join(root, f.Name), maxFile); now != nil || err != nil {
		t.Errorf("still there: %v, %v", now, err)
	}
	if err := (file{Name: "/nowhere/at/all"}).write(root); err != nil {
		t.Errorf("removing what is in no folder: %v", err)
	}
	if err := (file{Name: "/nowhere/at/all", Text: []byte{}}).write(root); err == nil {
		t.Error("a folder was made that nobody asked for")
	}
}

// TestFilesDiffer: each property that differs is a reason to write a file anew.
func TestFilesDiffer(t *testing.T) {
	testskip.UnlessRoot(t)
	want := file{Name: "/f", Text: []byte("text"), Mode: 0o640, GID: 3}
	for what, now := range map[string]func(name string) error{
		"text":  func(name string) error { return os.WriteFile(name, []byte("texT"), 0o640) },
		"mode":  func(name string) error { return os.Chmod(name, 0o644) },
		"group": func(name string) error { return os.Chown(name, 0, 4) },
		"owner": func(name string) error { return os.Chown(name, 4, 3) },
		"none":  os.Remove,
	} {
		root := t.TempDir()
		if err := errors.Join(want.write(root), now(filepath.Join(root, want.Name))); err != nil {
			t.Fatal(err)
		}
		if changes, err := differing(root, []file{want}); err != nil || len(changes) != 1 {
			t.Errorf("another %s: %v, %v", what, names(changes), err)
		}
	}
}

// TestReadOnlyPlainFiles: what could block, never end or lead elsewhere is not read.
func TestReadOnlyPlainFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("plain"), []byte("12345"), 0o600), os.Symlink("plain", at("link")), os.Symlink("nowhere", at("dangling")), unix.Mkfifo(at("fifo"), 0o600), os.Mkdir(at("folder"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{at("link"), at("dangling"), at("fifo"), at("folder"), "/dev/zero"} {
		if now, err := read(name, 10); !errors.Is(err, errNotPlain) || now != nil {
			t.Errorf("%s: %v, %v", name, now, err)
		}
	}
	if now, err := read(at("plain"), 5); err != nil || string(now.text) != "12345" {
		t.Errorf("a plain file: %v, %v", now, err)
	}
	if _, err := read(at("plain"), 4); err == nil || !strings.Contains(err.Error(), "more than 4 bytes") {
		t.Errorf("a file that is too large: %v", err)
	}
	if now, err := read(at("none"), 4); now != nil || err != nil {
		t.Errorf("none: %v, %v", now, err)
	}
}

// TestWriteFilesOverLinks: a link is replaced by the file, and what it leads to stays as it is.
func TestWriteFilesOverLinks(t *testing.T) {
	testskip.UnlessRoot(t)
	root := t.TempDir()
	other := filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, []byte("other"), 0o600), os.Symlink(other, filepath.Join(root, "f")), os.Symlink(other, filepath.Join(root, "f"+beside))); err != nil {
		t.Fatal(err)
	}
	if err := (file{Name: "/f", Text: []byte("ours"), Mode: 0o600}).write(root); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(other); err != nil || string(text) != "other" {
		t.Errorf("what the link led to: %q, %v", text, err)
	}
	if info, err := os.Lstat(filepath.Join(root, "f")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link: %v, %v", info, err)
	}
}

// TestWriteFilesOnFullDisk: on a full disk the old file stays, with nothing beside it.
func TestWriteFilesOnFullDisk(t *testing.T) {
	testskip.UnlessRoot(t)
	root := t.TempDir()
	if err := unix.Mount("none", root, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(root, unix.MNT_DETACH)
	old := file{Name: "/f", Text: []byte("old"), Mode: 0o600}
	if err := old.write(root); err != nil {
		t.Fatal(err)
	}
	if err := (file{Name: "/f", Text: make([]byte, 1<<20), Mode: 0o600}).write(root); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a full disk: %v", err)
	}
	if same, err := old.isThere(root); err != nil || !same {
		t.Errorf("the old file: %v, %v", same, err)
	}
	if all, err := os.ReadDir(root); err != nil || len(all) != 1 {
		t.Errorf("beside it: %v, %v", all, err)
	}
}
