package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/state"
)

// TestTry: an error that may pass is tried again, within startTime.
func TestTry(t *testing.T) {
	short := fmt.Errorf("open x: %w", unix.EMFILE)
	rights := fmt.Errorf("open x: %w", unix.EACCES)
	for _, c := range []struct {
		name string
		errs []error // one after the other; the last for ever
		left time.Duration
		want error
		n    int
	}{
		{"at once", []error{nil}, time.Minute, nil, 1},
		{"the second time", []error{short, nil}, time.Minute, nil, 2},
		{"a reason that lasts", []error{rights, nil}, time.Minute, rights, 1},
		{"another one runs", []error{&state.AgentRunningError{}, nil}, time.Minute, &state.AgentRunningError{}, 1},
		{"the time is over", []error{short}, 0, short, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, n := &starting{slog.New(slog.DiscardHandler), time.Now().Add(c.left)}, 0
			err := s.try(t.Context(), func() error { n++; return c.errs[min(n, len(c.errs))-1] }, isLasting)
			if fmt.Sprint(err) != fmt.Sprint(c.want) || n != c.n {
				t.Errorf("%d times: %v, want %d times: %v", n, err, c.n, c.want)
			}
		})
	}
}

// TestLost distinguishes a lock that is gone from one that cannot be checked.
func TestLost(t *testing.T) {
	cfg := config.Default()
	cfg.RunDir = filepath.Join(t.TempDir(), "run")
	hold, err := state.HoldAgent(t.Context(), cfg, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	if lost, err := hold.Lost(); lost || err != nil {
		t.Errorf("held: %v, %v", lost, err)
	}
	path := hold.Path
	for name, where := range map[string]string{"a loop of links": "loop/x", "a name that is too long": string(make([]byte, 300))} {
		if err := os.Symlink("loop", filepath.Join(cfg.RunDir, "loop")); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		hold.Path = filepath.Join(cfg.RunDir, where)
		if lost, err := hold.Lost(); lost || err == nil {
			t.Errorf("%s: %v, %v", name, lost, err)
		}
	}
	hold.Path = path
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if lost, err := hold.Lost(); !lost || err != nil {
		t.Errorf("gone: %v, %v", lost, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if lost, err := hold.Lost(); !lost || err != nil {
		t.Errorf("another file: %v, %v", lost, err)
	}
	if err := os.RemoveAll(cfg.RunDir); err != nil {
		t.Fatal(err)
	}
	if _, runs, err := state.AgentRuns(cfg); runs || err != nil {
		t.Errorf("no folder: %v, %v", runs, err)
	}
}

// TestUnreadableConfiguration: the configuration cannot be read for a moment. It is not refused
// for that, no task waits for it, and it is read again.
func TestUnreadableConfiguration(t *testing.T) {
	d := &daemon{log: slog.New(slog.DiscardHandler), opts: RunOptions{Load: func() (config.Config, error) {
		return config.Config{}, fmt.Errorf("configuration: %w", unix.EMFILE)
	}}}
	d.agenda.set(reloadTask, time.Now())
	d.reloadChanged(t.Context(), time.Now())
	if d.state.get().ConfigError != nil || d.agenda.editing() || d.agenda[rereadTask].IsZero() {
		t.Errorf("refused: %v; others wait: %v; read again at %v", d.state.get().ConfigError, d.agenda.editing(), d.agenda[rereadTask])
	}
}
