package rules

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// apply makes the kernel hold want. If one family fails while the other is right, partly has
// the failure and err is nil.
func (r *Hold) apply(ctx context.Context, want ruleset.Wanted, saved [2]*iptables.Saved) (done *firewall.Applied, partly *firewall.FamilyError, err error) {
	done, err = r.Fw.Apply(ctx, want, saved, r.Record.Readback)
	if !errors.As(err, &partly) {
		return done, nil, err
	}
	if r.Cfg.Firewall.IPv6 == config.IPv6Off && partly.Family == iptables.IPv6 && saved[iptables.IPv6].Trouble != nil {
		return done, nil, nil // no rules are wanted there
	}
	return done, partly, nil
}

// Unlisted returns the families whose rules could not be listed.
func Unlisted(cfg config.Config, saved [2]*iptables.Saved) (all []problem.FamilyProblem) {
	for _, f := range iptables.Families {
		if settings.WantsRules(cfg, f) && saved[f] != nil && saved[f].Trouble != nil {
			all = append(all, problem.OfFamily(&firewall.FamilyError{Family: f, Err: saved[f].Trouble}))
		}
	}
	return all
}
