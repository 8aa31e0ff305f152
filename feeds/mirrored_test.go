package feeds

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// follower is a host whose feed comes from a source or a mirror.
type follower struct {
	t      *testing.T
	store  *fetch.Store
	cfg    config.Config
	list   string          // what the source gives
	asked  []*http.Request // of the source
	origin *httptest.Server
}

func newFollower(t *testing.T) *follower {
	f := &follower{t: t}
	f.origin = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r)
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256([]byte(f.list)))))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(f.list))
	}))
	t.Cleanup(f.origin.Close)
	dir := t.TempDir() + "/state"
	store, err := fetch.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	f.store = store
	f.cfg = testvalue.Config(t, fmt.Sprintf("state_dir: %s\nlimits: {max_bytes: 1MB}\nfeeds: [{name: a, url: %q, insecure: true, min_entries: 5}]\n", dir, f.origin.URL+"/a"))
	return f
}

func (f *follower) reader(now time.Time) *Reader {
	r := NewReader(f.cfg, Options{}, f.store, now)
	r.live, r.wrote = func() cidr.Sets { return cidr.Sets{} }, func() bool { return false }
	return r
}

// offer is a list as an honest mirror offers it.
func offer(text string, fetched time.Time) Mirrored {
	m := Mirrored{From: "acme_hub", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(text))), Bytes: int64(len(text)), Fetched: fetched}
	m.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(compressed(text)), nil }
	return m
}

func compressed(text string) io.Reader {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return &b
}

// networksOf is a list of so many networks from the first one on.
func networksOf(first, n int) string {
	var b strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&b, "45.%d.%d.0/24\n", i/256, i%256)
	}
	return b.String()
}

// TestMirrored: a list that the fleet's mirror has fetched is taken as one of its source, with the mirror's
// age; the source is not asked.
func TestMirrored(t *testing.T) {
	f := newFollower(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	week := now.Add(-7 * 24 * time.Hour)
	get := func(now time.Time, m Mirrored) *Feed {
		t.Helper()
		got, err := f.reader(now).GetMirrored(t.Context(), f.cfg.Feeds[0], m)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	check := func(got *Feed, state State, fetched time.Time, entries int, stale bool) {
		t.Helper()
		if r := got.Report; r.State != state || r.Entries != entries || r.Mirror != "acme_hub" || r.Problem != nil {
			t.Errorf("%+v", r)
		}
		s := Statuses(f.store, f.cfg.Feeds, now)[0]
		if s.Mirror != "acme_hub" || !s.LastSuccess.Equal(fetched) || s.Stale != stale || s.Problem != nil || s.Entries != entries {
			t.Errorf("%+v", s)
		}
	}
	check(get(now, offer(networksOf(0, 100), week)), Fresh, week, 100, true)
	if s := Statuses(f.store, f.cfg.Feeds, now)[0]; !s.FetchedAt.Equal(week) {
		t.Errorf("fetched at %s", s.FetchedAt)
	}
	unread := offer(networksOf(0, 100), now.Add(-time.Hour))
	unread.Open = nil
	check(get(now, unread), Unchanged, now.Add(-time.Hour), 100, false)
	check(get(now, offer(networksOf(0, 120), now.Add(-time.Minute))), Fresh, now.Add(-time.Minute), 120, false)
	if len(f.asked) > 0 {
		t.Errorf("the source was asked %d times", len(f.asked))
	}
	// The source is asked without any condition that a mirror could have made up.
	f.list = networksOf(0, 121)
	if r := f.reader(now).Get(t.Context(), f.cfg.Feeds[0]).Report; r.State != Fresh || r.Entries != 121 || r.Mirror != "" {
		t.Errorf("%+v", r)
	}
	if len(f.asked) != 1 || f.asked[0].Header.Get("If-None-Match") != "" {
		t.Errorf("the source was asked %d times, such as %v", len(f.asked), f.asked[0].Header)
	}
	if s := Statuses(f.store, f.cfg.Feeds, now)[0]; s.Mirror != "" {
		t.Errorf("%+v", s)
	}
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestHostileMirror: whatever a mirror offers, a list that the judge would not believe of its source is not
// taken, however often it is offered, and nothing here changes.
func TestHostileMirror(t *testing.T) {
	f := newFollower(t)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	f.list = networksOf(0, 1000)
	if r := f.reader(now).Get(t.Context(), f.cfg.Feeds[0]).Report; r.State != Fresh {
		t.Fatalf("%+v", r)
	}
	before, err := f.store.State("a")
	if err != nil {
		t.Fatal(err)
	}
	good := networksOf(1, 1000)
	other := func(change func(m *Mirrored)) Mirrored {
		m := offer(good, now.Add(time.Hour))
		change(&m)
		return m
	}
	opens := func(m *Mirrored, from io.Reader) {
		m.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(from), nil }
	}
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	io.Copy(z, io.LimitReader(endless{}, 256<<20))
	z.Close()
	for name, c := range map[string]struct {
		offer  Mirrored
		passes bool // the trouble may pass
	}{
		"ten entries":    {offer(networksOf(0, 10), now.Add(time.Hour)), false},
		"wide networks":  {offer(networksOf(0, 900)+"41.0.0.0/8\n62.0.0.0/8\n", now.Add(time.Hour)), false},
		"other entries":  {offer(networksOf(2000, 1000), now.Add(time.Hour)), false},
		"no list":        {offer(strings.Repeat("<html>\n", 1000), now.Add(time.Hour)), false},
		"nothing":        {offer("", now.Add(time.Hour)), false},
		"other bytes":    {other(func(m *Mirrored) { m.SHA256 = strings.Repeat("00", 32) }), false},
		"fewer bytes":    {other(func(m *Mirrored) { m.Bytes++ }), false},
		"more bytes":     {other(func(m *Mirrored) { m.Bytes-- }), false},
		"a bomb":         {other(func(m *Mirrored) { opens(m, bytes.NewReader(bomb.Bytes())) }), false},
		"a large bomb":   {other(func(m *Mirrored) { m.Bytes = 256 << 20; opens(m, bytes.NewReader(bomb.Bytes())) }), false},
		"not compressed": {other(func(m *Mirrored) { opens(m, strings.NewReader(good)) }), false},
		"cut":            {other(func(m *Mirrored) { opens(m, io.LimitReader(bytes.NewReader(bomb.Bytes()), 1000)) }), false},
		"an old list":    {offer(good, now.Add(-time.Minute)), false},
		"nothing comes": {other(func(m *Mirrored) {
			m.Open = func(context.Context) (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
		}), true},
		"it breaks off": {other(func(m *Mirrored) { opens(m, io.MultiReader(io.LimitReader(compressed(good), 100), broken{})) }), true},
	} {
		for range Agreeing + 1 {
			_, err := f.reader(now.Add(2*time.Hour)).GetMirrored(t.Context(), f.cfg.Feeds[0], c.offer)
			if err == nil || errors.Is(err, ErrNotTaken) == c.passes {
				t.Errorf("%s: %v", name, err)
			}
		}
		after, err := f.store.State("a")
		if err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %+v, %v; before %+v", name, after, err, before)
		}
		if c, err := f.store.Open("a"); err != nil || c.Meta().Entries != 1000 || c.Verify() != nil {
			t.Errorf("%s: the copy: %v", name, err)
		} else {
			c.Close()
		}
	}
	if len(f.asked) != 1 {
		t.Errorf("the source was asked %d times", len(f.asked))
	}
	if _, err := f.reader(now.Add(2*time.Hour)).GetMirrored(t.Context(), f.cfg.Feeds[0], offer(good, now.Add(time.Hour))); err != nil {
		t.Errorf("a good list: %v", err)
	}
}

// broken is a connection that breaks.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }
