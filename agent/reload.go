package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
)

// RestartError is a change of the configuration that the agent cannot take over
// while it runs.
type RestartError struct{ Key string }

func (e *RestartError) Error() string {
	return e.Key + " has changed, which needs a new start"
}

// Remedy says what to do about it.
func (e *RestartError) Remedy() string { return "systemctl restart voipbl" }

// reload takes a new configuration over. One that is wrong is refused as a whole, and so
// is one that takes away more than it may.
func (d *daemon) reload(ctx context.Context, why string, may MayLose) error {
	d.reloadAt = time.Time{}
	d.tellSystemd("RELOADING=1\n" + monotonicUsec())
	defer d.tellSystemd("READY=1")
	cfg, err := d.opts.Load()
	if err == nil {
		err = refusal(ctx, d.cfg, cfg, may)
		d.takeFriends(ctx, cfg, err)
	}
	return d.takeOver(ctx, why, cfg, err)
}

// refusal is why a configuration is not taken over in place of another one, or nil.
func refusal(ctx context.Context, old, new config.Config, may MayLose) error {
	var taken error
	if namesOf(old) != namesOf(new) {
		taken = checkNames(ctx, new)
	}
	return errors.Join(needsRestart(old, new), taken, lessProtection(old, new, may))
}

// refuse tells that a configuration is not taken over.
func (d *daemon) refuse(why string, err error) {
	d.log.Error("the configuration is refused, and the old one goes on", "why", why, "error", err)
	p := problemOf(err)
	if d.tryNamesAgain(err) {
		p.Remedy += triedAgainRemedy
	}
	d.state.change(func(s *AgentStatus) { s.ConfigError, s.RefusedWithoutBase = p, takesBase(err) })
}

const (
	// setNamesAgain is how soon the agent looks again whether names of sets can be had that it
	// was refused. Nothing tells it that a set is gone.
	setNamesAgain = 15 * time.Second

	triedAgainRemedy = ", or take away what has that one: within 15 seconds the agent takes the file over by itself"
)

// tryNamesAgain has the file looked at again if it was refused since names of sets cannot be
// had, which may end without a change of the file.
func (d *daemon) tryNamesAgain(refused error) bool {
	if !errors.As(refused, new(*NamesTakenError)) {
		return false
	}
	d.loadAt = time.Now().Add(setNamesAgain)
	return true
}

// takeOver makes a configuration the one in force, or says why it is refused.
func (d *daemon) takeOver(ctx context.Context, why string, cfg config.Config, err error) error {
	if err != nil {
		d.refuse(why, err)
		d.tellStatus()
		return err
	}
	d.state.change(func(s *AgentStatus) {
		s.ConfigError, s.RefusedWithoutBase, s.ConfigLoaded = nil, false, time.Now().UTC().Truncate(time.Second)
	})
	if sameConfig(cfg, d.cfg) {
		d.log.Info("the configuration is as it was", "why", why)
	} else {
		d.log.Info("the configuration has changed", "why", why)
		if taken := takenAway(d.cfg, cfg); len(taken) > 0 {
			d.log.Warn("the new configuration has taken away what protects", "what", strings.Join(taken, "; "))
		}
	}
	return d.adopt(ctx, cfg)
}

// adopt goes by a configuration from now on.
func (d *daemon) adopt(ctx context.Context, cfg config.Config) error {
	d.oldSets = append(d.oldSets, setsNotOf(cfg, d.cfg)...)
	d.cfg = cfg
	d.keepConfig()
	d.shared.Store(&cfg)
	d.files.follow(cfg, d.opts.ConfigFile)
	d.metrics.listen(cfg.Metrics.Listen)
	d.reports.poke()
	select {
	case d.fetcher.replaced <- cfg:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.applySoon("configuration", 0)
	return nil
}

// reloadChanged reloads if the file says something else than before: an editor may
// have written it as it was.
//
// Nobody has asked for it, so what protects is not taken away by it: the file may have
// been cut short, or be on its way to another place.
func (d *daemon) reloadChanged(ctx context.Context) {
	d.reloadAt, d.loadAt = time.Time{}, time.Time{}
	cfg, err := d.opts.Load()
	if isShortage(err) { // which says nothing about the file
		d.warnIf("configuration", fmt.Errorf("the configuration cannot be read now, and is read again: %w", err))
		d.loadAt = time.Now().Add(tick)
		return
	}
	d.warn("configuration", nil)
	refused := d.state.get().ConfigError
	if err == nil && sameConfig(cfg, d.cfg) && refused == nil {
		return
	}
	if err == nil {
		err = refusal(ctx, d.cfg, cfg, LoseNothing)
		d.takeFriends(ctx, cfg, err)
	}
	if err != nil && refused != nil && refused.Error == problemOf(err).Error {
		d.tryNamesAgain(err)
		return // which is said
	}
	d.takeOver(ctx, "the file has changed", cfg, err)
}

// LessProtectionError is a configuration that protects less than the one before, and
// that nobody has asked for by name.
type LessProtectionError struct{ Lost []string }

func (e *LessProtectionError) Error() string {
	return "the file has changed and takes away " + strings.Join(e.Lost, "; ") + ", so the agent does not take it over by itself"
}

// Remedy says what to do about it.
func (e *LessProtectionError) Remedy() string { return lessRemedy }

const lessRemedy = "if that is meant, run \"voipbl reload\""

// refuses reports whether there is an agent that does not take its file over, since that takes
// too much away.
func (a *AgentStatus) refuses() bool {
	return a != nil && a.ConfigError != nil && a.ConfigError.Remedy == lessRemedy
}

// lostBase is among what is lost when a file has "base: false".
const lostBase = "the base rules"

// takesBase reports whether a configuration is refused because it has no base rules any
// more.
func takesBase(refused error) bool {
	var e *LessProtectionError
	return errors.As(refused, &e) && slices.Contains(e.Lost, lostBase)
}

// lessProtection reports all that a change would take away, if that is more than it may:
// rules, what is never blocked, and feeds.
func lessProtection(old, new config.Config, may MayLose) error {
	rules, rest := lostRules(old, new), lostEntries(old, new)
	if may == LoseAny || len(rest) == 0 && (may == LoseRules || len(rules) == 0) {
		return nil
	}
	return &LessProtectionError{append(rules, rest...)}
}

// takenAway is all that a change takes away.
func takenAway(old, new config.Config) []string {
	return append(lostRules(old, new), lostEntries(old, new)...)
}

// lostRules are the rules that a change would take away.
func lostRules(old, new config.Config) (lost []string) {
	if old.Firewall.Base && !new.Firewall.Base {
		lost = append(lost, lostBase)
	}
	switch {
	case !leavesRules(old) && leavesRules(new):
		lost = append(lost, "the rules that drop blocked addresses")
	case wantsRules(old, firewall.IPv6) && !wantsRules(new, firewall.IPv6):
		lost = append(lost, "the rules for IPv6")
	}
	return lost
}

// lostEntries are what a change would take out of lists.
func lostEntries(old, new config.Config) (lost []string) {
	for _, list := range []struct {
		key      string
		old, new []string
	}{
		{"allow", hostTexts(old.Allow), hostTexts(new.Allow)},
		{"firewall.trunks", hostTexts(old.Firewall.Trunks), hostTexts(new.Firewall.Trunks)},
		{"firewall.local_networks", networkTexts(old), networkTexts(new)},
		{"feeds", feedNames(old), feedNames(new)},
	} {
		gone := slices.DeleteFunc(list.old, func(is string) bool { return slices.Contains(list.new, is) })
		if len(gone) > 0 {
			lost = append(lost, strings.Join(gone, ", ")+" of "+list.key)
		}
	}
	return lost
}

func hostTexts(hosts []config.Host) (texts []string) {
	for _, h := range hosts {
		texts = append(texts, h.String())
	}
	return texts
}

func networkTexts(cfg config.Config) (texts []string) {
	for _, p := range cfg.Firewall.LocalNetworks {
		texts = append(texts, p.String())
	}
	return texts
}

func feedNames(cfg config.Config) (names []string) {
	for _, f := range cfg.Feeds {
		names = append(names, f.Name)
	}
	return names
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
