package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestPast: what another process has written, damaged or removed is seen, and what is as before
// is not read again.
func TestPast(t *testing.T) {
	cfg := testvalue.Config(t, "state_dir: "+t.TempDir()+"/state\nfeeds: [{name: a, url: \"https://a.example/\"}]")
	d, f := &daemon{}, cfg.Feeds[0]
	d.shared.Store(&cfg)
	if got := d.past(f); got != (attempts{}) {
		t.Errorf("without a state folder: %+v", got)
	}
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	keep := func() {
		st, err := store.Stage("a")
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Commit(fetch.Meta{Source: f.URL.ID()}); err != nil {
			t.Fatal(err)
		}
	}
	last := time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC)
	set := func(failures int) {
		s := fetch.State{LastAttempt: last, Failures: failures}
		if failures > 0 {
			s.LastError, s.Reason = "it is broken", "status"
		}
		if err := store.SetState("a", s); err != nil {
			t.Fatal(err)
		}
	}
	keep()
	set(0)
	copied := filepath.Join(cfg.StateDir, fetch.CopyName("a"))
	for _, step := range []struct {
		name string
		do   func()
		want attempts
	}{
		{"fetched", func() {}, attempts{last: last}},
		{"failed", func() { set(12) }, attempts{last: last, failures: 12, reason: "status"}},
		{"fetched again", func() { set(0) }, attempts{last: last}},
		{"the copy is cut", func() { os.Truncate(copied, 5) }, attempts{last: last, other: true}},
		{"the copy is gone", func() { os.Remove(copied) }, attempts{last: last, other: true}},
		{"there is one again", keep, attempts{last: last}},
	} {
		step.do()
		for range 2 {
			if got := d.past(f); got != step.want {
				t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
			}
		}
	}
	// With few descriptors some files can be read and others not.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	want, failed := attempts{last: last}, 0
	for few := uint64(0); ; few++ {
		d := &daemon{}
		d.shared.Store(&cfg)
		unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: few, Max: limit.Max})
		got := d.past(f)
		unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		if later := d.past(f); later != want {
			t.Errorf("after %d descriptors: %+v, want %+v", few, later, want)
		}
		if got == want {
			break
		}
		failed++
	}
	if failed == 0 {
		t.Error("descriptors never ran out")
	}
	// The folder is gone for a while, and the URL changes.
	moved := cfg.StateDir + "2"
	if err := os.Rename(cfg.StateDir, moved); err != nil {
		t.Fatal(err)
	}
	if got := d.past(f); got != (attempts{}) {
		t.Errorf("without a state folder again: %+v", got)
	}
	f.URL = "https://b.example/"
	if err := os.Rename(moved, cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	if got := d.past(f); !got.other {
		t.Errorf("another source: %+v", got)
	}
}
