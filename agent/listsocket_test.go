package agent

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/fleet/link"
)

// TestListSocket: a mirror's process is told of this host's own lists and gets these, and nothing else of what
// the agent has. What nobody waits for, and what is no offer, is refused.
func TestListSocket(t *testing.T) {
	cfg := followerOf(t, "a @every 4h", "away @every 4h", "full @every 4h", "brought @every 4h", "paid @every 4h", "none @every 4h", "ahead @every 4h")
	dir := filepath.Join(t.TempDir(), "state")
	cfg.StateDir = dir
	for i, f := range cfg.Feeds {
		if f.Name == "paid" {
			cfg.Feeds[i].URL += "?key=0123456789abcdef"
		}
	}
	store, err := fetch.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now().Truncate(time.Second)
	const text = "45.0.0.1\n45.0.0.2"
	for i, f := range cfg.Feeds {
		if i == 5 {
			continue
		}
		staged, err := store.Stage(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(staged, text+f.Name)
		if err := staged.Commit(fetch.Meta{Source: f.URL.ID(), FetchedAt: now.Add(-9 * hour), Entries: 2}); err != nil {
			t.Fatal(err)
		}
		s := fetch.State{LastAttempt: now, LastSuccess: now.Add(-2 * hour)}
		switch f.Name {
		case "away":
			s.LastError, s.Reason = "no route", string(fetch.ReasonUnreachable)
		case "full":
			s.LastError, s.Reason = "no space", string(fetch.ReasonNoSpace)
		case "brought":
			s.Mirror = "acme_hub"
		case "ahead": // the clock was set back since
			s.LastSuccess = now.Add(2 * hour)
		}
		if err := store.SetState(f.Name, s); err != nil {
			t.Fatal(err)
		}
	}
	d := &daemon{lists: newLists()}
	d.shared.Store(&cfg)
	ask := func(serve http.HandlerFunc, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		return w
	}
	var a link.ListsAsked
	if err := json.Unmarshal(ask(d.serveLists, `{"mirror":true}`).Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Keys) != 6 || len(a.Mine) != 3 {
		t.Fatalf("%d lists, %+v", len(a.Keys), a.Mine)
	}
	for i, failing := range []bool{false, true, false} {
		m := a.Mine[i]
		if m.Key != link.ListKey(cfg.Feeds[i].URL) || m.Failing != failing || m.Age < 2*hour || m.Age > 2*hour+time.Minute || m.Entries != 2 || m.Bytes != int64(len(text+cfg.Feeds[i].Name)) {
			t.Errorf("%s: %+v", cfg.Feeds[i].Name, m)
		}
	}
	if got := ask(d.serveLists, `{}`).Body.String(); strings.Contains(got, "mine") {
		t.Errorf("who is no mirror is told %s", got)
	}
	mine := func(key, sum string) *httptest.ResponseRecorder {
		return ask(d.giveList, fmt.Sprintf(`{"key":%q,"sha256":%q}`, key, sum))
	}
	z, err := gzip.NewReader(mine(a.Mine[0].Key, a.Mine[0].SHA256).Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != text+"a" {
		t.Errorf("%q, %v", got, err)
	}
	for what, code := range map[string]int{
		"another sum":  mine(a.Mine[0].Key, a.Mine[1].SHA256).Code,
		"a paid list":  mine(link.ListKey(cfg.Feeds[4].URL), a.Mine[0].SHA256).Code,
		"no list":      mine("00", a.Mine[0].SHA256).Code,
		"no copy":      mine(link.ListKey(cfg.Feeds[5].URL), a.Mine[0].SHA256).Code,
		"no question":  ask(d.giveList, "x").Code,
		"a long one":   ask(d.giveList, `{"key":"`+strings.Repeat("x", maxQuestion)+`"}`).Code,
		"no offer":     ask(d.takeOffers, "[").Code,
		"a long offer": ask(d.takeOffers, `{"offers":[`+strings.Repeat(" ", maxOffers)+`]}`).Code,
		"a copy":       ask(d.takeCopy, "text").Code,
	} {
		if code < 400 || code >= 500 {
			t.Errorf("%s: %d", what, code)
		}
	}
	if code := ask(d.takeOffers, `{"mirror":true,"offers":[]}`).Code; code != http.StatusOK || !d.lists.mirror {
		t.Errorf("an offer: %d", code)
	}
	off := cfg
	off.Fleet.Lists = false
	d.shared.Store(&off)
	if code := mine(a.Mine[0].Key, a.Mine[0].SHA256).Code; code != http.StatusNotFound {
		t.Errorf("fleet.lists is false: %d", code)
	}
}
