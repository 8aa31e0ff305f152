package worth

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestTooMany: lists that are too many for the host's memory are not compared, and it says so.
func TestTooMany(t *testing.T) {
	testns.Enter(t)
	cfg, err := config.Parse("", fmt.Appendf(nil, "state_dir: %s\nfeeds: [{name: a, path: /a}, {name: b, path: /b}]\n", filepath.Join(t.TempDir(), "state")))
	if err != nil {
		t.Fatal(err)
	}
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for name, text := range map[string]string{"a": "5.5.5.5\n6.6.6.6\n", "b": "5.5.5.5\n7.7.7.7\n"} {
		staged, err := store.Stage(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(staged, text)
		if err := staged.Commit(fetch.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	status := &blocklist.Status{
		Sets:  []blocklist.SetStatus{{Name: "voip_bl"}, {Name: "voip_bl6"}},
		Feeds: feeds.Statuses(store, cfg.Feeds, time.Now()),
	}
	for most, want := range map[int]string{3: "2 null null; 2 null null; true", 4: `2 {"prefixes":1,"addresses":1} 0; 2 {"prefixes":1,"addresses":1} 0; false`} {
		r, err := read(t.Context(), cfg, status, most)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range r.Feeds {
			only, err := json.Marshal(f.Only)
			if err != nil {
				t.Fatal(err)
			}
			hits := "null"
			if f.Hits != nil {
				hits = fmt.Sprint(f.Hits.Packets)
			}
			got += fmt.Sprintf("%d %s %s; ", f.Prefixes, only, hits)
		}
		got += fmt.Sprint(r.NotCompared != "")
		if got != want || len(r.Warnings) > 0 {
			t.Errorf("at most %d: %s, not %s; %v", most, got, want, r.Warnings)
		}
	}
}
