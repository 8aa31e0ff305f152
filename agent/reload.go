package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/takeover"
)

// reload loads the configuration and takes it over. A configuration that has a mistake, or
// takes away more protection than it may, is refused as a whole.
func (d *daemon) reload(ctx context.Context, why string, may state.MayLose) error {
	d.agenda.drop(reloadTask)
	d.tellSystemd("RELOADING=1\n" + monotonicUsec())
	defer d.tellSystemd("READY=1")
	cfg, err := d.opts.Load()
	if err == nil {
		d.asked = &asked{cfg, may}
		err = takeover.Refusal(ctx, d.cfg, cfg, may)
		d.takeFriends(ctx, cfg, err)
	}
	return d.takeOver(ctx, why, cfg, err)
}

// asked is a configuration that somebody asked the agent to take over, and what protection it
// may take away. The same holds when the same file is tried again.
type asked struct {
	cfg config.Config
	may state.MayLose
}

// mayLose is what protection a configuration may take away if it is loaded because the file
// changed, or tried again.
func (d *daemon) mayLose(cfg config.Config) state.MayLose {
	if d.asked != nil && cfg.Equal(d.asked.cfg) {
		return d.asked.may
	}
	return state.LoseNothing
}

// refuse logs that a configuration is not taken over, and notes why.
func (d *daemon) refuse(why string, cfg config.Config, err error) {
	d.log.Error("the configuration is refused, and the old one stays in force", "why", why, "error", err)
	p := problem.Of(err)
	if d.tryNamesAgain(err) && takeover.Besides(d.cfg, cfg, d.mayLose(cfg)) == nil {
		p.Remedy += triedAgainRemedy
	}
	d.state.change(func(s *state.AgentStatus) { s.ConfigError, s.RefusedWithoutBase = p, takeover.TakesBase(err) })
}

const (
	// setNamesAgain is how soon the agent tries again to take over set names that were in use.
	// Nothing tells it when the other set is gone.
	setNamesAgain = 15 * time.Second

	triedAgainRemedy = ", or take away what has that one: within 15 seconds the agent takes the file over by itself"
)

// tryNamesAgain plans another try of the file, if it was refused because set names are in use:
// that may end without a change of the file.
func (d *daemon) tryNamesAgain(refused error) bool {
	if !errors.As(refused, new(*setnames.NamesTakenError)) {
		return false
	}
	d.agenda.set(rereadTask, time.Now().Add(setNamesAgain))
	return true
}

// takeOver makes a configuration the one in force, or returns why it is refused.
func (d *daemon) takeOver(ctx context.Context, why string, cfg config.Config, err error) error {
	if err != nil {
		d.refuse(why, cfg, err)
		d.tellStatus()
		return err
	}
	d.state.change(func(s *state.AgentStatus) {
		s.ConfigError, s.RefusedWithoutBase, s.ConfigLoaded = nil, false, time.Now().UTC().Truncate(time.Second)
	})
	if cfg.Equal(d.cfg) {
		d.log.Info("the configuration has not changed", "why", why)
	} else {
		d.log.Info("the configuration has changed", "why", why)
		if taken := takeover.TakenAway(d.cfg, cfg); len(taken) > 0 {
			d.log.Warn("the new configuration takes protection away", "what", strings.Join(taken, "; "))
		}
	}
	return d.adopt(ctx, cfg)
}

// adopt makes the agent use a configuration from now on.
func (d *daemon) adopt(ctx context.Context, cfg config.Config) error {
	d.asked = nil
	d.oldSets = append(d.oldSets, setnames.SetsNotOf(cfg, d.cfg)...)
	d.cfg = cfg
	d.keepConfig()
	d.shared.Store(&cfg)
	d.adopted.ring()
	d.files.follow(cfg, d.opts.ConfigFile)
	d.listenForMetrics(ctx, time.Now())
	d.reports.poke()
	select {
	case d.fetcher.replaced <- cfg:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.applySoon("configuration", 0)
	return nil
}

// reloadChanged reloads if the content of the file has changed.
//
// Nobody asked for this reload, so it takes no protection away: the file may have been cut
// short, or be about to be moved. That does not hold for a file that somebody asked for and
// that is tried again, now that set names may be free.
func (d *daemon) reloadChanged(ctx context.Context, now time.Time) {
	d.agenda.drop(reloadTask)
	d.agenda.drop(rereadTask)
	cfg, err := d.opts.Load()
	if problem.IsShortage(err) { // the file itself may be fine
		d.warnIf("configuration", fmt.Errorf("the configuration cannot be read now, and is read again: %w", err))
		d.agenda.set(rereadTask, now.Add(tick))
		return
	}
	d.warn("configuration", nil)
	refused := d.state.get().ConfigError
	if err == nil && cfg.Equal(d.cfg) && refused == nil {
		return
	}
	if err != nil || d.asked != nil && !cfg.Equal(d.asked.cfg) {
		d.asked = nil // the file has changed since
	}
	if err == nil {
		err = takeover.Refusal(ctx, d.cfg, cfg, d.mayLose(cfg))
		d.takeFriends(ctx, cfg, err)
	}
	if err != nil && refused != nil && refused.Error == problem.Of(err).Error {
		d.tryNamesAgain(err)
		return // already logged
	}
	d.takeOver(ctx, "the file has changed", cfg, err)
}

// keepConfig keeps a copy of the configuration in force.
func (d *daemon) keepConfig() {
	if err := state.KeepConfig(d.cfg, time.Now()); err != nil {
		d.log.Warn(err.Error())
	}
}
