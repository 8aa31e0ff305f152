package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/outbox"
)

// reporter is the agent's part in telling VoIPBL about attackers: it sends what commands
// have left. It works beside the loop, and nothing of that waits for it. While nothing
// waits to be sent it sleeps until it is poked.
type reporter struct {
	// round sends what is due and reports when to go on; zero if nothing waits. networkAt
	// is when the network last changed.
	round func(ctx context.Context, networkAt time.Time) (next time.Time)

	pokes   chan struct{} // the file or the configuration has changed
	network chan struct{}
	done    chan struct{} // is closed at the end
}

const (
	// reportEvery is how often it looks while something waits and the network is as it was.
	reportEvery = time.Minute

	// reportSettle is how long a command that has written something down may take to send
	// it.
	reportSettle = 5 * time.Second
)

func newReporter(round func(context.Context, time.Time) time.Time) *reporter {
	return &reporter{round: round, pokes: make(chan struct{}, 1), network: make(chan struct{}, 1), done: make(chan struct{})}
}

// poke says that something may wait.
func (r *reporter) poke() { signal(r.pokes) }

// networkChanged says that the server may be reached again.
func (r *reporter) networkChanged() { signal(r.network) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is known already
	}
}

// run works until ctx ends.
func (r *reporter) run(ctx context.Context, ready func()) {
	defer close(r.done)
	ready()
	var networkAt time.Time
	for ctx.Err() == nil {
		var last time.Time        // the round, if it has left something
		var wake <-chan time.Time // never, if not
		if next := r.round(ctx, networkAt); !next.IsZero() {
			last = time.Now()
			wait := reportEvery
			if d := time.Until(next); d > 0 && d < wait && time.Since(networkAt) < outbox.NetworkPause {
				wait = d // of a server that could not be reached a moment ago
			}
			wake = time.After(wait)
		}
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return
			case <-wake:
				due = true
			case <-r.pokes:
				if wake == nil { // else it is on its way, and must not be put off again and again
					wake = time.After(max(reportSettle, time.Until(last.Add(reportEvery))))
				}
			case <-r.network:
				networkAt = time.Now().Round(0) // what is written down is of the wall clock
				if wake != nil {
					wake = time.After(0)
				}
			}
		}
	}
}

// sendReports is the round of the agent.
func (d *daemon) sendReports(ctx context.Context, networkAt time.Time) (next time.Time) {
	cfg := *d.shared.Load()
	if !cfg.Report.Enabled {
		return time.Time{}
	}
	s := outbox.NewSender(cfg, "voipbl run, reporting", d.opts.Version, func(v outbox.Verdict) { logVerdict(d.log, v) }, func(words string) { d.log.Warn(words) })
	s.Network = networkAt
	err := s.Round(ctx)
	if ctx.Err() == nil {
		d.sayOnce(err)
	}
	now := time.Now()
	look := outbox.LookAtOutbox(cfg, outbox.Limits{PerHour: cfg.Report.PerHour, Network: networkAt}, now)
	if look.Problem != nil {
		return now // it may be over
	}
	return look.Due
}

// sayOnce tells what keeps reports from being sent when that begins.
func (d *daemon) sayOnce(err error) {
	words := ""
	if err != nil {
		words = err.Error()
	}
	if words != "" && words != d.reportError {
		d.log.Warn("nothing is reported to VoIPBL for now", "error", words, "remedy", problem.Of(err).Remedy)
	}
	d.reportError = words
}

func logVerdict(log *slog.Logger, v outbox.Verdict) {
	args := []any{"address", v.Addr, "kind", v.Kind}
	if v.Why != "" {
		args = append(args, "why", v.Why)
	}
	switch v.Outcome {
	case outbox.Sent:
		log.Info("reported to VoIPBL", args...)
	case outbox.Queued:
		log.Warn("could not be reported to VoIPBL, and will be later", args...)
	case outbox.Refused:
		log.Warn("VoIPBL has refused a report, for good", args...)
	default:
		log.Warn("not reported to VoIPBL", args...)
	}
}
