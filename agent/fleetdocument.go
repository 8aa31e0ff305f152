package agent

import (
	"context"
	"slices"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/docfile"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// mostDocuments is how many documents of the fleet's operator are looked at in a minute, and at once after a
// quiet time. The process brings one after each new connection with the hub, and what is new there.
const mostDocuments = 12

// documents returns the server that takes the operator's document from the fleet's process.
func (d *daemon) documents() *docfile.Server {
	warn := d.seldom(mostFleetWarnings, time.Hour)
	return &docfile.Server{
		Cfg: func() config.Config { return *d.shared.Load() },
		Changed: func(b docfile.Book) {
			d.log.Info("the operator of the fleet has another document, which is in force", "serial", b.Serial, "signed", b.At,
				"allow", len(b.Allow), "trunks", len(b.Trunks), "revoked", b.Revoked)
			d.adopted.ring() // the process believes others from now on
			select {
			case d.document <- struct{}{}:
			default: // the loop is about to read it
			}
		},
		Judged: func(refused *problem.Problem) {
			if before := d.state.get().DocumentRefused; (before == nil) == (refused == nil) && (before == nil || before.Error == refused.Error) {
				return
			}
			d.state.change(func(now *state.AgentStatus) { now.DocumentRefused = refused })
			if refused != nil {
				warn(refused.Error)
			}
		},
	}
}

// documentChanged exempts whom the operator's document allows now, and nobody whom it allows no more.
func (d *daemon) documentChanged(ctx context.Context) {
	d.apply(ctx, "the operator's document") // an error is logged, and the apply is tried again
	select {                                // there may be new names to resolve
	case d.fetcher.replaced <- d.cfg:
	case <-ctx.Done():
	}
}

// withDocument returns the settings of the fleet's process, with what the operator's document says.
func withDocument(s link.Settings, cfg config.Config) link.Settings {
	s.TakesDocument = cfg.Fleet.HasDocument()
	d := docfile.Read(cfg)
	s.Revoked = d.Revoked
	s.Trust = slices.Clone(s.Trust)
	for _, name := range d.Trust {
		if !slices.Contains(s.Trust, name) {
			s.Trust = append(s.Trust, name)
		}
	}
	return s
}
