package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
)

// inBubble runs a test with a clock of its own, which begins at midnight of a Saturday,
// 2000-01-01, and stands still while anything is at work. Nothing may be left at work.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	hostZone(t, time.UTC)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, test)
}

// sources are the servers of all feeds, and what a state folder keeps of them. It is
// the test's own round: the one of the agent needs the network.
type sources struct {
	t     *testing.T
	begin time.Time

	mu     sync.Mutex
	broken map[string]fetch.Reason  // what goes wrong with a feed
	slow   map[string]time.Duration // how long one takes; nothing ends it sooner than ctx
	kept   map[string]attempts      // what the state folder knows
	full   bool                     // so that nothing more can be kept
	rounds []seenRound
	got    map[string][]time.Duration // when the fetcher told of a feed, "" for names
}

// seenRound is one round, counted from the beginning.
type seenRound struct {
	at    time.Duration
	feeds string
	names bool
}

func newSources(t *testing.T) *sources {
	return &sources{
		t: t, begin: time.Now(), broken: make(map[string]fetch.Reason), slow: make(map[string]time.Duration),
		kept: make(map[string]attempts), got: make(map[string][]time.Duration),
	}
}

// mostRounds is more than any test needs: one that never stops would hang, as the
// clock stands still for it.
const mostRounds = 5000

func (s *sources) round(ctx context.Context, todo job, tell func(fetched)) {
	s.mu.Lock()
	var names []string
	for _, f := range todo.feeds {
		names = append(names, f.Name)
	}
	s.rounds = append(s.rounds, seenRound{time.Since(s.begin), strings.Join(names, " "), todo.names})
	endless := len(s.rounds) > mostRounds
	s.mu.Unlock()
	if endless {
		s.t.Errorf("%d rounds within %v", mostRounds, time.Since(s.begin))
		<-ctx.Done()
		return
	}
	var all sync.WaitGroup
	defer all.Wait()
	if todo.names {
		all.Go(func() { tell(fetched{}) })
	}
	for _, f := range todo.feeds {
		all.Go(func() { s.fetch(ctx, f, tell) })
	}
}

func (s *sources) fetch(ctx context.Context, f config.Feed, tell func(fetched)) {
	s.mu.Lock()
	a := attempts{last: time.Now().Round(0)}
	if why := s.broken[f.Name]; why != "" {
		a.failures, a.reason = s.kept[f.Name].failures+1, why
	}
	slow := s.slow[f.Name]
	s.mu.Unlock()
	waitFor(ctx, slow)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	if !s.full {
		s.kept[f.Name] = a
	}
	s.mu.Unlock()
	tell(fetched{feed: f.Name, attempts: a})
}

func (s *sources) past(f config.Feed) attempts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[f.Name]
}

// set changes something while the fetcher is at work.
func (s *sources) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// start lets a fetcher work with the sources; end ends it and waits until it has.
func (s *sources) start(cfg config.Config, splay func(time.Duration) time.Duration) (f *fetcher, end func()) {
	return s.startWith(cfg, newFetcher(splay, s.past, s.round))
}

func (s *sources) startWith(cfg config.Config, f *fetcher) (_ *fetcher, end func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	read := make(chan struct{})
	go f.run(ctx, cfg)
	go func() {
		defer close(read)
		for r := range f.done {
			s.set(func() { s.got[r.feed] = append(s.got[r.feed], time.Since(s.begin)) })
		}
	}()
	return f, func() {
		cancel()
		<-read
		select {
		case <-f.ended:
		default:
			s.t.Error("the channel is closed before the fetcher has ended")
		}
	}
}

// pass lets time pass, up to a time that is counted from the beginning.
func (s *sources) passTo(when time.Duration) {
	time.Sleep(when - time.Since(s.begin))
	synctest.Wait()
}

// want compares when a feed was got, and begins anew.
func (s *sources) want(feed string, times ...time.Duration) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.got[feed], times) {
		s.t.Errorf("feed %q at\n%v, want\n%v", feed, s.got[feed], times)
	}
	s.got[feed] = nil
}

// urls is a configuration of feeds, each a name and a schedule.
func urls(t *testing.T, feeds ...string) config.Config {
	t.Helper()
	var text strings.Builder
	text.WriteString("feeds:\n")
	for _, f := range feeds {
		name, schedule, _ := strings.Cut(f, " ")
		fmt.Fprintf(&text, "- {name: %s, url: \"https://192.0.2.1/%s\", schedule: %q}\n", name, name, schedule)
	}
	return parsed(t, text.String())
}

// every are times from first to last, both included.
func every(step, first, last time.Duration) (all []time.Duration) {
	for at := first; at <= last; at += step {
		all = append(all, at)
	}
	return all
}

const (
	min1 = time.Minute
	hour = time.Hour
)

func TestFetchOncePerTick(t *testing.T) {
	for _, c := range []struct {
		schedule string
		splay    func(time.Duration) time.Duration
		want     []time.Duration
	}{
		{"0 */4 * * *", noSplay, every(4*hour, 0, 44*hour)},
		{"0 */4 * * *", tenth, append([]time.Duration{0}, every(4*hour, 4*hour+15*min1, 44*hour+15*min1)...)},
		{"30 6,7 * * *", noSplay, []time.Duration{0, 6*hour + 30*min1, 7*hour + 30*min1, 30*hour + 30*min1, 31*hour + 30*min1}},
		{"@every 90m", tenth, every(90*min1, 0, 47*hour)},
	} {
		t.Run(c.schedule, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSources(t)
				_, end := s.start(urls(t, "a "+c.schedule), c.splay)
				s.passTo(48*hour - time.Second)
				end()
				s.want("a", c.want...)
			})
		})
	}
}

// TestFetchAfterARestart: what was fetched before the agent began is not fetched
// again, and what was due while it was not at work is, once.
func TestFetchAfterARestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["a"] = attempts{last: s.begin.Add(-hour)}
		s.kept["b"] = attempts{last: s.begin.Add(-100 * hour)}
		s.kept["c"] = attempts{"", s.begin.Add(-10 * min1), 6, fetch.ReasonStatus, false}
		_, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 */4 * * *"), noSplay)
		s.passTo(9 * hour)
		end()
		// The tick of a at midnight is this very moment.
		s.want("a", 0, 4*hour, 8*hour)
		s.want("b", 0, 4*hour, 8*hour)
		s.want("c", 0, 4*hour, 8*hour)
	})
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["a"] = attempts{last: s.begin}
		s.kept["b"] = attempts{last: s.begin.Add(5 * 24 * hour)} // by a clock that was wrong
		s.kept["c"] = attempts{"", s.begin.Add(-10 * min1), 6, fetch.ReasonStatus, false}
		_, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 1-23/4 * * *"), noSplay)
		s.passTo(6 * hour)
		end()
		s.want("a", 4*hour)
		s.want("b", 0, 4*hour)
		s.want("c", 20*min1, hour, 5*hour)
	})
}

func TestFetchAgainAfterFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"] = fetch.ReasonUnreachable
		s.broken["held"] = reasonShrank
		s.broken["later"] = fetch.ReasonRetryLater
		_, end := s.start(urls(t, "a 0 */4 * * *", "held 0 */4 * * *", "later 0 */4 * * *"), noSplay)
		s.passTo(5*hour - time.Second)
		s.want("a", 0, min1, 3*min1, 7*min1, 15*min1, 31*min1, 61*min1, 91*min1, 121*min1, 151*min1, 181*min1, 211*min1,
			4*hour, 4*hour+30*min1) // the tick comes a minute before the pause is over
		s.set(func() { s.broken = nil })
		s.passTo(13 * hour)
		s.want("a", 5*hour, 8*hour, 12*hour)
		end()
		s.want("held", 0, 4*hour, 8*hour, 12*hour)
		s.want("later", 0, 4*hour, 8*hour, 12*hour)
	})
}

func TestFeedsOfOneScheduleAreOneRound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		_, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c @every 5h"), tenth)
		s.passTo(9 * hour)
		end()
		want := []seenRound{{0, "a b c", false}, {4*hour + 15*min1, "a b", false}, {5 * hour, "c", false}, {8*hour + 15*min1, "a b", false}}
		if !slices.Equal(s.rounds, want) {
			t.Errorf("rounds %v, want %v", s.rounds, want)
		}
	})
}

func TestFetchThatHangsDelaysNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.slow["b"] = time.Minute
		f, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 */4 * * *"), noSplay)
		s.passTo(59 * time.Second)
		s.want("a", 0)
		s.want("c", 0)
		s.want("b")
		next, busy := f.plans()
		if !busy.Equal(s.begin) || len(next) != 3 {
			t.Errorf("under way since %v, with %v", busy, next)
		}
		s.passTo(2 * min1)
		s.want("b", min1)
		if _, busy := f.plans(); !busy.IsZero() {
			t.Errorf("still under way since %v", busy)
		}
		s.passTo(4*hour + 2*min1)
		end()
		s.want("a", 4*hour)
		s.want("b", 4*hour+min1)
	})
}

// TestFetchLongerThanItsSchedule: what comes due during a round is done after it.
func TestFetchLongerThanItsSchedule(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.slow["slow"] = 150 * time.Second
		_, end := s.start(urls(t, "slow 0 * * * *", "a * * * * *"), noSplay)
		s.passTo(5 * min1)
		end()
		s.want("slow", 150*time.Second)
		s.want("a", 0, 150*time.Second, 3*min1, 4*min1, 5*min1)
	})
}

func TestFetchWithAnotherConfiguration(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["back"] = attempts{last: s.begin} // it was in an older configuration
		f, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 */4 * * *"), noSplay)
		s.passTo(hour)
		f.replaced <- urls(t, "b @every 90m", "c 0 */4 * * *", "d 0 */4 * * *", "back 0 */4 * * *")
		s.passTo(9 * hour)
		next, _ := f.plans()
		end()
		s.want("a", 0)
		s.want("b", 0, 90*min1, 180*min1, 270*min1, 360*min1, 450*min1, 540*min1)
		s.want("c", 0, 4*hour, 8*hour)
		s.want("d", hour, 4*hour, 8*hour)
		s.want("back", 4*hour, 8*hour)
		if _, there := next["a"]; there || !next["c"].Equal(s.begin.Add(12*hour)) {
			t.Errorf("plans %v", next)
		}
	})
}

// TestFetchWithAnotherConfigurationDuringARound: what the round brings belongs to the
// old one, except for what is in the state folder.
func TestFetchWithAnotherConfigurationDuringARound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.slow["slow"] = 10 * min1
		f, end := s.start(urls(t, "slow 0 */4 * * *", "a 0 */4 * * *"), noSplay)
		s.passTo(5 * min1)
		f.replaced <- urls(t, "slow 0 */2 * * *", "new 0 */4 * * *")
		s.passTo(9 * min1)
		s.want("new")
		s.passTo(5 * hour)
		end()
		s.want("a", 0)
		s.want("new", 10*min1, 4*hour) // the first when the slow one was through
		s.want("slow", 10*min1, 2*hour+10*min1, 4*hour+10*min1)
	})
}

func TestFetchInAnotherNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"] = fetch.ReasonUnreachable
		s.broken["held"] = reasonShrank
		f, end := s.start(urls(t, "a 0 */4 * * *", "good 0 */4 * * *", "held 0 */4 * * *"), noSplay)
		s.passTo(10 * min1)
		s.want("a", 0, min1, 3*min1, 7*min1)
		f.network <- struct{}{}
		s.passTo(10*min1 + 4*time.Second)
		s.want("a", 10*min1)
		// A network that comes and goes does not make it a nuisance.
		for range 100 {
			f.network <- struct{}{}
		}
		s.passTo(10*min1 + 9*time.Second)
		s.want("a")
		s.passTo(11 * min1)
		s.want("a", 10*min1+10*time.Second)
		s.set(func() { s.broken["a"] = "" })
		f.network <- struct{}{}
		s.passTo(3 * hour)
		f.network <- struct{}{}
		s.passTo(3*hour + min1)
		end()
		s.want("a", 11*min1)
		s.want("good", 0)
		s.want("held", 0)
	})
}

// TestFetchInAnotherNetworkAfterTheRound: it changes while the round is under way that
// fails for want of it.
func TestFetchInAnotherNetworkAfterTheRound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"], s.slow["a"] = fetch.ReasonUnreachable, 40*time.Second
		f, end := s.start(urls(t, "a 0 */4 * * *"), noSplay)
		s.passTo(20 * time.Second)
		f.network <- struct{}{}
		s.set(func() { s.broken, s.slow = nil, nil })
		s.passTo(hour)
		end()
		s.want("a", 40*time.Second, 40*time.Second)
	})
}

func TestNamesAreResolvedAgain(t *testing.T) {
	const file = "feeds: [{name: f, path: /nowhere}]\n"
	const allow = "allow: [trunk.example.net]\n"
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		f, end := s.start(parsed(t, file+allow), noSplay)
		s.passTo(48*hour - time.Second)
		s.want("", every(5*min1, 0, 48*hour-time.Second)...)
		s.passTo(48*hour + 2*min1)
		f.network <- struct{}{}
		s.passTo(48*hour + 8*min1)
		s.want("", 48*hour, 48*hour+2*min1, 48*hour+7*min1)
		f.replaced <- parsed(t, file)
		s.passTo(49 * hour)
		s.want("")
		f.replaced <- parsed(t, file+"firewall: {trunks: [sip.example.net]}")
		s.passTo(49*hour + 9*min1)
		end()
		s.want("", 49*hour, 49*hour+5*min1)
		s.want("f") // a local file is not the fetcher's
	})
}

// TestNamesOfSources: the host of a feed's URL is resolved when it is fetched from.
func TestNamesOfSources(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		_, end := s.start(parsed(t, "feeds: [{name: a, url: \"https://a.example/\", schedule: \"0 */4 * * *\"}]"), noSplay)
		s.passTo(9 * hour)
		end()
		s.want("", 0, 4*hour, 8*hour)
		s.want("a", 0, 4*hour, 8*hour)
	})
}

// TestNothingToFetch: without a URL and a name there is no round.
func TestNothingToFetch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		f, end := s.start(parsed(t, "feeds: [{name: f, path: /nowhere}]\nallow: [192.0.2.1]\n"), noSplay)
		s.passTo(24 * hour)
		f.network <- struct{}{}
		s.passTo(25 * hour)
		end()
		if len(s.rounds) > 0 {
			t.Errorf("rounds %v", s.rounds)
		}
	})
}

// TestRoundThatTellsNothing: it counts as an attempt all the same.
func TestRoundThatTellsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		silent := func(ctx context.Context, todo job, _ func(fetched)) { s.round(ctx, todo, func(fetched) {}) }
		_, end := s.startWith(urls(t, "a 0 */4 * * *"), newFetcher(noSplay, func(config.Feed) attempts { return attempts{} }, silent))
		s.passTo(9 * hour)
		end()
		if len(s.rounds) != 3 {
			t.Errorf("%d rounds, want 3: %v", len(s.rounds), s.rounds[:min(len(s.rounds), 10)])
		}
	})
}

func TestFetcherEnds(t *testing.T) {
	cfg := "feeds: [{name: a, url: \"https://192.0.2.1/\"}, {name: b, url: \"https://192.0.2.1/\"}]\nallow: [trunk.example.net]\n"
	t.Run("at rest", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newSources(t)
			_, end := s.start(parsed(t, cfg), noSplay)
			s.passTo(min1)
			end()
		})
	})
	t.Run("during a round", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newSources(t)
			s.slow["a"] = 1000 * hour
			_, end := s.start(parsed(t, cfg), noSplay)
			s.passTo(min1)
			end()
			if took := time.Since(s.begin) - min1; took != 0 {
				t.Errorf("it took %v to end", took)
			}
			s.want("a")
			s.want("b", 0)
		})
	})
	t.Run("during a round that takes its time to end", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newSources(t)
			f := newFetcher(noSplay, s.past, func(ctx context.Context, todo job, tell func(fetched)) {
				<-ctx.Done()
				time.Sleep(5 * time.Second)
				tell(fetched{feed: "a"})
			})
			_, end := s.startWith(parsed(t, cfg), f)
			s.passTo(min1)
			end()
			if took := time.Since(s.begin) - min1; took != 5*time.Second {
				t.Errorf("it is not waited for: the end is after %v", took)
			}
		})
	})
	t.Run("before it has begun", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newSources(t)
			s.slow["a"] = 1000 * hour
			_, end := s.start(parsed(t, cfg), noSplay)
			end()
		})
	})
}

// TestReplaceWhileEnding is the agent being told to end while it reloads: its loop
// hands the new configuration over, or sees that nobody wants it, and reads what was
// fetched only after that.
func TestReplaceWhileEnding(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := urls(t, "a 0 */4 * * *")
		f := newFetcher(noSplay, func(config.Feed) attempts { return attempts{} }, func(_ context.Context, _ job, tell func(fetched)) {
			tell(fetched{feed: "a"})
		})
		ctx, cancel := context.WithCancel(t.Context())
		go f.run(ctx, cfg)
		synctest.Wait() // the round wants to tell what it has
		cancel()
		synctest.Wait()
		select {
		case f.replaced <- cfg:
		case <-f.ended:
		case <-time.After(hour):
			t.Error("the loop waits for the fetcher, and the fetcher for the loop")
		}
		drainAll(f.done)
	})
}

// TestFailureFromAnotherSource: the last good copy is of the old source until the new
// one answers.
func TestFailureFromAnotherSource(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"] = fetch.ReasonStatus
		past := func(f config.Feed) attempts {
			a := s.past(f)
			a.other = true
			return a
		}
		cfg := urls(t, "a 0 */4 * * *")
		f, end := s.startWith(cfg, newFetcher(noSplay, past, s.round))
		s.passTo(10 * min1)
		s.want("a", 0, min1, 3*min1, 7*min1)
		f.replaced <- cfg // a reload does not ask once more, though the folder says so
		s.passTo(20 * min1)
		s.want("a", 15*min1)
		s.set(func() { s.slow["a"] = 5 * min1 })
		s.passTo(30 * min1) // since 26 minutes a round is under way
		f.replaced <- cfg
		s.passTo(40 * min1)
		s.want("a", 36*min1)
		s.passTo(3 * hour)
		end()
		if len(s.rounds) > 14 {
			t.Errorf("%d rounds in three hours: %v", len(s.rounds), s.rounds)
		}
	})
}

// TestFetchWithAFullDisk: what is tried cannot be written down, and what was written
// down says that a feed is due.
func TestFetchWithAFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["a"], s.full = attempts{last: s.begin.Add(-100 * hour)}, true
		cfg := urls(t, "a 0 */4 * * *", "new 0 */4 * * *")
		f, end := s.start(cfg, noSplay)
		s.passTo(9 * hour)
		s.want("a", 0, 4*hour, 8*hour)
		s.want("new", 0, 4*hour, 8*hour)
		f.replaced <- cfg
		s.passTo(24*hour - time.Second)
		s.want("a", 12*hour, 16*hour, 20*hour)
		s.set(func() { s.slow["a"] = 10 * min1 })
		s.passTo(24*hour + 5*min1)
		f.replaced <- cfg
		s.passTo(27 * hour)
		end()
		s.want("a", 24*hour+10*min1)
	})
}

// TestFailuresWithAFullDisk is the agent's own round: a server that fails is left
// alone for longer and longer, even if how often it failed cannot be written down.
func TestFailuresWithAFullDisk(t *testing.T) {
	dir := t.TempDir()
	cfg := parsed(t, fmt.Sprintf("state_dir: %s/state\nrun_dir: %s/run\nfeeds: [{name: a, url: \"https://127.0.0.1:1/\", schedule: \"0 */4 * * *\"}]\n", dir, dir))
	// A folder stands where the feed's history should be.
	if err := os.MkdirAll(filepath.Join(cfg.StateDir, "a.state"), 0o750); err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(t *testing.T) {
		d := &daemon{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		d.shared.Store(&cfg)
		s := newSources(t)
		_, end := s.startWith(cfg, newFetcher(noSplay, d.past, d.fetchRound))
		s.passTo(3 * hour)
		end()
		// 0, 1, 3, 7, 15, 31 minutes, and then each half hour.
		if n := len(s.got["a"]); n < 8 || n > 12 {
			t.Errorf("fetched %d times in three hours", n)
		}
	})
}

// TestFetchWithoutAStateFolder: nothing is asked of a server then, but the folder
// is tried each time.
func TestFetchWithoutAStateFolder(t *testing.T) {
	dir := t.TempDir()
	cfg := parsed(t, fmt.Sprintf("state_dir: %s/file\nrun_dir: %s/run\nfeeds: [{name: a, url: \"https://127.0.0.1:1/\", schedule: \"0 */4 * * *\"}]\n", dir, dir))
	if err := os.WriteFile(cfg.StateDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(t *testing.T) {
		d := &daemon{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		d.shared.Store(&cfg)
		s := newSources(t)
		_, end := s.startWith(cfg, newFetcher(noSplay, d.past, d.fetchRound))
		s.passTo(30 * min1)
		end()
		if n := len(s.got["a"]); n < 2 || n > 31 {
			t.Errorf("tried %d times in half an hour: %v", n, s.got["a"])
		}
	})
}

func TestPastAttempts(t *testing.T) {
	dir := t.TempDir() + "/state"
	store, err := fetch.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := feedEvery(t, "0 */4 * * *")
	when := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	want := func(name string, want attempts) {
		t.Helper()
		if got := pastAttempts(store, f); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	keep := func(state fetch.State) {
		t.Helper()
		if err := store.SetState(f.Name, state); err != nil {
			t.Fatal(err)
		}
	}
	copyOf := func(source string) {
		t.Helper()
		staged, err := store.Stage(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		defer staged.Discard()
		if _, err := staged.Write([]byte("8.8.8.8\n")); err != nil {
			t.Fatal(err)
		}
		if err := staged.Commit(fetch.Meta{Source: source}); err != nil {
			t.Fatal(err)
		}
	}
	failed := fetch.State{LastAttempt: when, LastError: "no route", Reason: "unreachable", Failures: 3}
	if a := pastAttempts(store, f); !a.last.IsZero() {
		t.Errorf("never fetched: %+v", a)
	}
	keep(failed)
	want("failed, without a copy", attempts{"", when, 3, fetch.ReasonUnreachable, false})
	copyOf("https://other.example/")
	want("failed, with another source's copy", attempts{"", when, 3, fetch.ReasonUnreachable, true})
	copyOf(f.URL)
	want("failed, with its copy", attempts{"", when, 3, fetch.ReasonUnreachable, false})
	keep(fetch.State{LastAttempt: when, LastSuccess: when})
	want("fetched", attempts{"", when, 0, "", false})
	copyOf("https://other.example/")
	want("fetched from another source", attempts{"", when, 0, "", true})
	if err := os.Remove(filepath.Join(dir, "a.list")); err != nil {
		t.Fatal(err)
	}
	want("fetched, and the copy is gone", attempts{"", when, 0, "", true})
}
