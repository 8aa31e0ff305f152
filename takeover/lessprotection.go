package takeover

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/settings"
	"github.com/voipbl/voipbl/state"
)

// restartError is returned for a change of the configuration that needs a restart of
// the agent.
type restartError struct{ Key string }

func (e *restartError) Error() string {
	return e.Key + " has changed, which needs a new start"
}

// Remedy returns what to do about it.
func (e *restartError) Remedy() string { return "systemctl restart voipbl" }

// Refusal returns why the agent refuses to replace the old configuration with the new
// one, or nil.
func Refusal(ctx context.Context, old, new config.Config, may state.MayLose) error {
	var taken error
	if setnames.NamesOf(old) != setnames.NamesOf(new) {
		taken = setnames.CheckNames(ctx, new)
	}
	return errors.Join(needsRestart(old, new), taken, lessProtection(old, new, may))
}

// Besides is [Refusal] without the check whether the names of sets are taken.
func Besides(old, new config.Config, may state.MayLose) error {
	return errors.Join(needsRestart(old, new), lessProtection(old, new, may))
}

// lessProtectionError is returned for a configuration that protects less than the old
// one, unless an admin has asked for the reload.
type lessProtectionError struct{ Lost []string }

func (e *lessProtectionError) Error() string {
	return "the file has changed and takes away " + strings.Join(e.Lost, "; ") + ", so the agent does not take it over by itself"
}

// Remedy returns what to do about it.
func (e *lessProtectionError) Remedy() string { return state.LessRemedy }

// lostBase is listed as lost if the new file has "base: false".
const lostBase = "the base rules"

// TakesBase reports whether a configuration is refused because it no longer has base
// rules.
func TakesBase(refused error) bool {
	var e *lessProtectionError
	return errors.As(refused, &e) && slices.Contains(e.Lost, lostBase)
}

// lessProtection returns an error with everything that a change would remove (rules,
// exempt hosts, feeds), if that is more than may allows.
func lessProtection(old, new config.Config, may state.MayLose) error {
	rules, entries, document := lostRules(old, new), lostEntries(old, new), lostDocument(old, new)
	tooMuch := len(entries) > 0 || len(rules) > 0 && may != state.LoseRules || len(document) > 0 && may != state.LoseDocument
	if may == state.LoseAny || !tooMuch {
		return nil
	}
	return &lessProtectionError{slices.Concat(rules, entries, document)}
}

// TakenAway returns everything that a change removes. Rules that are left to another program
// from now on stay in place, and voipbl no longer checks them.
func TakenAway(old, new config.Config) []string {
	entries := append(lostEntries(old, new), lostDocument(old, new)...)
	if settings.LeavesRules(new) {
		return entries
	}
	return append(lostRules(old, new), entries...)
}

// lostRules returns the rules that a change would remove.
func lostRules(old, new config.Config) (lost []string) {
	if old.Firewall.Base && !new.Firewall.Base {
		lost = append(lost, lostBase)
	}
	switch {
	case !settings.LeavesRules(old) && settings.LeavesRules(new):
		lost = append(lost, "the rules that drop blocked addresses")
	case settings.WantsRules(old, iptables.IPv6) && !settings.WantsRules(new, iptables.IPv6):
		lost = append(lost, "the rules for IPv6")
	}
	return lost
}

// lostEntries returns the entries that a change would remove from the lists of the
// configuration.
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

// lostDocument returns the operator's document of the fleet, if a change would end it here.
func lostDocument(old, new config.Config) (lost []string) {
	if old.Fleet.HasDocument() && (!new.Fleet.HasDocument() || old.Fleet.Key != new.Fleet.Key) {
		lost = append(lost, "whom the operator's document of the fleet allows (fleet.key)")
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
		return &restartError{"state_dir"}
	case old.RunDir != new.RunDir:
		return &restartError{"run_dir"}
	}
	return nil
}
