package agent

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
)

// FamilyProblem is why the rules or the set of one family are not as they should be. The
// other family's are not affected.
type FamilyProblem struct {
	Family string `json:"family"` // "IPv4" or "IPv6"
	Problem

	family firewall.Family
}

func familyProblem(err *firewall.FamilyError) FamilyProblem {
	return FamilyProblem{err.Family.String(), *problemOf(err), err.Family}
}

// asError is nil for no error of a family, which an error that holds a nil pointer is not.
func asError(err *firewall.FamilyError) error {
	if err == nil {
		return nil
	}
	return err
}

// apply makes the kernel hold what is wanted. partly is what went wrong with one family
// while the other is as wanted; then err is nil.
func (r *rules) apply(ctx context.Context, want firewall.Wanted, saved [2]*firewall.Saved) (done *firewall.Applied, partly *firewall.FamilyError, err error) {
	done, err = r.fw.Apply(ctx, want, saved, r.record.Readback)
	if !errors.As(err, &partly) {
		return done, nil, err
	}
	if r.leavesIPv6() && partly.Family == firewall.IPv6 && saved[firewall.IPv6].Trouble != nil {
		return done, nil, nil // nothing is wanted there
	}
	return done, partly, nil
}

// leavesIPv6 reports whether IPv6 is none of our business.
func (r *rules) leavesIPv6() bool { return r.cfg.Firewall.IPv6 == config.IPv6Off }

// wantsRules reports whether there are to be rules of a family: the kernel has it, and it
// is not left alone.
func wantsRules(cfg config.Config, f firewall.Family) bool {
	return f.Present() && (f == firewall.IPv4 || cfg.Firewall.IPv6 != config.IPv6Off)
}

// knownTroubles are the families that could not be listed now, or whose rules could not
// be made what they should be the last time and are not yet.
func (r *rules) knownTroubles(saved [2]*firewall.Saved, plans [2]*firewall.Plan) (all []FamilyProblem) {
	for _, f := range firewall.Families {
		switch {
		case f == firewall.IPv6 && r.leavesIPv6():
		case saved[f].Trouble != nil:
			all = append(all, familyProblem(&firewall.FamilyError{Family: f, Err: saved[f].Trouble}))
		case isGone(r.sets.Kind(setName(r.cfg, cidr.Family(f)))): // which is told, and is why
		case r.record.Troubles[f] != nil && !plans[f].Unchanged():
			all = append(all, FamilyProblem{f.String(), *r.record.Troubles[f], f})
		}
	}
	return all
}

// unlisted are the families whose rules could not be listed.
func unlisted(cfg config.Config, saved [2]*firewall.Saved) (all []FamilyProblem) {
	for _, f := range firewall.Families {
		if wantsRules(cfg, f) && saved[f] != nil && saved[f].Trouble != nil {
			all = append(all, familyProblem(&firewall.FamilyError{Family: f, Err: saved[f].Trouble}))
		}
	}
	return all
}

// noteUnlisted says of rules that cannot be listed what status does. A sync need not list
// them while none has changed, but whoever asks is to hear the same of both.
func (r *Report) noteUnlisted(ctx context.Context, cfg config.Config, fw *firewall.Firewall) error {
	if r.Rules == nil || len(r.Rules.Families) > 0 {
		return nil
	}
	saved, err := fw.Read(ctx)
	if err == nil && saved[firewall.IPv4].Trouble != nil && wantsRules(cfg, firewall.IPv4) {
		err = &firewall.FamilyError{Family: firewall.IPv4, Err: saved[firewall.IPv4].Trouble}
	}
	if err != nil {
		if r.Outcome != DryRun {
			r.Outcome = RulesFailed
		}
		return err
	}
	if r.Rules.Families = unlisted(cfg, saved); len(r.Rules.Families) > 0 && r.Outcome == InForce {
		r.Outcome = Stale
	}
	return nil
}

// noteWithoutBase writes down in which families the base rules on trial could not be
// installed: a confirmation does not count on them.
func (r *rules) noteWithoutBase(report *RulesReport) error {
	p, before := r.state.Pending, r.state.Pending.WithoutBase
	for f, err := range report.withoutBase {
		p.WithoutBase[f] = err != nil
	}
	for _, problem := range report.Families {
		p.WithoutBase[problem.family] = true
	}
	if p.WithoutBase == before {
		return nil
	}
	return errors.Join(r.writeState(), r.writeCopy(p))
}

// warnOfFamilies logs which family's sets or rules are not as they should be, once.
func (d *daemon) warnOfFamilies(what string, families []FamilyProblem) {
	var words []string
	for _, p := range families {
		words = append(words, p.Error+": "+p.Remedy)
	}
	d.warn("family "+what, words)
	if d.troubled == nil {
		d.troubled = make(map[string]bool)
	}
	d.troubled[what] = len(families) > 0
}
