package feeds

import (
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// TestWaits: a list waits from its fetch until some process has put it in force.
func TestWaits(t *testing.T) {
	store, err := fetch.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	list := &Feed{Feed: config.Feed{Name: "list", URL: "https://example.net/"}, Report: Report{State: Fresh, FetchedAt: at}}
	file := &Feed{Feed: config.Feed{Name: "file"}, Report: Report{State: Fresh, FetchedAt: at}}
	waits := func(when string, f Status, want bool) {
		t.Helper()
		if got := readApplied(store).waits(f); got != want {
			t.Errorf("%s, %s of %s waits: %v", when, f.Name, f.FetchedAt, got)
		}
	}
	waits("nothing known", Status{Name: "list", FetchedAt: at}, false)
	if err := store.WriteJSON(appliedFile, applied{Version: appliedVersion, At: at, Feeds: []string{"list", "file"}}); err != nil {
		t.Fatal(err)
	}
	waits("by an older version", Status{Name: "list", FetchedAt: at.Add(time.Hour)}, false)
	for _, now := range []time.Time{at, at.Add(-time.Hour)} { // whatever the clock of the process that puts it in force says
		if err := SetApplied(store, []*Feed{list, file}, now); err != nil {
			t.Fatal(err)
		}
		waits("in force", Status{Name: "list", FetchedAt: at}, false)
		waits("fetched", Status{Name: "list", FetchedAt: at.Add(time.Millisecond)}, true)
		waits("new", Status{Name: "new", FetchedAt: at}, true)
		waits("never fetched", Status{Name: "new"}, false)
		waits("a file", Status{Name: "file", File: true, FetchedAt: at.Add(time.Hour)}, false)
	}
	waits("a new file", Status{Name: "another", File: true, FetchedAt: at}, true)
	waits("a new file, not read yet", Status{Name: "another", File: true}, false)
	list.Report.FetchedAt = at.Add(time.Millisecond)
	if err := SetApplied(store, []*Feed{list, file}, at); err != nil {
		t.Fatal(err)
	}
	waits("in force", Status{Name: "list", FetchedAt: at.Add(time.Millisecond)}, false)
	if err := SetApplied(store, []*Feed{{Feed: list.Feed, Report: Report{State: Missing}}}, at); err != nil {
		t.Fatal(err)
	}
	waits("the first that is fetched", Status{Name: "list", FetchedAt: at}, true)
	waits("the first that is read", Status{Name: "file", File: true, FetchedAt: at}, true)
}
