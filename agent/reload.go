package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/ipsetsync"
)

// RestartError is a change of the configuration that the agent cannot take over
// while it runs.
type RestartError struct{ Key string }

func (e *RestartError) Error() string {
	return e.Key + " has changed, which needs a new start: the old configuration goes on"
}

// Remedy says what to do about it.
func (e *RestartError) Remedy() string { return "systemctl restart voipbl" }

// reload takes a new configuration over. One that is wrong is refused as a whole.
func (d *daemon) reload(why string) error {
	d.reloadAt = time.Time{}
	d.tellSystemd("RELOADING=1\n" + monotonicUsec())
	defer d.tellSystemd("READY=1")
	cfg, err := d.opts.Load()
	if err == nil {
		err = needsRestart(d.cfg, cfg)
	}
	if err != nil {
		d.log.Error("the configuration is refused, and the old one goes on", "why", why, "error", err)
		d.state.change(func(s *AgentStatus) { s.ConfigError = problemOf(err) })
		d.tellStatus()
		return err
	}
	d.state.change(func(s *AgentStatus) {
		s.ConfigError, s.ConfigLoaded = nil, time.Now().UTC().Truncate(time.Second)
	})
	if sameConfig(cfg, d.cfg) {
		d.log.Info("the configuration is as it was", "why", why)
	} else {
		d.log.Info("the configuration has changed", "why", why)
	}
	if cfg.Set != d.cfg.Set {
		d.oldSets = append(d.oldSets, d.cfg.Set, d.cfg.SetName6())
	}
	d.cfg = cfg
	d.shared.Store(&cfg)
	d.files.follow(cfg, d.opts.ConfigFile)
	d.metrics.listen(cfg.Metrics.Listen)
	select {
	case d.fetcher.replaced <- cfg:
	case <-d.fetcher.ended:
	}
	d.applySoon("configuration", 0)
	return nil
}

// reloadChanged reloads if the file says something else than before: an editor may
// have written it as it was.
func (d *daemon) reloadChanged() {
	d.reloadAt = time.Time{}
	cfg, err := d.opts.Load()
	if err == nil && sameConfig(cfg, d.cfg) && d.state.get().ConfigError == nil {
		return
	}
	d.reload("the file has changed")
}

func needsRestart(old, new config.Config) error {
	switch {
	case old.StateDir != new.StateDir:
		return &RestartError{"state_dir"}
	case old.RunDir != new.RunDir:
		return &RestartError{"run_dir"}
	}
	return nil
}

func sameConfig(a, b config.Config) bool {
	one, err1 := a.YAML()
	two, err2 := b.YAML()
	return err1 == nil && err2 == nil && string(one) == string(two)
}

// removeOldSets takes out the sets of a name that is not configured any more, once
// no rule refers to them.
func (d *daemon) removeOldSets(h *host) error {
	var errs []error
	for _, name := range d.oldSets {
		if name == d.cfg.Set || name == d.cfg.SetName6() {
			continue // it is back
		}
		header, err := h.kernel.Header(name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		f := cidr.IPv4
		if err == nil {
			f = header.Family
		}
		if err != nil || !ipsetsync.IsOurs(header, f) || header.References > 0 {
			d.log.Warn("a set of the old configuration stays: it is in use, or not ours", "set", name)
			continue
		}
		if err := h.kernel.Destroy(name); err != nil {
			errs = append(errs, fmt.Errorf("a set of the old configuration: %w", err))
		}
	}
	d.oldSets = nil
	return errors.Join(errs...)
}
