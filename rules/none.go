package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/settings"
)

// noDropError says that no rule drops the members of some sets, or only some of their packets,
// while the rules are another program's.
type noDropError struct {
	Sets    []string
	Reached []string        // sets with only some packets dropped, each in words
	first   string          // the first of all these sets
	at      iptables.Family // the family of first
}

func (e *noDropError) Error() string {
	what := slices.Clone(e.Reached)
	if len(e.Sets) > 0 {
		what = slices.Insert(what, 0, "no rule drops the members of "+strings.Join(e.Sets, " and "))
	}
	return strings.Join(what, "; ") + ", and voipbl makes none: firewall.drop_at is none"
}

// Remedy says what to do about it.
func (e *noDropError) Remedy() string {
	tool := [...]string{"iptables", "ip6tables"}[e.at]
	return fmt.Sprintf("have the other program make one (%s -I INPUT -m set --match-set %s src -j DROP), or set \"firewall: {drop_at: auto}\"", tool, e.first)
}

// unseenDropError says that no rule was found that drops the members of sets, but not all
// rules could be listed, while the rules are another program's.
type unseenDropError struct {
	Sets []string
	Err  error
}

func (e *unseenDropError) Error() string {
	return "whether a rule drops the members of " + strings.Join(e.Sets, " and ") + " is not known: " + e.Err.Error()
}

func (e *unseenDropError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *unseenDropError) Remedy() string {
	if errors.Is(e.Err, reach.ErrTooMany) {
		return "have the other program's rules that drop the members of " + strings.Join(e.Sets, " and ") + " stand first in their chain, where no other rule has to be followed"
	}
	return problem.Of(e.Err).Remedy
}

// ownRulesLeftError says that voipbl's rules are left from before another program owned them.
type ownRulesLeftError struct{ Rules int }

func (e *ownRulesLeftError) Error() string {
	return fmt.Sprintf("voipbl's own rules are still there (%d changes would take them out), and are not renewed: firewall.drop_at is none", e.Rules)
}

// Remedy says what to do about it.
func (e *ownRulesLeftError) Remedy() string {
	return "once another program's rules drop the members of the sets, \"voipbl firewall apply\" takes those of voipbl out"
}

// leaveToOthers decides for rules that are another program's: voipbl adds none. Its own old
// rules are removed only by hand, and only if they are not the only protection. Force does not
// change that: it is about lock-outs, and none is at stake.
func (d *Decision) leaveToOthers(w want, s *sight) {
	d.none, d.Placed = true, s.placed(false)
	d.plans = s.plan(d.want)
	d.Families = s.knownTroubles(w, d.plans)
	switch ours := firewall.Changes(d.plans); {
	case s.undropped != nil:
		d.Problem = s.undropped
	case len(ours) > 0 && !d.byHand:
		d.Problem = &ownRulesLeftError{len(ours)}
	}
}

// takeOut carries out what leaveToOthers decided.
func (r *Hold) takeOut(ctx context.Context, d *Decision, report *Report) error {
	saved := d.Saved
	report.Families, report.Changes = d.Families, []firewall.Change{}
	if d.byHand && len(firewall.Changes(d.plans)) > 0 {
		if d.Problem != nil {
			return d.Problem
		}
		o := r.apply(ctx, d, saved)
		if err := errors.Join(o.err, problem.AsError(o.partly)); err != nil {
			return err
		}
		done := o.done
		report.Changes, report.Written, report.Base = firewall.Changes(done.Plans), true, BaseOff
		saved = done.Saved
		r.Record.Readback, r.Record.Wanted = done.Readback, problem.Digest(d.want) // so that nobody else is said to have removed them
		if err := r.WriteRecord(); err != nil {
			report.Warnings = append(report.Warnings, fmt.Sprintf("what the kernel holds is not remembered: %v", err))
		}
		if _, err := r.DropBans(ctx); err != nil {
			report.Warnings = append(report.Warnings, fmt.Sprintf("what was made for fail2ban: %v", err))
		}
	}
	if report.Problem == nil {
		report.Generation = saved[iptables.IPv4].Generation
	}
	return nil
}

// undropped returns an error that names the sets with members that no rule drops. With theirs,
// voipbl's own rules do not count.
func (r *Hold) undropped(ctx context.Context, saved [2]*iptables.Saved, theirs bool) error {
	filled := func(f cidr.Family) (names []string) {
		for _, set := range []string{r.Cfg.SetName(int(f)), r.Cfg.BanSetName(int(f))} {
			if h, err := r.Sets.Header(set); err == nil && h.Elements > 0 {
				names = append(names, set)
			}
		}
		return names
	}
	return noDrop(ctx, r.Cfg, r.Sets, everywhere(ctx, r.Fw, saved), filled, theirs)
}

// BansDropped returns an error if no rule drops banned addresses, or if that is not known.
func BansDropped(ctx context.Context, cfg config.Config, fw *firewall.Firewall, kernel *ipsetsync.Kernel) error {
	saved, err := fw.Read(ctx)
	if err != nil {
		return err
	}
	bans := func(f cidr.Family) []string {
		if h, err := kernel.Header(cfg.BanSetName(int(f))); f == cidr.IPv6 && err == nil && h.Elements == 0 {
			return nil // some programs have no rules for IPv6
		}
		return []string{cfg.BanSetName(int(f))}
	}
	return noDrop(ctx, cfg, kernel, everywhere(ctx, fw, saved), bans, false)
}

// noDrop returns an error for the sets whose members no rule drops. With theirs, voipbl's own
// rules do not count. What is certain comes first.
func noDrop(ctx context.Context, cfg config.Config, kernel *ipsetsync.Kernel, rules []reach.KernelRules, sets func(cidr.Family) []string, theirs bool) error {
	var e noDropError
	var unseen unseenDropError
	p, passedErr := reach.PassedBy(ctx, rules, nil)
	for _, f := range cidr.Families {
		if !settings.WantsRules(cfg, iptables.Family(f)) {
			continue
		}
		unknown := passedErr
		for _, k := range rules {
			unknown = errors.Join(unknown, k.Saved[f].Unknown())
		}
		filters := p.Filters(iptables.Family(f), reach.Nobody)
		for _, set := range sets(f) {
			lists, err := kernel.Lists(set)
			unknown := errors.Join(unknown, err)
			dropped := slices.ContainsFunc(rules, func(k reach.KernelRules) bool {
				return slices.ContainsFunc(iptwalk.DropsAnywhere(k.Saved[f], append(lists, set)...), func(d iptables.DropRule) bool { return !theirs || !d.Ours })
			})
			var ports []string
			if dropped {
				var err error
				if ports, err = filters.Reached(cfg, set, lists, theirs); err == nil && len(ports) == 0 {
					continue
				}
				unknown = errors.Join(unknown, err)
			}
			if unknown != nil {
				unseen.Sets = append(unseen.Sets, set)
				unseen.Err = errors.Join(unseen.Err, unknown)
				continue
			}
			if e.first == "" {
				e.first, e.at = set, iptables.Family(f)
			}
			if dropped {
				e.Reached = append(e.Reached, reach.ReachedWords(set, ports))
			} else {
				e.Sets = append(e.Sets, set)
			}
		}
	}
	switch {
	case e.first != "":
		return &e
	case len(unseen.Sets) > 0:
		return &unseen
	}
	return nil
}

// everywhere adds the rules of the other backend, which are in force too.
func everywhere(ctx context.Context, fw *firewall.Firewall, saved [2]*iptables.Saved) []reach.KernelRules {
	all := []reach.KernelRules{{Backend: fw.Backend, Used: true, Saved: saved}}
	other, err := firewall.Open(string(fw.Backend.Other()))
	if err != nil || !other.InUse() {
		return all
	}
	theirs, _ := other.Read(ctx) // each family holds its own error
	return append(all, reach.KernelRules{Backend: other.Backend, Used: false, Saved: theirs})
}
