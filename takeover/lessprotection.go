package takeover

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// RestartError is a change of the configuration that the agent cannot take over
// while it runs.
type RestartError struct{ Key string }

func (e *RestartError) Error() string {
	return e.Key + " has changed, which needs a new start"
}

// Remedy says what to do about it.
func (e *RestartError) Remedy() string { return "systemctl restart voipbl" }

// Refusal is why a configuration is not taken over in place of another one, or nil.
func Refusal(ctx context.Context, old, new config.Config, may state.MayLose) error {
	var taken error
	if setnames.NamesOf(old) != setnames.NamesOf(new) {
		taken = setnames.CheckNames(ctx, new)
	}
	return errors.Join(needsRestart(old, new), taken, lessProtection(old, new, may))
}

// Besides is why a configuration would not be taken over even if all names of sets could be had.
func Besides(old, new config.Config, may state.MayLose) error {
	return errors.Join(needsRestart(old, new), lessProtection(old, new, may))
}

// LessProtectionError is a configuration that protects less than the one before, and
// that nobody has asked for by name.
type LessProtectionError struct{ Lost []string }

func (e *LessProtectionError) Error() string {
	return "the file has changed and takes away " + strings.Join(e.Lost, "; ") + ", so the agent does not take it over by itself"
}

// Remedy says what to do about it.
func (e *LessProtectionError) Remedy() string { return state.LessRemedy }

// lostBase is among what is lost when a file has "base: false".
const lostBase = "the base rules"

// TakesBase reports whether a configuration is refused because it has no base rules any
// more.
func TakesBase(refused error) bool {
	var e *LessProtectionError
	return errors.As(refused, &e) && slices.Contains(e.Lost, lostBase)
}

// lessProtection reports all that a change would take away, if that is more than it may:
// rules, what is never blocked, and feeds.
func lessProtection(old, new config.Config, may state.MayLose) error {
	rules, rest := lostRules(old, new), lostEntries(old, new)
	if may == state.LoseAny || len(rest) == 0 && (may == state.LoseRules || len(rules) == 0) {
		return nil
	}
	return &LessProtectionError{append(rules, rest...)}
}

// TakenAway is all that a change takes out. Rules that are another program's from now on stay
// where they are: nobody looks after them any more.
func TakenAway(old, new config.Config) []string {
	entries := lostEntries(old, new)
	if settings.LeavesRules(new) {
		return entries
	}
	return append(lostRules(old, new), entries...)
}

// lostRules are the rules that a change would take away.
func lostRules(old, new config.Config) (lost []string) {
	if old.Firewall.Base && !new.Firewall.Base {
		lost = append(lost, lostBase)
	}
	switch {
	case !settings.LeavesRules(old) && settings.LeavesRules(new):
		lost = append(lost, "the rules that drop blocked addresses")
	case settings.WantsRules(old, firewall.IPv6) && !settings.WantsRules(new, firewall.IPv6):
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
