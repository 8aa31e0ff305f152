package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/outbox"
)

// reporter sends the reports to VoIPBL that commands have left in the outbox. It runs beside the
// loop, which never waits for it. While nothing waits to be sent it sleeps until it is poked.
type reporter struct {
	// round sends what is due, and returns when the next round is due; zero if nothing waits.
	// networkAt is when the network last changed.
	round func(ctx context.Context, networkAt time.Time) (next time.Time)

	pokes   chan struct{} // the file or the configuration has changed
	network chan struct{}
	done    chan struct{} // closed when run ends
}

const (
	// reportEvery is how often a round is made while something waits.
	reportEvery = time.Minute

	// reportSettle is how long a command may take to send what it has just written down.
	reportSettle = 5 * time.Second
)

func newReporter(round func(context.Context, time.Time) time.Time) *reporter {
	return &reporter{round: round, pokes: make(chan struct{}, 1), network: make(chan struct{}, 1), done: make(chan struct{})}
}

// poke tells the reporter that something may wait.
func (r *reporter) poke() { signal(r.pokes) }

// networkChanged tells the reporter that the server may be reachable again.
func (r *reporter) networkChanged() { signal(r.network) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // a signal is pending already
	}
}

// run works until ctx ends.
func (r *reporter) run(ctx context.Context, ready func()) {
	defer close(r.done)
	ready()
	var networkAt time.Time
	for ctx.Err() == nil {
		var last time.Time        // the last round, if something still waits
		var wake <-chan time.Time // nil if nothing waits
		if next := r.round(ctx, networkAt); !next.IsZero() {
			last = time.Now()
			wait := reportEvery
			if d := time.Until(next); d > 0 && d < wait && time.Since(networkAt) < outbox.NetworkPause {
				wait = d // the pause after a server could not be reached
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
				if wake == nil { // else a round is planned, and pokes must not put it off
					wake = time.After(max(reportSettle, time.Until(last.Add(reportEvery))))
				}
			case <-r.network:
				networkAt = time.Now().Round(0) // wall clock only, as in the outbox
				if wake != nil {
					wake = time.After(0)
				}
			}
		}
	}
}

// sendReports is the reporter's round in the agent.
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

// sayOnce logs, once, why reports cannot be sent.
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
