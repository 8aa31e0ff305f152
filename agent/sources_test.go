package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// inBubble runs a test with a fake clock, which starts at midnight of a Saturday, 2000-01-01, and
// stands still while any goroutine works. No goroutine may be left at the end.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	hostZone(t, time.UTC)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, test)
}

// sources are the servers of all feeds, and what a state folder keeps of them. Its round replaces
// the agent's, which needs the network.
type sources struct {
	t     *testing.T
	begin time.Time

	mu     sync.Mutex
	broken map[string]fetch.Reason  // what goes wrong with a feed
	slow   map[string]time.Duration // how long one takes; nothing ends it sooner than ctx
	kept   map[string]attempts      // what the state folder knows
	full   bool                     // so that nothing more can be kept
	rounds []seenRound
	got    map[string][]time.Duration // when the fetcher sent a result of a feed; "" for names
}

// seenRound is one round; its time is counted from the beginning.
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

// mostRounds is more than any test needs. Without it, a test whose rounds never stop would hang,
// since the clock stands still meanwhile.
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
		s.mu.Lock()
		unknown := s.broken[""] != ""
		s.mu.Unlock()
		all.Go(func() { tell(fetched{unknown: unknown}) })
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
	host.WaitFor(ctx, slow)
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

// start starts a fetcher with the sources; end stops it and waits until it has ended.
func (s *sources) start(cfg config.Config, times func(config.Feed) feeds.Times) (f *fetcher, end func()) {
	return s.startWith(cfg, newFetcher(times, s.past, s.round))
}

func (s *sources) startWith(cfg config.Config, f *fetcher) (_ *fetcher, end func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	read := make(chan struct{})
	go f.run(ctx, cfg, func() {})
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

// passTo lets time pass until when, which is counted from the beginning.
func (s *sources) passTo(when time.Duration) {
	host.WaitFor(s.t.Context(), when-time.Since(s.begin)) // by the bubble's clock
	synctest.Wait()
}

// want compares the times at which a feed was fetched, and forgets them.
func (s *sources) want(feed string, times ...time.Duration) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.got[feed], times) {
		s.t.Errorf("feed %q at\n%v, want\n%v", feed, s.got[feed], times)
	}
	s.got[feed] = nil
}

// urls returns a configuration of feeds, each given as a name and a schedule.
func urls(t *testing.T, feeds ...string) config.Config {
	t.Helper()
	var text strings.Builder
	text.WriteString("feeds:\n")
	for _, f := range feeds {
		name, schedule, _ := strings.Cut(f, " ")
		fmt.Fprintf(&text, "- {name: %s, url: \"https://192.0.2.1/%s\", schedule: %q}\n", name, name, schedule)
	}
	return testvalue.Config(t, text.String())
}

// every returns the times from first to last, both included.
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
