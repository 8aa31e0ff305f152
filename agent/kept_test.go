package agent

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

func TestHadCopy(t *testing.T) {
	old := &applied{Feeds: []string{"a"}}
	now := &applied{Version: appliedVersion, Feeds: []string{"a"}}
	tried := fetch.State{LastAttempt: pastNow, Failures: 3}
	had := fetch.State{LastAttempt: pastNow, LastSuccess: pastNow}
	for _, test := range []struct {
		name    string
		feed    feed
		last    *applied
		renamed bool
		want    bool
	}{
		{"never tried, on a fresh host", feed{}, &applied{Version: appliedVersion}, false, false},
		{"dead from the start", feed{history: tried}, &applied{Version: appliedVersion}, false, false},
		{"dead from the start, as an older version wrote it", feed{history: tried}, old, false, false},
		{"an older version's, of which nothing else is known", feed{}, old, false, true},
		{"it was in force", feed{history: tried}, now, false, true},
		{"it succeeded once", feed{history: had}, &applied{Version: appliedVersion}, false, true},
		{"it is damaged", feed{damaged: true}, &applied{Version: appliedVersion}, false, true},
		{"the state folder is lost", feed{}, nil, false, true},
		{"it may have had another name", feed{history: tried}, &applied{Version: appliedVersion}, true, true},
	} {
		test.feed.Name = "a"
		if got := hadCopy(&test.feed, test.last, test.renamed); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestKeptIsNoRatchet holds what is kept to three laws, whatever other lists bring and
// drop meanwhile: the set never has what neither a list nor the lost copy has; nothing of
// the lost copy leaves but what another list brought; and it ends.
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
		k := &keeper{store: store, limits: config.Limits{KeepLost: time.Hour}, now: pastNow, warn: func(string, ...any) {}}
		rest := lost
		for i := range rapid.IntRange(1, 6).Draw(rt, "fetches") {
			before := other
			other = cidr.SetOf(drawPrefixes(rt, "other")...)
			feeds := []*feed{
				{Feed: config.Feed{Name: "lost"}, report: FeedReport{State: FeedMissing}},
				{Feed: config.Feed{Name: "other"}, report: FeedReport{State: FeedFresh}, sets: other},
			}
			if i == 0 { // later it is known already
				feeds[1].before = before
			}
			rest = rest.Subtract(broughtBy(feeds))
			kept := k.keep(feeds, func() cidr.Sets { return kernel })
			r := &Report{Kept: kept}
			kernel = r.combine(feeds)
			if want := cidr.Union(rest, other); !kernel[0].Equal(want[0]) {
				rt.Fatalf("fetch %d: the set has %d prefixes, not %d", i, kernel.Len(), want.Len())
			}
			k.now = k.now.Add(time.Minute)
		}
		k.now = pastNow.Add(time.Hour)
		feeds := []*feed{{Feed: config.Feed{Name: "lost"}, report: FeedReport{State: FeedMissing}}}
		for range 2 {
			if kept := k.keep(feeds, func() cidr.Sets { return kernel }); rest.Len() > 0 && len(kept) > 0 {
				rt.Fatalf("%d are kept for ever", kept[0].Prefixes)
			}
		}
	})
}

func TestNextEnd(t *testing.T) {
	if got := nextEnd(nil); !got.IsZero() {
		t.Error(got)
	}
	if got := nextEnd([]Kept{{Until: pastNow.Add(2)}, {Until: pastNow.Add(1)}, {Until: pastNow.Add(3)}}); !got.Equal(pastNow.Add(1)) {
		t.Error(got)
	}
}

// TestKeptClock: a clock that is set back makes nothing stay longer than it may.
func TestKeptClock(t *testing.T) {
	store, err := fetch.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	k := &keeper{store: store, limits: config.Limits{KeepLost: time.Hour}, now: pastNow.AddDate(20, 0, 0), warn: t.Errorf}
	feeds := []*feed{{Feed: config.Feed{Name: "lost"}, damaged: true, report: FeedReport{State: FeedMissing}}}
	kernel := func() cidr.Sets { return cidr.SetOf(cidr.MustParsePrefix("8.8.8.8")) }
	for range 2 {
		kept := k.keep(feeds, kernel)
		if len(kept) != 1 || !kept[0].Until.Equal(k.now.Add(time.Hour)) || kept[0].Why != "damaged" || kept[0].Prefixes != 1 {
			t.Fatalf("%+v", kept)
		}
		k.now = pastNow
	}
}
