package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestNothingToFetch: without URLs and names there is no round.
func TestNothingToFetch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		f, end := s.start(testvalue.Config(t, "feeds: [{name: f, path: /nowhere}]\nallow: [192.0.2.1]\n"), noSplay)
		s.passTo(24 * hour)
		f.network <- struct{}{}
		s.passTo(25 * hour)
		end()
		if len(s.rounds) > 0 {
			t.Errorf("rounds %v", s.rounds)
		}
	})
}

// TestRoundThatTellsNothing: a round without results still counts as an attempt.
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
			_, end := s.start(testvalue.Config(t, cfg), noSplay)
			s.passTo(min1)
			end()
		})
	})
	t.Run("during a round", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newSources(t)
			s.slow["a"] = 1000 * hour
			_, end := s.start(testvalue.Config(t, cfg), noSplay)
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
				host.WaitFor(context.WithoutCancel(ctx), 5*time.Second) // by the bubble's clock
				tell(fetched{feed: "a"})
			})
			_, end := s.startWith(testvalue.Config(t, cfg), f)
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
			_, end := s.start(testvalue.Config(t, cfg), noSplay)
			end()
		})
	})
}

// TestReplaceWhileEnding stops the agent while it reloads: the loop either hands the new
// configuration to the fetcher or sees that the fetcher has ended, and only then reads the
// results.
func TestReplaceWhileEnding(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := urls(t, "a 0 */4 * * *")
		f := newFetcher(noSplay, func(config.Feed) attempts { return attempts{} }, func(_ context.Context, _ job, tell func(fetched)) {
			tell(fetched{feed: "a"})
		})
		ctx, cancel := context.WithCancel(t.Context())
		go f.run(ctx, cfg, func() {})
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
