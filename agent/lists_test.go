package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// followerOf is a host in a fleet, with feeds like those of urls.
func followerOf(t *testing.T, feeds ...string) config.Config {
	cfg := urls(t, feeds...)
	cfg.Fleet = testvalue.Config(t, "feeds: [{name: x, path: /x}]\nfleet: {hub: [\"tls://192.0.2.9\"]}\n").Fleet
	return cfg
}

var aSum, otherSum = strings.Repeat("ab", 32), strings.Repeat("cd", 32)

// offered is what the fleet's process says of one list.
func offered(f config.Feed, sum string, age time.Duration) link.Offers {
	return link.Offers{Offers: []link.Offer{{From: "acme_hub", List: link.List{Key: link.ListKey(f.URL), SHA256: sum, Bytes: 100, Age: age}}}}
}

// TestOffers: the same word said again is no news, whatever is not asked for or odd counts for nothing, and a
// list that is not believed stays so until it is another one or the source has given it.
func TestOffers(t *testing.T) {
	cfg := followerOf(t, "a @every 4h")
	f, l, now := cfg.Feeds[0], newLists(), time.Now()
	news := func() bool {
		select {
		case <-l.news:
			return true
		default:
			return false
		}
	}
	if w, waits := l.of(cfg, f); w != nil || !waits {
		t.Errorf("%+v, %v", w, waits)
	}
	l.take(cfg, offered(f, aSum, time.Hour), now)
	if w, waits := l.of(cfg, f); w == nil || waits || !w.fetched.Equal(now.Add(-time.Hour)) || w.heard != now.Round(0) || !news() {
		t.Errorf("%+v, %v", w, waits)
	}
	m, _ := l.mirrored(f)
	l.tried(f, m, feeds.ErrNotTaken, now)
	l.take(cfg, offered(f, aSum, time.Hour+30*time.Second), now.Add(29*time.Second))
	if w, _ := l.of(cfg, f); !w.settled || !w.refused || news() || !w.heard.Equal(now) {
		t.Errorf("said again: %+v", w)
	}
	l.take(cfg, offered(f, aSum, 0), now.Add(2*time.Hour))
	if w, _ := l.of(cfg, f); w.settled || !w.refused || !news() {
		t.Errorf("the same list, fetched again: %+v", w)
	}
	l.has(f, aSum)
	if w, _ := l.of(cfg, f); w.refused {
		t.Error("it is what the source gives")
	}
	l.tried(f, m, feeds.ErrNotTaken, now)
	l.take(cfg, offered(f, otherSum, 0), now.Add(3*time.Hour))
	if w, _ := l.of(cfg, f); w.refused || w.settled {
		t.Errorf("another list: %+v", w)
	}
	m, _ = l.mirrored(f)
	for range 2 {
		l.tried(f, m, io.ErrClosedPipe, now)
	}
	if w, _ := l.of(cfg, f); w.tries != 3 || w.settled {
		t.Errorf("one that is not believed, and two that are not to be had: %+v", w)
	}
	nobody := offered(f, aSum, 0)
	nobody.Offers[0].From = "\x1b[2J"
	for what, odd := range map[string]link.Offers{
		"of nobody":     nobody,
		"no sum":        offered(f, "x", 0),
		"of the future": offered(f, aSum, -time.Hour),
		"not asked for": offered(config.Feed{URL: "https://192.0.2.1/other"}, aSum, 0),
	} {
		l.take(cfg, odd, now.Add(4*time.Hour))
		if w, _ := l.of(cfg, f); w.tries != 3 || len(l.offers) != 1 {
			t.Errorf("%s: %+v", what, w)
		}
	}
	off := cfg
	off.Fleet.Lists = false
	if w, waits := l.of(off, f); w != nil || waits || len(l.asked(off).Keys) > 0 {
		t.Errorf("fleet.lists: false: %+v, %v", w, waits)
	}
	l.take(cfg, link.Offers{Mirror: true}, now)
	if w, waits := l.of(cfg, f); w != nil || waits {
		t.Errorf("a mirror: %+v, %v", w, waits)
	}
}

// TestBring: a copy goes to whoever waits for it, once; nobody waits without an end.
func TestBring(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLists()
		before, _ := l.since()
		type result struct {
			text string
			err  error
		}
		got := make(chan result, 1)
		open := func() {
			r, err := l.open(t.Context(), aSum)
			if err != nil {
				got <- result{"", err}
				return
			}
			text, err := io.ReadAll(r)
			r.Close()
			got <- result{string(text), err}
		}
		go open()
		synctest.Wait()
		if now, _ := l.since(); now == before || len(l.asked(config.Config{}).Copies) != 1 {
			t.Error("the process is not asked")
		}
		if l.bring(t.Context(), otherSum, strings.NewReader("x")) {
			t.Error("nobody waits for another one")
		}
		if !l.bring(t.Context(), aSum, strings.NewReader("text")) {
			t.Error("it is not taken")
		}
		if r := <-got; r.text != "text" || r.err != nil {
			t.Errorf("%+v", r)
		}
		if l.bring(t.Context(), aSum, strings.NewReader("text")) || len(l.asked(config.Config{}).Copies) != 0 {
			t.Error("it is taken twice")
		}
		go open()
		synctest.Wait()
		l.bring(t.Context(), aSum, nil)
		if r := <-got; !errors.Is(r.err, errNoCopy) {
			t.Errorf("%+v", r)
		}
		begin := time.Now()
		go open()
		if r := <-got; !errors.Is(r.err, errNotBrought) || time.Since(begin) != copyWait {
			t.Errorf("%+v after %s", r, time.Since(begin))
		}
	})
}

// TestBringTwice: two lists that are the same each get their copy, whoever of them is first or gives up.
func TestBringTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLists()
		got := make(chan error, 3)
		open := func(ctx context.Context) {
			r, err := l.open(ctx, aSum)
			if err == nil {
				_, err = io.ReadAll(r)
				r.Close()
			}
			got <- err
		}
		short, giveUp := context.WithCancel(t.Context())
		go open(t.Context())
		go open(short)
		go open(t.Context())
		synctest.Wait()
		giveUp()
		if err := <-got; err == nil {
			t.Error("who has given up gets a copy")
		}
		for i := range 2 {
			before, _ := l.since()
			if len(l.asked(config.Config{}).Copies) != 1 || !l.bring(t.Context(), aSum, strings.NewReader("text")) {
				t.Fatalf("copy %d is not asked for", i)
			}
			if err := <-got; err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if now, _ := l.since(); i == 0 && now == before {
				t.Error("the process is not asked once more")
			}
		}
		if len(l.asked(config.Config{}).Copies) != 0 {
			t.Error("it is asked for still")
		}
	})
}

// TestOtherWordEachTime: a mirror that always says something else, with no copy behind it or one that is not
// believed, keeps nobody from the source for long; a copy that is to be had ends that.
func TestOtherWordEachTime(t *testing.T) {
	hostZone(t, time.UTC)
	cfg := followerOf(t, "a @every 4h")
	f, begin := cfg.Feeds[0], time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	times := feeds.TimesOn("acme_pbx1", f)
	for what, c := range map[string]struct {
		has   bool          // the host has a list
		takes time.Duration // until it is known that there is no copy
		err   error
	}{
		"no list here":          {false, time.Second, errNoCopy},
		"no list, slow":         {false, copyWait, errNotBrought},
		"a list here":           {true, time.Second, errNoCopy},
		"a list here, slow":     {true, copyWait, errNotBrought},
		"not believed":          {true, time.Second, feeds.ErrNotTaken},
		"slow and not believed": {true, copyWait, feeds.ErrNotTaken},
	} {
		l, now, said := newLists(), begin, 0
		var a attempts
		if c.has {
			a = attempts{last: begin, success: begin, mirrored: true}
		}
		var asked []time.Time
		trials := 0
		say := func() {
			for at := begin.Add(time.Duration(said) * 25 * time.Second); !at.After(now); at = at.Add(25 * time.Second) {
				said++
				l.take(cfg, offered(f, fmt.Sprintf("%064x", said), 0), at)
			}
		}
		for now.Before(begin.Add(48 * hour)) {
			say()
			w, _ := l.of(cfg, f)
			at, mirrored := nextSource(times, a, w, nextFetch(times, a, now, time.Time{}, time.Time{}), now)
			switch {
			case at.After(now):
				now = earlier(at, begin.Add(time.Duration(said)*25*time.Second))
			case mirrored:
				trials++
				m, _ := l.mirrored(f)
				now = now.Add(c.takes)
				say()
				l.tried(f, m, c.err, now)
			default:
				asked = append(asked, now)
				a = attempts{last: now, success: now}
				now = now.Add(time.Second)
			}
		}
		first := begin
		if c.has {
			first = begin.Add(4 * hour)
		}
		if len(asked) < 10 || len(asked) > 13 || asked[0].Sub(first) > 5*hour || !c.has && asked[0].Sub(first) > wordPatience+copyWait {
			t.Errorf("%s: the source is asked at %v", what, asked)
		}
		if trials > 3+48 {
			t.Errorf("%s: the mirror's copy is asked for %d times", what, trials)
		}
		m, _ := l.mirrored(f)
		l.tried(f, m, nil, now)
		l.take(cfg, offered(f, aSum, 0), now.Add(time.Minute))
		if w, _ := l.of(cfg, f); w.tries != 0 || !w.heard.Equal(now.Add(time.Minute)) || w.settled || w.refused {
			t.Errorf("%s, and then a good copy: %+v", what, w)
		}
	}
}

// TestNoStateFolder: while the state folder cannot be opened, a mirror's word is no cause for rounds without a pause.
func TestNoStateFolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := followerOf(t, "a @every 4h")
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.RunDir, cfg.StateDir = file, file
		s, d := newSources(t), &daemon{lists: newLists(), log: slog.New(slog.DiscardHandler)}
		s.kept["a"] = attempts{last: time.Now(), success: time.Now(), mirrored: true}
		mirrored, all := 0, 0
		f := newFetcher(func(f config.Feed) feeds.Times { return feeds.TimesOn("x", f) }, s.past, func(ctx context.Context, todo job, tell func(fetched)) {
			if all++; todo.mirrored["a"] {
				mirrored++
			}
			if all > mostRounds {
				<-ctx.Done() // instead of hanging
			}
			d.fetchRound(ctx, todo, tell)
		})
		f.lists = d.lists
		pass(min1) // the mirror has fetched since
		d.lists.take(cfg, offered(cfg.Feeds[0], aSum, 0), time.Now())
		_, end := s.startWith(cfg, f)
		s.passTo(12 * hour)
		end()
		if mirrored < mostTries || mirrored > mostTries+12 || all-mirrored > 20 {
			t.Errorf("%d rounds, %d of them for the mirror's copy", all, mirrored)
		}
	})
}

// TestTwentyAgents: twenty agents, whose mirror fetches a list every four hours for half a day, take it from
// there within a minute and do not ask its source; without a mirror they do.
func TestTwentyAgents(t *testing.T) {
	for _, isMirror := range []bool{true, false} {
		inBubble(t, func(t *testing.T) {
			cfg := followerOf(t, "a 0 */4 * * *")
			f, begin := cfg.Feeds[0], time.Now()
			var all []*sources
			for i := range 20 {
				s := newSources(t)
				s.kept["a"] = attempts{last: begin, success: begin, mirrored: isMirror}
				l := newLists()
				times := func(f config.Feed) feeds.Times { return feeds.TimesOn(string(rune('a'+i)), f) }
				fetcher := newFetcher(times, s.past, func(ctx context.Context, todo job, tell func(fetched)) {
					if !todo.mirrored["a"] {
						s.round(ctx, todo, tell)
						return
					}
					m, _ := l.mirrored(f)
					l.tried(f, m, nil, time.Now())
					a := attempts{last: time.Now().Round(0), success: m.Fetched, mirrored: true}
					s.set(func() { s.kept["a"] = a })
					tell(fetched{feed: "a", attempts: a})
				})
				fetcher.lists = l
				_, end := s.startWith(cfg, fetcher)
				defer end()
				go func() { // the fleet's process
					for fetched := begin; t.Context().Err() == nil; {
						if !isMirror {
							l.take(cfg, link.Offers{}, time.Now())
						} else {
							if time.Since(fetched) >= 4*hour {
								fetched = fetched.Add(4 * hour)
							}
							l.take(cfg, offered(f, aSum, time.Since(fetched)), time.Now())
						}
						select {
						case <-time.After(30 * time.Second):
						case <-t.Context().Done():
						}
					}
				}()
				all = append(all, s)
			}
			all[0].passTo(12*hour + 5*min1)
			for i, s := range all {
				s.mu.Lock()
				switch asked := len(s.rounds); {
				case isMirror && (asked > 0 || len(s.got["a"]) != 3):
					t.Errorf("agent %d asks the source %d times, and takes %d lists", i, asked, len(s.got["a"]))
				case !isMirror && asked < 2:
					t.Errorf("agent %d asks the source %d times without a mirror", i, asked)
				}
				for n, at := range s.got["a"] {
					if wait := at - time.Duration(n+1)*4*hour; isMirror && (wait < 0 || wait > 2*min1) {
						t.Errorf("agent %d takes a list %s after the mirror", i, wait)
					}
				}
				s.mu.Unlock()
			}
		})
	}
}
