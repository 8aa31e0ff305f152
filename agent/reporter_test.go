package agent

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voipbl/voipbl/config"
)

// reporting is a reporter that records its rounds.
type reporting struct {
	*reporter
	begin  time.Time
	rounds []time.Duration
	next   func(at time.Duration, networkAt time.Time) time.Duration // what a round says, from the beginning; 0 for nothing
}

// startReporter starts a reporter in a synctest bubble.
func startReporter(t *testing.T, next func(at time.Duration, networkAt time.Time) time.Duration) *reporting {
	s := &reporting{begin: time.Now(), next: next}
	s.reporter = newReporter(func(_ context.Context, networkAt time.Time) time.Time {
		at := time.Since(s.begin)
		s.rounds = append(s.rounds, at)
		if next := s.next(at, networkAt); next != 0 {
			return s.begin.Add(next)
		}
		return time.Time{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go s.run(ctx, func() {})
	t.Cleanup(func() {
		cancel()
		<-s.done
	})
	synctest.Wait()
	return s
}

func (s *reporting) want(t *testing.T, at ...time.Duration) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(s.rounds, at) {
		t.Errorf("rounds at %v, want %v", s.rounds, at)
	}
}

// pass lets that much of the bubble's fake time pass, and returns when all goroutines are idle, so
// that nothing races.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func nothing(time.Duration, time.Time) time.Duration { return 0 }

// TestReporterSleeps: while nothing waits, the reporter makes one round at the start and no other.
func TestReporterSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startReporter(t, nothing)
		pass(1000 * time.Hour)
		s.want(t, 0)
		s.networkChanged()
		pass(time.Hour)
		s.want(t, 0)
	})
}

// TestReporterIsPoked: the reporter first lets the command send what it has written down, and
// makes one round for many pokes.
func TestReporterIsPoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startReporter(t, nothing)
		pass(time.Hour)
		for range 4 {
			s.poke()
			pass(time.Second)
		}
		pass(time.Hour)
		s.want(t, 0, time.Hour+reportSettle)
	})
}

// TestReporterPace: one round a minute while something waits. Pokes make no more rounds, and do
// not put them off.
func TestReporterPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startReporter(t, func(at time.Duration, _ time.Time) time.Duration {
			if at < 3*time.Minute {
				return at + 1
			}
			return 0
		})
		for range 300 {
			s.poke()
			pass(time.Second)
		}
		pass(time.Hour)
		want := []time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}
		for at := 3*time.Minute + reportSettle; at <= 5*time.Minute; at += reportSettle {
			want = append(want, at)
		}
		s.want(t, want...)
	})
}

// TestReporterNetwork: when the network changes, the reporter makes a round at once, and another
// when a server that could not be reached may be tried again.
func TestReporterNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startReporter(t, func(at time.Duration, networkAt time.Time) time.Duration {
			if networkAt.IsZero() {
				return time.Minute
			}
			if at < 38*time.Second {
				return 38 * time.Second
			}
			return 1000 * time.Second
		})
		pass(30 * time.Second)
		s.networkChanged()
		pass(2 * time.Minute)
		s.want(t, 0, 30*time.Second, 38*time.Second, 98*time.Second)
	})
}

// TestReporterEnds: the reporter ends even while it waits for the server.
func TestReporterEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newReporter(func(ctx context.Context, _ time.Time) time.Time {
			<-ctx.Done()
			return time.Now()
		})
		go r.run(ctx, func() {})
		synctest.Wait() // it asks, and gets no answer
		cancel()
		<-r.done
	})
}

// TestReporterWithoutLeave: without report.enabled the agent does not read the outbox.
func TestReporterWithoutLeave(t *testing.T) {
	cfg := config.Default()
	cfg.StateDir = "/nonexistent/state"
	d := &daemon{log: slog.New(slog.DiscardHandler)}
	d.shared.Store(&cfg)
	if next := d.sendReports(t.Context(), time.Time{}); !next.IsZero() {
		t.Errorf("it goes on at %v", next)
	}
}
