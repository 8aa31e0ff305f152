package feeds

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestMemoryOfLongFeeds: the entries of all feeds are in memory once, and beside them those of as
// many feeds as there are processors, which read them.
func TestMemoryOfLongFeeds(t *testing.T) {
	const feeds, lines, entry, processors = 8, 10_000, 24, 2
	before := runtime.GOMAXPROCS(processors)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	dir := t.TempDir()
	var text strings.Builder
	fmt.Fprintf(&text, "state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds:\n", dir)
	for i := range feeds {
		var list strings.Builder
		for n := range lines {
			fmt.Fprintf(&list, "%d.%d.%d.1/32\n", 101+i, 100+n/100, 100+n%100)
		}
		file := filepath.Join(dir, fmt.Sprintf("f%d", i))
		if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "  - {name: f%d, path: %s}\n", i, file)
	}
	cfg, store := opened(t, text.String())
	get := func() {
		r := NewReader(cfg, Options{}, store, time.Now())
		r.GetAll(context.Background(), cfg.Feeds, make([]*Feed, feeds), func(config.Feed) bool { return true })
		if n := r.Brought().Len(); n != feeds*lines {
			t.Fatalf("%d entries, not %d", n, feeds*lines)
		}
	}
	most := growths*entry*lines*(feeds+processors)*5/4 + feeds*mostBytes // a list's length is estimated
	if got := testvalue.Allocated(5, get); got > most {
		t.Errorf("%d bytes for %d entries, not up to %d", got, feeds*lines, most)
	} else {
		t.Logf("%d bytes for %d entries, up to %d", got, feeds*lines, most)
	}
}

// TestAllocsOfAFeed: there may be hundreds of feeds, so reading one that has not changed takes
// little memory beside that of its entries.
func TestAllocsOfAFeed(t *testing.T) {
	const most = 64
	dir := t.TempDir()
	var text strings.Builder
	fmt.Fprintf(&text, "state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds:\n", dir)
	for i := range most {
		list := filepath.Join(dir, fmt.Sprintf("f%d", i))
		if err := os.WriteFile(list, fmt.Appendf(nil, "1.2.%d.4\n45.%d.0.0/16\n", i, i), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "  - {name: f%d, path: %s}\n", i, list)
	}
	cfg, store := opened(t, text.String())
	now := time.Now()
	get := func(n int) {
		r, feeds := NewReader(cfg, Options{}, store, now), make([]*Feed, n)
		r.GetAll(context.Background(), cfg.Feeds[:n], feeds, func(config.Feed) bool { return true })
		for _, f := range feeds {
			if f.Report.State != Unchanged && f.Report.State != Fresh {
				t.Fatalf("%s: %+v", f.Name, f.Report)
			}
		}
	}
	get(most) // writes the copies
	const runs = 10
	measure := func(n int) (count, bytes uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			get(n)
		}
		runtime.ReadMemStats(&after)
		return (after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs
	}
	count1, bytes1 := measure(1)
	count, bytes := measure(most)
	count, bytes = (count-count1)/(most-1), (bytes-bytes1)/(most-1)
	t.Logf("%d allocations and %d bytes for a feed", count, bytes)
	if count > 110 || bytes > mostBytes {
		t.Errorf("%d allocations and %d bytes for a feed, not up to 110 and %d", count, bytes, mostBytes)
	}
}

// opened is a configuration, with its state folder open until the test ends.
func opened(t *testing.T, text string) (config.Config, *fetch.Store) {
	t.Helper()
	cfg, err := config.Parse("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return cfg, store
}
