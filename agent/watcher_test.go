package agent

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/pbx/link"
)

// TestBansAreNews: the watcher of the PBX learns of a ban at once, and once. Where bans were missed, since
// the agent was restarted, it learns that.
func TestBansAreNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testvalue.Defaults(t)
		d := &daemon{log: slog.New(slog.DiscardHandler), book: &bans.Book{News: bans.NewNews(time.Now())}}
		d.shared.Store(&cfg)
		var s link.Settings
		answer(t, d.giveSettings, nil, &s)
		had := link.Serial{Serial: s.Serial(), NextBan: s.NextBan}
		ask := func(had link.Serial) <-chan link.Change {
			c := make(chan link.Change, 1)
			go func() {
				var now link.Change
				answer(t, d.awaitChange, had, &now)
				c <- now
			}()
			synctest.Wait()
			return c
		}
		waits := ask(had)
		select {
		case now := <-waits:
			t.Fatalf("without news: %+v", now)
		default:
		}
		banned, began := netip.MustParsePrefix("8.8.8.8/32"), time.Now()
		d.book.News.Add([]netip.Prefix{banned})
		now := <-waits
		if len(now.Banned) != 1 || now.Banned[0] != banned || now.Missed || now.Serial.Serial != had.Serial || !time.Now().Equal(began) {
			t.Errorf("%+v after %s", now, time.Since(began))
		}
		if again := <-ask(now.Serial); len(again.Banned) > 0 || again.Missed || time.Since(began) != link.ChangeWait {
			t.Errorf("again: %+v after %s", again, time.Since(began))
		}
		d.book.News = bans.NewNews(time.Now())
		if now := <-ask(now.Serial); !now.Missed {
			t.Errorf("restarted: %+v", now)
		}
	})
}

// answer reads what is answered to a request.
func answer(t *testing.T, serve http.HandlerFunc, what, v any) {
	body, err := json.Marshal(what)
	w := httptest.NewRecorder()
	serve(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body))))
	if err == nil {
		err = json.Unmarshal(w.Body.Bytes(), v)
	}
	if err != nil {
		t.Errorf("%v: %s", err, w.Body)
	}
}
