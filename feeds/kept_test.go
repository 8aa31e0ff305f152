package feeds

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/deadline"
)

func TestHadCopy(t *testing.T) {
	old := &applied{Feeds: []string{"a"}}
	now := &applied{Version: appliedVersion, Feeds: []string{"a"}}
	tried := fetch.State{LastAttempt: pastNow, Failures: 3}
	had := fetch.State{LastAttempt: pastNow, LastSuccess: pastNow}
	for _, test := range []struct {
		name    string
		feed    Feed
		last    *applied
		renamed bool
		want    bool
	}{
		{"never tried, on a fresh host", Feed{}, &applied{Version: appliedVersion}, false, false},
		{"dead from the start", Feed{history: tried}, &applied{Version: appliedVersion}, false, false},
		{"dead from the start, as an older version wrote it", Feed{history: tried}, old, false, false},
		{"an older version's, of which nothing else is known", Feed{}, old, false, true},
		{"it was in force", Feed{history: tried}, now, false, true},
		{"it succeeded once", Feed{history: had}, &applied{Version: appliedVersion}, false, true},
		{"it is damaged", Feed{damaged: true}, &applied{Version: appliedVersion}, false, true},
		{"the state folder is lost", Feed{}, nil, false, true},
		{"it may have had another name", Feed{history: tried}, &applied{Version: appliedVersion}, true, true},
	} {
		test.feed.Name = "a"
		if got := hadCopy(&test.feed, test.last, test.renamed); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestKeptIsNoRatchet checks three laws, whatever other lists add and drop meanwhile: the set
// has only what a list or the lost copy has; nothing of the lost copy leaves except what
// another list also had; and keeping ends.
func TestKeptIsNoRatchet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store, err := fetch.OpenStore(t.TempDir())
		if err != nil {
			rt.Fatal(err)
		}
		defer store.Close()
		lost := cidr.SetOf(drawPrefixes(rt, "lost")...)
		other := cidr.SetOf(drawPrefixes(rt, "other")...)
		kernel := cidr.Union(lost, other)
		if err := store.WriteJSON(appliedFile, applied{Version: appliedVersion, Feeds: []string{"lost", "other"}}); err != nil {
			rt.Fatal(err)
		}
		k := &Keeper{Store: store, Limits: config.Limits{KeepLost: time.Hour}, Now: clockAt(pastNow, 0), Warn: func(string, ...any) {}}
		rest := lost
		for i := range rapid.IntRange(1, 6).Draw(rt, "fetches") {
			before := other
			other = cidr.SetOf(drawPrefixes(rt, "other")...)
			feeds := []*Feed{
				{Feed: config.Feed{Name: "lost"}, Report: Report{State: Missing}},
				{Feed: config.Feed{Name: "other"}, Report: Report{State: Fresh}},
			}
			if i == 0 { // later it is known already
				feeds[1].before = before
			}
			rest = rest.Subtract(everBrought(feeds, other))
			kept := k.Keep(feeds, other, func() cidr.Sets { return kernel })
			kernel = Combine(other, kept)
			if want := cidr.Union(rest, other); !kernel[0].Equal(want[0]) {
				rt.Fatalf("fetch %d: the set has %d prefixes, not %d", i, kernel.Len(), want.Len())
			}
			k.Now = k.Now.After(time.Minute)
		}
		k.Now = clockAt(pastNow, time.Hour)
		feeds := []*Feed{{Feed: config.Feed{Name: "lost"}, Report: Report{State: Missing}}}
		for range 2 {
			if kept := k.Keep(feeds, cidr.Sets{}, func() cidr.Sets { return kernel }); rest.Len() > 0 && len(kept) > 0 {
				rt.Fatalf("%d are kept for ever", kept[0].Prefixes)
			}
		}
	})
}

func TestNextEnd(t *testing.T) {
	if got := NextEnd(nil); !got.IsZero() {
		t.Error(got)
	}
	if got := NextEnd([]Kept{{Until: pastNow.Add(2)}, {Until: pastNow.Add(1)}, {Until: pastNow.Add(3)}}); !got.Equal(pastNow.Add(1)) {
		t.Error(got)
	}
}

// clockAt is a moment of one boot: up after its beginning, whatever the wall clock says.
func clockAt(wall time.Time, up time.Duration) deadline.Clock {
	return deadline.Clock{Boot: "this", Up: up, Wall: wall}
}

// TestKeptClock: when the clock is set, nothing leaves sooner or stays longer than it should,
// and the reported end is by the new clock. After a boot the wall clock counts.
func TestKeptClock(t *testing.T) {
	const keep = 4 * time.Hour
	next := func(c deadline.Clock) deadline.Clock { c.Boot = "next"; return c }
	for _, test := range []struct {
		name string
		now  []deadline.Clock // one after the other
		left time.Duration    // at the last one; 0: it is over
	}{
		{"set back by years", []deadline.Clock{clockAt(pastNow.AddDate(20, 0, 0), 0), clockAt(pastNow, time.Hour)}, 3 * time.Hour},
		{"back, and its time is over", []deadline.Clock{clockAt(pastNow, 0), clockAt(time.Unix(0, 0), keep)}, 0},
		{"forward by a year", []deadline.Clock{clockAt(pastNow, 0), clockAt(pastNow.AddDate(1, 0, 0), time.Hour)}, 3 * time.Hour},
		{"forward, and its time is over", []deadline.Clock{clockAt(pastNow, 0), clockAt(pastNow.AddDate(1, 0, 0), keep)}, 0},
		{"forward by a day, and back", []deadline.Clock{clockAt(pastNow, 0), clockAt(pastNow.AddDate(0, 0, 1), time.Hour), clockAt(pastNow, 2*time.Hour)}, 2 * time.Hour},
		{"forward, and a boot", []deadline.Clock{clockAt(pastNow, 0), clockAt(pastNow.AddDate(1, 0, 0), time.Hour), next(clockAt(pastNow.AddDate(1, 0, 0).Add(time.Hour), 0))}, 2 * time.Hour},
		{"a boot", []deadline.Clock{clockAt(pastNow, 0), next(clockAt(pastNow.Add(time.Hour), 0))}, 3 * time.Hour},
		{"a boot into 1970", []deadline.Clock{clockAt(pastNow, 0), clockAt(pastNow.Add(time.Hour), time.Hour), next(clockAt(time.Unix(0, 0), 0)), next(clockAt(pastNow, time.Hour))}, 2 * time.Hour},
		{"a boot long after", []deadline.Clock{clockAt(pastNow, 0), next(clockAt(pastNow.Add(keep), 0))}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, err := fetch.OpenStore(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			k := &Keeper{Store: store, Limits: config.Limits{KeepLost: keep}, Warn: func(string, ...any) {}}
			feeds := []*Feed{{Feed: config.Feed{Name: "lost"}, damaged: true, Report: Report{State: Missing}}}
			kernel := func() cidr.Sets { return cidr.SetOf(cidr.MustParsePrefix("8.8.8.8")) }
			var kept []Kept
			for _, k.Now = range test.now {
				kept = k.Keep(feeds, cidr.Sets{}, kernel)
			}
			switch {
			case test.left == 0 && len(kept) > 0, test.left > 0 && len(kept) != 1:
				t.Fatalf("kept: %+v", kept)
			case len(kept) == 0:
			case !kept[0].Until.Equal(k.Now.Wall.Add(test.left)) || kept[0].Since.After(k.Now.Wall) || kept[0].Why != "damaged" || kept[0].Prefixes != 1:
				t.Fatalf("%+v, and %v are left", kept, kept[0].Until.Sub(k.Now.Wall))
			}
		})
	}
}

// TestKeptPassesOn: what is kept of a feed passes to its next name, until one is fetched.
func TestKeptPassesOn(t *testing.T) {
	one, two := cidr.MustParsePrefix("8.8.8.8"), cidr.MustParsePrefix("9.9.9.9")
	for _, test := range []struct {
		name    string
		applied []string   // the feeds that had a copy
		names   [][]string // of the missing feeds, sync after sync
		want    map[string]int
	}{
		{"renamed twice", []string{"a"}, [][]string{{"a"}, {"b"}, {"c"}}, map[string]int{"c": 2}},
		{"back to the old name", []string{"a"}, [][]string{{"a"}, {"b"}, {"a"}}, map[string]int{"a": 2}},
		{"two renamed twice", []string{"a", "b"}, [][]string{{"a", "b"}, {"c", "d"}, {"e", "f"}}, map[string]int{"e": 2, "f": 2}},
		{"one taken out, another renamed", []string{"a", "b"}, [][]string{{"a", "b"}, {"b"}, {"c"}}, map[string]int{"c": 2}},
		{"none left, and one anew", []string{"a"}, [][]string{{"a"}, {}, {"b"}}, nil},
		{"taken out beside one that was never fetched", []string{"a"}, [][]string{{"a", "b"}, {"b"}}, nil},
		{"taken out, and another renamed that was never fetched", []string{"a"}, [][]string{{"a", "b"}, {"c"}}, map[string]int{"c": 2}},
	} {
		store, err := fetch.OpenStore(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if err := store.WriteJSON(appliedFile, applied{Version: appliedVersion, Feeds: test.applied}); err != nil {
			t.Fatal(err)
		}
		k := &Keeper{Store: store, Limits: config.Limits{KeepLost: time.Hour}, Now: clockAt(pastNow, 0), Warn: t.Errorf}
		kernel, got := cidr.SetOf(one, two), map[string]int(nil)
		for _, names := range test.names {
			var feeds []*Feed
			for _, name := range names {
				feeds = append(feeds, &Feed{Feed: config.Feed{Name: name, URL: "http://lists.example/" + config.URL(name)}, Report: Report{State: Missing}})
			}
			kept := k.Keep(feeds, cidr.Sets{}, func() cidr.Sets { return kernel })
			got = nil
			for _, one := range kept {
				if got == nil {
					got = map[string]int{}
				}
				got[one.Feed] = one.Prefixes
				if !one.Until.Equal(pastNow.Add(time.Hour)) {
					t.Errorf("%s: until %v", test.name, one.Until)
				}
			}
			kernel = Combine(cidr.Sets{}, kept)
			if err := SetApplied(store, feeds, pastNow); err != nil {
				t.Fatal(err)
			}
			k.Now = k.Now.After(time.Minute)
		}
		if !maps.Equal(got, test.want) {
			t.Errorf("%s: kept %v, want %v", test.name, got, test.want)
		}
	}
}

// TestOldestLoss: heirs share what is kept until the first of its ends.
func TestOldestLoss(t *testing.T) {
	all := losses{"a": {Kept: time.Hour}, "b": {Kept: 2 * time.Hour}, "c": {Kept: 3 * time.Hour, Over: true}}
	if got, found := all.oldest(); !found || got.Kept != 2*time.Hour {
		t.Errorf("found %v, kept for %v", found, got.Kept)
	}
	if _, found := (losses{"c": all["c"]}).oldest(); found {
		t.Error("found one that is over")
	}
}
