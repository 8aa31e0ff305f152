package agent

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestFailureFromAnotherSource: the last good copy is of the old source until the new
// one answers.
func TestFailureFromAnotherSource(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"] = fetch.ReasonStatus
		past := func(f config.Feed) attempts {
			a := s.past(f)
			a.other = true
			return a
		}
		cfg := urls(t, "a 0 */4 * * *")
		f, end := s.startWith(cfg, newFetcher(noSplay, past, s.round))
		s.passTo(10 * min1)
		s.want("a", 0, min1, 3*min1, 7*min1)
		f.replaced <- cfg // a reload does not ask once more, though the folder says so
		s.passTo(20 * min1)
		s.want("a", 15*min1)
		s.set(func() { s.slow["a"] = 5 * min1 })
		s.passTo(30 * min1) // since 26 minutes a round is under way
		f.replaced <- cfg
		s.passTo(40 * min1)
		s.want("a", 36*min1)
		s.passTo(3 * hour)
		end()
		if len(s.rounds) > 14 {
			t.Errorf("%d rounds in three hours: %v", len(s.rounds), s.rounds)
		}
	})
}

// startAgentsRound fetches as the agent does, starting with what is in the state folder.
func startAgentsRound(t *testing.T, cfg config.Config) (s *sources, end func()) {
	t.Helper()
	d := &daemon{cfg: cfg, lists: newLists(), log: slog.New(slog.DiscardHandler)}
	d.shared.Store(&cfg)
	s = newSources(t)
	_, end = s.startWith(cfg, newFetcher(noSplay, d.past, d.fetchRound))
	return s, end
}

// TestFetchWithAFullDisk: attempts cannot be written down, and what was written down says that a
// feed is due.
func TestFetchWithAFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["a"], s.full = attempts{last: s.begin.Add(-100 * hour)}, true
		cfg := urls(t, "a 0 */4 * * *", "new 0 */4 * * *")
		f, end := s.start(cfg, noSplay)
		s.passTo(9 * hour)
		s.want("a", 0, 4*hour, 8*hour)
		s.want("new", 0, 4*hour, 8*hour)
		f.replaced <- cfg
		s.passTo(24*hour - time.Second)
		s.want("a", 12*hour, 16*hour, 20*hour)
		s.set(func() { s.slow["a"] = 10 * min1 })
		s.passTo(24*hour + 5*min1)
		f.replaced <- cfg
		s.passTo(27 * hour)
		end()
		s.want("a", 24*hour+10*min1)
	})
}

// TestFailuresWithAFullDisk uses the agent's own round: the pauses after failures of a server grow
// even if the number of failures cannot be written down.
func TestFailuresWithAFullDisk(t *testing.T) {
	dir := t.TempDir()
	cfg := testvalue.Config(t, fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\nfeeds: [{name: a, url: \"https://127.0.0.1:1/\", schedule: \"0 */4 * * *\"}]\n", dir, dir))
	// A folder is in the place of the feed's history file.
	if err := os.MkdirAll(filepath.Join(cfg.StateDir, "a.state"), 0o750); err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(t *testing.T) {
		s, end := startAgentsRound(t, cfg)
		s.passTo(3 * hour)
		end()
		// 0, 1, 3, 7, 15, 31 minutes, and then each half hour.
		if n := len(s.got["a"]); n < 8 || n > 12 {
			t.Errorf("fetched %d times in three hours", n)
		}
	})
}

// TestFetchWithoutAStateFolder: then no server gets a request, but the folder is tried each time.
func TestFetchWithoutAStateFolder(t *testing.T) {
	dir := t.TempDir()
	cfg := testvalue.Config(t, fmt.Sprintf("state_dir: %s/file\nrun_dir: %s/run\nfeeds: [{name: a, url: \"https://127.0.0.1:1/\", schedule: \"0 */4 * * *\"}]\n", dir, dir))
	if err := os.WriteFile(cfg.StateDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(t *testing.T) {
		s, end := startAgentsRound(t, cfg)
		s.passTo(30 * min1)
		end()
		if n := len(s.got["a"]); n < 2 || n > 31 {
			t.Errorf("tried %d times in half an hour: %v", n, s.got["a"])
		}
	})
}

func TestPastAttempts(t *testing.T) {
	dir := t.TempDir() + "/state"
	store, err := fetch.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := feedEvery(t, "0 */4 * * *")
	when := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	want := func(name string, want attempts) {
		t.Helper()
		if got, _ := pastAttempts(store, f); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	keep := func(state fetch.State) {
		t.Helper()
		if err := store.SetState(f.Name, state); err != nil {
			t.Fatal(err)
		}
	}
	copyOf := func(source string) {
		t.Helper()
		staged, err := store.Stage(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		defer staged.Discard()
		if _, err := staged.Write([]byte("8.8.8.8\n")); err != nil {
			t.Fatal(err)
		}
		if err := staged.Commit(fetch.Meta{Source: source}); err != nil {
			t.Fatal(err)
		}
	}
	failed := fetch.State{LastAttempt: when, LastError: "no route", Reason: "unreachable", Failures: 3}
	if a, _ := pastAttempts(store, f); !a.last.IsZero() {
		t.Errorf("never fetched: %+v", a)
	}
	keep(failed)
	want("failed, without a copy", attempts{last: when, failures: 3, reason: fetch.ReasonUnreachable})
	elsewhere := failed
	elsewhere.Source = "https://other.example/"
	keep(elsewhere)
	want("another source failed", attempts{last: when, failures: 3, reason: fetch.ReasonUnreachable, other: true})
	elsewhere.Source = string(f.URL)
	keep(elsewhere)
	want("this source failed", attempts{last: when, failures: 3, reason: fetch.ReasonUnreachable})
	succeeded := failed
	succeeded.LastSuccess = when.Add(-hour)
	keep(succeeded)
	want("failed after a success", attempts{last: when, failures: 3, reason: fetch.ReasonUnreachable, success: when.Add(-hour)})
	keep(failed)
	copyOf("https://other.example/")
	want("failed, with another source's copy", attempts{last: when, failures: 3, reason: fetch.ReasonUnreachable, other: true})
	copyOf(string(f.URL))
	want("failed, with its copy", attempts{last: when, failures: 3, reason: fetch.ReasonUnreachable})
	keep(fetch.State{LastAttempt: when, LastSuccess: when})
	want("fetched", attempts{last: when, success: when})
	copyOf("https://other.example/")
	want("fetched from another source", attempts{last: when, success: when, other: true})
	if err := os.Remove(filepath.Join(dir, "a.list")); err != nil {
		t.Fatal(err)
	}
	want("fetched, and the copy is gone", attempts{last: when, success: when, other: true})
}

// TestFetchFromAnotherSource: a corrected URL is fetched at once, not when the old one would have
// been tried again.
func TestFetchFromAnotherSource(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"] = fetch.ReasonUnreachable
		f, end := s.start(urls(t, "a 0 */4 * * *"), noSplay)
		s.passTo(20 * min1)
		s.want("a", 0, min1, 3*min1, 7*min1, 15*min1)
		mended := urls(t, "a 0 */4 * * *")
		mended.Feeds[0].URL += "/mended"
		s.set(func() { s.broken = nil })
		f.replaced <- mended
		s.passTo(5 * hour)
		end()
		s.want("a", 20*min1, 4*hour)
	})
}
