package secrets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/voipbl/voipbl/fetch"
)

func TestSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := Find(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	store, err := fetch.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := Read(store); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none yet: %v", err)
	}
	first, err := Ensure(store)
	if err != nil || len(first.HEP) < 20 || len(first.AMI) < 20 || first.HEP == first.AMI {
		t.Fatalf("%+v %v", first, err)
	}
	if found, err := Find(dir); found != first || err != nil {
		t.Errorf("%+v %v", found, err)
	}
	path := filepath.Join(dir, "pbx.json")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("%v %v", info, err)
	}
	for range 2 {
		if again, err := Ensure(store); err != nil || again != first {
			t.Errorf("again: %+v %v", again, err)
		}
	}
	first.RunsAs = "4711"
	for range 2 {
		if err := Found(store, first, "4711"); err != nil {
			t.Error(err)
		}
		if err := Found(store, Secrets{HEP: first.HEP, AMI: first.AMI}, "4711"); err != nil {
			t.Error(err)
		}
		if again, err := Ensure(store); err != nil || again != first {
			t.Errorf("whom it runs as: %+v %v", again, err)
		}
	}
	for name, text := range map[string]string{"damaged": "{", "without one": `{"hep": "x"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Ensure(store); err != nil || s.HEP == "" || s.HEP == "x" || s.AMI == "" {
			t.Errorf("%s: %+v %v", name, s, err)
		}
	}
	if err := Remove(store); err != nil {
		t.Error(err)
	}
	if _, err := Read(store); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}
