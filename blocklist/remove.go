package blocklist

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/hits"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
	"github.com/voipbl/voipbl/trial"
)

// Removed is what Remove took out of the kernel.
type Removed struct {
	Rules  []firewall.Change // rules and chains
	Chains []string          // chains made for fail2ban and never used
	Sets   []string
	Stays  []string // has a name of voipbl's but is not its own, or others use it
	Notes  []string // what could not be counted or remembered

	// Unknown is set if sets are left that may be voipbl's, because the names that its sets
	// had before are lost.
	Unknown *unknownNamesError

	// Saved are files, loaded at boot, that name what was removed.
	Saved []reach.SavedTrouble
}

// Nothing reports whether there was nothing to remove.
func (r *Removed) Nothing() bool { return len(r.Rules)+len(r.Chains)+len(r.Sets) == 0 }

// Remove takes voipbl's rules and chains out of the kernel, in both backends, and then its
// sets, under the configured names and all others they had since boot. If somebody else's
// rule or list uses one, nothing is removed, and the error names it. A set with voipbl's name
// but of another type is somebody else's and stays. What was made for fail2ban goes if it was
// never used. The copies of the feeds stay, so that the next sync needs no network.
func Remove(ctx context.Context, cfg config.Config, wait time.Duration) (*Removed, error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	// An agent would put everything back.
	done, err := state.KeepAgentAway(ctx, cfg, "voipbl remove")
	if err != nil {
		return nil, err
	}
	defer done()
	for _, name := range []string{state.MainLock, state.SetsLock, state.RulesLock} {
		unlock, err := state.Lock(ctx, cfg.RunDir, name, "voipbl remove", wait, nil)
		if err != nil {
			return nil, err
		}
		defer unlock()
	}
	removed := &Removed{Saved: reach.SavedAfterRemoval(host.SavedRules("/"), cfg)}
	rules := firewall.ReadUsers(ctx)
	if users := rules.OfChains(); len(users) > 0 {
		return nil, &chainInUseError{users}
	}
	for f, err := range rules.Unknown {
		if MayUseIt(iptables.Family(f), err) {
			return nil, &unknownUsersError{err}
		}
	}
	names, lost := setnames.KnownNames(cfg, setnames.ReadSetNames(cfg))
	names = setnames.AddNames(names, setnames.NamesOfRules(cfg, rules)...)
	known := append([]config.Config{cfg}, setnames.ConfigsOf(cfg, names)...)
	sets, err := removed.findSets(known, kernel, rules)
	if err != nil {
		return nil, err
	}
	removed.settleHits(cfg, kernel, sets)
	for _, fw := range firewall.Backends() {
		saved, err := fw.ReadSure(ctx)
		if err != nil {
			return removed, err
		}
		done, err := fw.Apply(ctx, ruleset.Wanted{}, saved, nil)
		if partly, yes := firewall.Partly(err); yes {
			// If a rule is left there, its set cannot be destroyed, which is an error below.
			removed.Stays = append(removed.Stays, fmt.Sprintf("the rules of %s in the %s backend cannot be cleaned up: %v", partly.Family, fw.Backend, partly.Err))
		} else if err != nil {
			return removed, err
		}
		removed.Rules = append(removed.Rules, firewall.Changes(done.Plans)...)
	}
	errs := []error{removed.forget(ctx, cfg, kernel)}
	for _, name := range sets {
		if err := kernel.Destroy(name); errors.Is(err, ipsetsync.ErrNotFound) {
			continue // forget has removed it
		} else if err != nil {
			errs = append(errs, err)
			continue
		}
		removed.Sets = append(removed.Sets, name)
	}
	if lost != nil {
		removed.Unknown = mayBeOurs(lost, known, kernel)
	}
	if errors.Join(errs...) == nil && removed.Unknown == nil {
		errs = append(errs, setnames.ForgetSetNames(cfg, func(setnames.NamesPair) bool { return true }))
	}
	return removed, errors.Join(errs...)
}

// settleHits adds what the sets of lists have counted to what each list has stopped, before these sets are
// removed with their counters. What cannot be counted keeps nobody from removing them.
func (r *Removed) settleHits(cfg config.Config, kernel *ipsetsync.Kernel, sets []string) {
	record := state.LastRecord(cfg)
	var counts []ipsetsync.Count
	for _, print := range record.Sets {
		if slices.Contains(sets, print.Name) {
			_, of, err := kernel.ContentAndCounts(print.Name)
			if err != nil {
				r.Notes = append(r.Notes, "what the lists have stopped lately is not counted: "+problem.Line(err))
				return
			}
			counts = append(counts, of...)
		}
	}
	if len(counts) == 0 {
		return
	}
	store, err := state.OpenStore(cfg)
	if err != nil {
		r.Notes = append(r.Notes, "what the lists have stopped lately is not remembered: "+problem.Line(err))
		return
	}
	defer store.Close()
	r.Notes = append(r.Notes, hits.Last(store, cfg, time.Now().UTC().Truncate(time.Second), hits.SetsOf(record), counts)...)
}

// mayBeOurs returns the unused sets that may be voipbl's, as an error that says why their
// names are lost; nil if there is no such set.
func mayBeOurs(lost error, known []config.Config, kernel *ipsetsync.Kernel) *unknownNamesError {
	others, err := setnames.OtherSets(kernel, known...)
	if err != nil {
		return &unknownNamesError{Err: errors.Join(lost, err)}
	}
	e := &unknownNamesError{Err: lost}
	for _, set := range others {
		if h, err := kernel.Header(set.Name); err == nil && h.References == 0 {
			e.Sets = append(e.Sets, set.Name)
		}
	}
	if len(e.Sets) == 0 {
		return nil
	}
	return e
}

// unknownNamesError says that the names of voipbl's earlier sets are lost.
type unknownNamesError struct {
	Err  error
	Sets []string // may be voipbl's
}

func (e *unknownNamesError) Error() string {
	why := problem.Line(e.Err)
	if len(e.Sets) == 0 {
		return "which sets of voipbl are left is not known: " + why
	}
	return fmt.Sprintf("these sets stay, and may be voipbl's, since the names that were configured before are not known (%s): %s", why, strings.Join(e.Sets, ", "))
}

// Remedy says what to do about it.
func (e *unknownNamesError) Remedy() string {
	short := problem.ShortageRemedy(e.Err)
	if len(e.Sets) == 0 {
		return short
	}
	remedy := "unless another program has made them: for s in " + strings.Join(e.Sets, " ") + "; do ipset destroy $s; done"
	if short != "" {
		remedy = short + "; or, " + remedy
	}
	return remedy
}

func (e *unknownNamesError) Unwrap() error { return e.Err }

// chainInUseError says that somebody else's rules jump to one of voipbl's chains.
type chainInUseError struct{ Users []string }

func (e *chainInUseError) Error() string {
	return "a chain of ours is in use\n    by " + strings.Join(e.Users, "\n    by ")
}

// Remedy says what to do about it.
func (e *chainInUseError) Remedy() string { return "take that rule out and run again" }

// MayUseIt reports whether a family whose rules cannot be listed may have rules that use what
// is to be removed. Where IPv6 never works on a kernel, it has none.
func MayUseIt(f iptables.Family, unknown error) bool {
	return unknown != nil && (f == iptables.IPv4 || firewall.Passing(unknown))
}

// unknownUsersError says that rules cannot be listed at the moment, and one of them may use
// what is to be removed. Where they can never be listed, as on a kernel that lacks a part of
// IPv6, the kernel itself refuses to destroy what is in use.
type unknownUsersError struct{ Err error }

func (e *unknownUsersError) Error() string {
	return "nothing was removed, since a rule that cannot be listed may use it: " + e.Err.Error()
}

// Remedy says what to do about it.
func (e *unknownUsersError) Remedy() string {
	if its := problem.Of(e.Err).Remedy; its != "" {
		return its
	}
	return problem.ShortageRemedy(e.Err)
}

func (e *unknownUsersError) Unwrap() error { return e.Err }

// findSets finds voipbl's sets under all their names. It fails if somebody else's rule or list
// uses one. One name may have been a set of lists in one configuration and a set of bans in
// another: the set is voipbl's if it fits either.
func (r *Removed) findSets(configs []config.Config, kernel *ipsetsync.Kernel, rules *firewall.Users) (sets []string, err error) {
	var all []setnames.NamedSet
	for _, cfg := range configs {
		all = append(all, setnames.ConfiguredSets(cfg)...)
	}
	seen := make(map[string]bool)
	for _, set := range all {
		if seen[set.Name] {
			continue
		}
		seen[set.Name] = true
		h, err := kernel.Header(set.Name)
		if errors.Is(err, ipsetsync.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(as setnames.NamedSet) bool { return as.Name == set.Name && as.Foreign(h) == "" }) {
			r.Stays = append(r.Stays, set.Foreign(h)+": it stays")
			continue
		}
		if users := setnames.OtherUsers(kernel, rules, set.Name); len(users) > 0 {
			return nil, &ipsetsync.InUseError{Header: h, Want: set.Family, Users: users}
		}
		if h.References > 0 && rules.Missing != nil && len(rules.OfSet(set.Name)) == 0 {
			return nil, &unknownUsersError{rules.Missing}
		}
		sets = append(sets, set.Name)
	}
	return sets, nil
}

// forget removes what was made for fail2ban and is unused, and the records about the rules.
func (r *Removed) forget(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel) error {
	store, err := state.FindStore(cfg)
	if err != nil {
		return err
	}
	if store != nil {
		defer store.Close()
	}
	held := rules.Open(cfg, nil, kernel, store)
	defer held.Close()
	if p := held.State.Pending; p != nil {
		trial.Disarm(p.Token)
	}
	if held.Run != nil && problem.Digest(state.ReadSetRecord(held.Run).Sets) != problem.Digest(state.SetRecord{}.Sets) {
		if err := held.Run.WriteJSON(state.SetsFile, state.SetRecord{}); err != nil {
			return err
		}
	}
	known := problem.Digest(held.Record) != problem.Digest(rules.Record{Kernel: held.Record.Kernel})
	dropped, err := held.DropBans(ctx)
	if err != nil {
		return err
	}
	r.Chains, r.Sets, r.Stays = dropped.Chains, dropped.Sets, append(r.Stays, dropped.Stay...)
	if known {
		held.Record = rules.Record{}
		if err := held.WriteRecord(); err != nil {
			return err
		}
	}
	// Keep that this is no fresh host, and which settings were rejected here.
	left := rules.State{Since: held.State.Since, Rejected: held.State.Rejected}
	if store == nil || held.StateErr == nil && problem.Digest(held.State) == problem.Digest(left) {
		return nil
	}
	held.State = left
	return errors.Join(held.WriteState(), held.WriteCopy(nil))
}
