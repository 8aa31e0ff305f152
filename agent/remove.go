package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
)

// Removed is what Remove took out of the kernel.
type Removed struct {
	Rules  []firewall.Change // rules and chains
	Chains []string          // chains made for fail2ban and never used
	Sets   []string
	Stays  []string // what has one of our names and is not ours, or is in use by others

	// Saved are files that name what is gone, and that are loaded at boot.
	Saved []SavedTrouble
}

// Nothing reports whether there was nothing to remove.
func (r *Removed) Nothing() bool { return len(r.Rules)+len(r.Chains)+len(r.Sets) == 0 }

// Remove takes our rules and chains out of the kernel, in both backends, and then
// the sets: those of the names that are configured, and of any that were since the
// host booted. If a rule or list that is not ours uses one, nothing is removed, and
// the error names it. A set of our name and another type is somebody else's and
// stays. What was made for fail2ban goes if it was never used. The copies of the
// feeds stay, so that the next sync needs no network.
func Remove(ctx context.Context, cfg config.Config, wait time.Duration) (*Removed, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	// An agent would put everything back.
	done, err := keepAgentAway(ctx, cfg, "voipbl remove")
	if err != nil {
		return nil, err
	}
	defer done()
	for _, name := range []string{mainLock, setsLock, rulesLock} {
		unlock, err := lock(ctx, cfg.RunDir, name, "voipbl remove", wait, nil)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	removed := &Removed{Saved: savedAfterRemoval(facts.SavedRules("/"), cfg)}
	rules := firewall.ReadUsers(ctx)
	if users := rules.OfChains(); len(users) > 0 {
		return nil, &ChainInUseError{users}
	}
	for f, err := range rules.Unknown {
		if mayUseIt(firewall.Family(f), err) {
			return nil, &UnknownUsersError{err}
		}
	}
	former, unknown := formerConfigs(cfg)
	var sets []string
	for _, names := range append([]config.Config{cfg}, former...) {
		found, err := removed.findSets(names, kernel, rules, sets)
		if err != nil {
			return nil, err
		}
		sets = append(sets, found...)
	}
	for _, fw := range firewall.Backends() {
		saved, err := fw.ReadSure(ctx)
		if err != nil {
			return removed, err
		}
		done, err := fw.Apply(ctx, firewall.Wanted{}, saved, nil)
		if partly, yes := firewall.Partly(err); yes {
			// If a rule is left there, its set cannot go, and that is an error.
			removed.Stays = append(removed.Stays, fmt.Sprintf("the rules of %s in the %s backend cannot be looked after: %v", partly.Family, fw.Backend, partly.Err))
		} else if err != nil {
			return removed, err
		}
		removed.Rules = append(removed.Rules, firewall.Changes(done.Plans)...)
	}
	errs := []error{removed.forget(ctx, cfg, kernel), unknown}
	for _, name := range sets {
		if err := kernel.Destroy(name); err != nil {
			errs = append(errs, err)
			continue
		}
		removed.Sets = append(removed.Sets, name)
	}
	if run, err := fetch.FindStore(cfg.RunDir); err == nil && errors.Join(errs...) == nil {
		defer run.Close()
		errs = append(errs, forgetSetNames(run, func(namesPair) bool { return true }))
	}
	return removed, errors.Join(errs...)
}

// ChainInUseError is a chain of ours that rules of others go to.
type ChainInUseError struct{ Users []string }

func (e *ChainInUseError) Error() string {
	return "a chain of ours is in use\n    by " + strings.Join(e.Users, "\n    by ")
}

// Remedy says what to do about it.
func (e *ChainInUseError) Remedy() string { return "take that rule out and run again" }

// mayUseIt reports whether a family that cannot be listed may hold rules that use what is to
// go. IPv6 may be broken on a kernel for good.
func mayUseIt(f firewall.Family, unknown error) bool {
	return unknown != nil && (f == firewall.IPv4 || firewall.Passing(unknown))
}

// UnknownUsersError is that rules cannot be listed for the moment: one of them may use what
// is ours. Where they never can be, as on a kernel that lacks a part of IPv6, the kernel
// itself keeps what is in use.
type UnknownUsersError struct{ Err error }

func (e *UnknownUsersError) Error() string {
	return "nothing was removed, since a rule that cannot be listed may use it: " + e.Err.Error()
}

// Remedy says what to do about it.
func (e *UnknownUsersError) Remedy() string { return ShortageRemedy(e.Err) }

func (e *UnknownUsersError) Unwrap() error { return e.Err }

// findSets finds our sets that are not known yet, and refuses if something that is not
// ours uses one.
func (r *Removed) findSets(cfg config.Config, kernel *ipsetsync.Kernel, rules *firewall.Users, known []string) ([]string, error) {
	var sets []string
	for _, set := range configuredSets(cfg) {
		h, err := kernel.Header(set.name)
		if errors.Is(err, ipsetsync.ErrNotFound) || slices.Contains(known, set.name) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if why := set.foreign(h); why != "" {
			r.Stays = append(r.Stays, why+": it stays")
			continue
		}
		if users := otherUsers(kernel, rules, set.name); len(users) > 0 {
			return nil, &ipsetsync.InUseError{Header: h, Want: set.family, Users: users}
		}
		sets = append(sets, set.name)
	}
	return sets, nil
}

// forget removes what we made for fail2ban and nobody uses, and what is known about
// the rules.
func (r *Removed) forget(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) error {
	store, err := findStore(cfg)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	rules := openRules(cfg, nil, kernel, store)
	defer rules.close()
	if p := rules.state.Pending; p != nil {
		disarm(p.Token)
	}
	if rules.run != nil && readSetRecord(rules.run).Sets != [2]setPrint{} {
		if err := rules.run.WriteJSON(setsFile, setRecord{}); err != nil {
			return err
		}
	}
	known := digest(rules.record) != digest(ruleRecord{Kernel: rules.record.Kernel})
	dropped, err := rules.dropBans(ctx)
	if err != nil {
		return err
	}
	r.Chains, r.Sets, r.Stays = dropped.chains, dropped.sets, append(r.Stays, dropped.stay...)
	if known {
		rules.record = ruleRecord{}
		if err := rules.writeRecord(); err != nil {
			return err
		}
	}
	// That this is no fresh host, and what was rejected here, is not forgotten.
	left := ruleState{Since: rules.state.Since, Rejected: rules.state.Rejected}
	if store == nil || rules.stateErr == nil && digest(rules.state) == digest(left) {
		return nil
	}
	rules.state = left
	return errors.Join(rules.writeState(), rules.writeCopy(nil))
}
