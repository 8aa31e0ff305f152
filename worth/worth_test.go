package worth

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/ipsetsync"
)

// TestHitsOf compares with sets of single addresses: an entry counts for each list that has any of
// its addresses.
func TestHitsOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(most int) (ps []cidr.Prefix) {
		for range rng.IntN(most) {
			ps = append(ps, cidr.MustParsePrefix(fmt.Sprintf("5.5.5.%d/%d", rng.IntN(256), 24+rng.IntN(9))))
		}
		return ps
	}
	inside := func(ps []cidr.Prefix) (has [256]bool) {
		for i := range has {
			for _, p := range ps {
				has[i] = has[i] || p.Contains(cidr.MustParsePrefix(fmt.Sprintf("5.5.5.%d", i)))
			}
		}
		return has
	}
	for range 300 {
		lines := make([][]cidr.Prefix, 1+rng.IntN(4))
		lists := make([]cidr.Sets, len(lines))
		for i := range lines {
			lines[i] = random(6)
			lists[i] = cidr.SetOf(lines[i]...)
		}
		var counts []ipsetsync.Count
		want := make([]Hits, len(lists))
		for p := range cidr.SetOf(random(9)...)[cidr.IPv4].All() {
			c := ipsetsync.Count{Prefix: p, Packets: rng.Uint64N(1000)}
			counts = append(counts, c)
			in, entry := []int{}, inside([]cidr.Prefix{p})
			for i := range lines {
				list, any := inside(lines[i]), false
				for a := range list {
					any = any || list[a] && entry[a]
				}
				if any {
					in = append(in, i)
				}
			}
			for _, i := range in {
				want[i].Entries++
				want[i].Packets += c.Packets
				if len(in) == 1 {
					want[i].OnlyEntries++
					want[i].OnlyPackets += c.Packets
				}
			}
		}
		if got := hitsOf(lists, counts); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v of %v: %v, not %v", counts, lines, got, want)
		}
	}
}

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
