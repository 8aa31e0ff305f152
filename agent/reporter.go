package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/voipbl/voipbl/outbox"
)

// reporter is the agent's part in telling VoIPBL about attackers: it sends what commands
// have left. It works beside the loop, and nothing of that waits for it. While nothing
// waits to be sent it sleeps until it is poked.
type reporter struct {
	// round sends what is due and reports whether anything still waits. networkAt is when
	// the network last changed.
	round func(ctx context.Context, networkAt time.Time) (waits bool)

	pokes   chan struct{} // the file or the configuration has changed
	network chan struct{}
	done    chan struct{} // is closed at the end
}

const (
	// reportEvery is how often it looks while something waits.
	reportEvery = time.Minute

	// reportSettle is how long a command that has written something down may take to send
	// it.
	reportSettle = 5 * time.Second

	// reportNetwork is how long after a round the next one comes at the earliest if the
	// network has changed.
	reportNetwork = 10 * time.Second
)

func newReporter(round func(context.Context, time.Time) bool) *reporter {
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
func (r *reporter) run(ctx context.Context) {
	defer close(r.done)
	var last, networkAt time.Time
	for ctx.Err() == nil {
		waits := r.round(ctx, networkAt)
		last = time.Now()
		var wake <-chan time.Time // never
		if waits {
			wake = time.After(reportEvery)
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
				if waits {
					wake = time.After(max(0, time.Until(last.Add(reportNetwork))))
				}
			}
		}
	}
}

// sendReports is the round of the agent.
func (d *daemon) sendReports(ctx context.Context, networkAt time.Time) (waits bool) {
	cfg := *d.shared.Load()
	if !cfg.Report.Enabled {
		return false
	}
	s := newSender(cfg, "voipbl run, reporting", d.opts.Version, func(v outbox.Verdict) { logVerdict(d.log, v) }, func(words string) { d.log.Warn(words) })
	s.network = networkAt
	err := s.round(ctx)
	if ctx.Err() == nil {
		d.sayOnce(err)
	}
	look := ReadOutbox(cfg, time.Now())
	return len(look.Queue) > 0 || look.Problem != nil
}

// sayOnce tells what keeps reports from being sent when that begins.
func (d *daemon) sayOnce(err error) {
	words := ""
	if err != nil {
		words = err.Error()
	}
	if words != "" && words != d.reportError {
		d.log.Warn("nothing is reported to VoIPBL for now", "error", words, "remedy", problemOf(err).Remedy)
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
