package configfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWriteThroughLinks: a link stays a link, and a dangling one is an error.
func TestWriteThroughLinks(t *testing.T) {
	dir := t.TempDir()
	file, link, nowhere := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "voipbl.yaml"), filepath.Join(dir, "nowhere.yaml")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink(file, link), os.Symlink(filepath.Join(dir, "gone"), nowhere)); err != nil {
		t.Fatal(err)
	}
	backup, err := Write(link, []byte("old"), []byte("new"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{file: "new", backup: "old"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v", name, got, err)
		}
	}
	if target, err := os.Readlink(link); err != nil || target != file {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if _, err := Write(nowhere, nil, []byte("new"), time.Now()); err == nil {
		t.Error("a link that leads nowhere was written over")
	}
}
