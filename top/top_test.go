package top

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/ipsetsync"
)

func counted(prefix string, packets, bytes uint64) ipsetsync.Count {
	return ipsetsync.Count{Prefix: cidr.MustParsePrefix(prefix), Packets: packets, Bytes: bytes}
}

func TestBusiest(t *testing.T) {
	counts := []ipsetsync.Count{
		counted("7.7.7.7", 3, 90), counted("2a00::/32", 5, 1), counted("5.5.5.0/24", 3, 90),
		counted("6.6.6.6", 3, 91), counted("8.8.8.8", 0, 1000),
	}
	var got []string
	for _, c := range busiest(slices.Clone(counts), 4) {
		got = append(got, c.Prefix.String())
	}
	if want := "2a00::/32 6.6.6.6 5.5.5.0/24 7.7.7.7"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if n := len(busiest(counts, 100)); n != len(counts) {
		t.Errorf("%d of %d", n, len(counts))
	}
}

func TestGrowth(t *testing.T) {
	last := []ipsetsync.Count{counted("5.5.4.255", 100, 0), counted("5.5.5.0/25", 10, 0), counted("5.5.5.128/25", 20, 0), counted("5.5.6.0/24", 100, 0)}
	for _, test := range []struct {
		name string
		now  ipsetsync.Count
		want uint64
	}{
		{"knocked on", counted("5.5.5.0/25", 14, 0), 4},
		{"did not", counted("5.5.5.128/25", 20, 0), 0},
		{"knocked first", counted("7.7.7.7", 3, 0), 3},
		{"joined by a swap", counted("5.5.5.0/24", 32, 0), 2},
		{"came back into the set", counted("5.5.6.0/24", 7, 0), 7},
		{"split by a swap", counted("5.5.6.0/25", 7, 0), 7},
	} {
		if got := growth(last, test.now); got != test.want {
			t.Errorf("%s: %d, not %d", test.name, got, test.want)
		}
	}
	// Somebody may have added an entry inside another; each has its own count.
	nested := []ipsetsync.Count{counted("5.0.0.0/8", 10, 0), counted("5.5.5.5", 20, 0)}
	if got := growth(nested, counted("5.0.0.0/8", 11, 0)); got != 1 {
		t.Errorf("around another entry: %d", got)
	}
}

// TestPieces: pieces in which the kernel has an entry of a list are one row, with their sum and its
// rate. A set of bans has no pieces.
func TestPieces(t *testing.T) {
	testns.Enter(t)
	cfg := topConfig(t)
	keepCopy(t, cfg, "a", "5.5.4.0/23\n")
	restore := func(text string) {
		t.Helper()
		cmd := exec.Command("ipset", "restore", "-exist")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	restore(`create voip_bl hash:net counters
create voip_bl6 hash:net family inet6 counters
create voip_ban hash:net counters timeout 0 maxelem 262144
add voip_bl 5.5.4.0/24 packets 2 bytes 120
add voip_bl 5.5.5.0/24 packets 3 bytes 180
add voip_bl 7.7.7.7 packets 4 bytes 240
add voip_ban 9.9.8.0/24 packets 6 bytes 360
add voip_ban 9.9.9.0/24 packets 7 bytes 420
add voip_bl6 2a00:1::/33
add voip_bl6 2a00:1:8000::/33 packets 1 bytes 60
`)
	top, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	read := func(want string) {
		t.Helper()
		r, err := top.Read(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range r.Sets {
			got += fmt.Sprintf("%s %d: %d %d, ", s.Name, s.Entries, s.Packets, s.Bytes)
		}
		for _, row := range r.Rows {
			got += fmt.Sprintf("%s %d %d %s %v; ", row.Prefix, row.Packets, row.Bytes, strings.Join(row.Feeds, "+"), row.Rate > 0)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	read("voip_bl 2: 9 540, voip_ban 2: 13 780, voip_bl6 1: 1 60, voip_ban6 0: 0 0, " +
		"9.9.9.0/24 7 420 bans false; 9.9.8.0/24 6 360 bans false; 5.5.4.0/23 5 300 a false; 7.7.7.7/32 4 240  false; 2a00:1::/32 1 60  false; ")
	restore("add voip_bl 5.5.5.0/24 packets 13 bytes 780\n")
	read("voip_bl 2: 19 1140, voip_ban 2: 13 780, voip_bl6 1: 1 60, voip_ban6 0: 0 0, " +
		"5.5.4.0/23 15 900 a true; 9.9.9.0/24 7 420 bans false; 9.9.8.0/24 6 360 bans false; 7.7.7.7/32 4 240  false; 2a00:1::/32 1 60  false; ")
}

// keepCopy makes text the feed's last good copy.
func keepCopy(t testing.TB, cfg config.Config, feed, text string) {
	t.Helper()
	store, err := fetch.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	staged, err := store.Stage(feed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staged.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := staged.Commit(fetch.Meta{}); err != nil {
		t.Fatal(err)
	}
}

func topConfig(t testing.TB) config.Config {
	t.Helper()
	cfg, err := config.Parse("", fmt.Appendf(nil, "state_dir: %s\nfeeds: [{name: a, path: /a}, {name: b, path: /b}]\n", filepath.Join(t.TempDir(), "state")))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestFeedCache changes the copies under the cache: an entry is looked up again after a while,
// and at once if it is new or was found while a copy was damaged.
func TestFeedCache(t *testing.T) {
	cfg := topConfig(t)
	var cache feedCache
	now := time.Now()
	find := func(want string, entries ...string) []string {
		t.Helper()
		var counts []ipsetsync.Count
		for _, e := range entries {
			counts = append(counts, counted(e, 1, 1))
		}
		feeds, warnings, err := cache.find(t.Context(), cfg, counts, now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, fmt.Sprint(feeds)); diff != "" {
			t.Error(diff)
		}
		return warnings
	}
	find("[[]]", "5.5.5.0/24") // there is no state folder yet
	keepCopy(t, cfg, "a", "5.5.5.0/25\n5.5.5.128/25\n4.0.0.0/6\n")
	find("[[]]", "5.5.5.0/24")
	find("[[] []]", "5.5.5.0/24", "7.7.7.7")
	now = now.Add(feedCacheAge + 1)
	keepCopy(t, cfg, "b", "7.7.0.0/16\n5.5.5.5\n")
	find("[[a b]]", "5.5.5.0/24")
	keepCopy(t, cfg, "b", "7.7.0.0/16\n")
	find("[[b] [a b] [] [a]]", "7.7.7.7", "5.5.5.0/24", "6.6.6.6", "5.5.5.200")
	if err := os.Truncate(filepath.Join(cfg.StateDir, "b.list"), 5); err != nil {
		t.Fatal(err)
	}
	if w := find("[[b] []]", "7.7.7.7", "7.7.7.8"); len(w) != 1 || !strings.Contains(w[0], "b.list") {
		t.Errorf("a damaged copy gives %q", w)
	}
	keepCopy(t, cfg, "b", "7.7.0.0/16\n")
	if w := find("[[b] [b]]", "7.7.7.7", "7.7.7.8"); len(w) != 0 {
		t.Errorf("of a copy that was mended: %q", w)
	}
}

// BenchmarkFindFeeds finds the feeds of top's longest report, on a list like the real one.
func BenchmarkFindFeeds(b *testing.B) {
	cfg := topConfig(b)
	var text strings.Builder
	var prefixes []cidr.Prefix
	for i := range 100_000 {
		addr := fmt.Sprintf("%d.%d.%d.%d", 20+i/50_000, i/200%250, i%200, 7)
		fmt.Fprintln(&text, addr)
		if i%100 == 0 {
			prefixes = append(prefixes, cidr.MustParsePrefix(addr))
		}
	}
	keepCopy(b, cfg, "a", text.String())
	for b.Loop() {
		feeds, _, err := findFeeds(b.Context(), cfg, prefixes)
		if err != nil || len(feeds[999]) != 1 {
			b.Fatal(feeds, err)
		}
	}
}
