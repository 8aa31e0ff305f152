package rules

import (
	"context"
	"errors"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/settings"
)

// apply makes the kernel hold what a decision wants.
func (r *Hold) apply(ctx context.Context, d *Decision, saved [2]*iptables.Saved) outcome {
	o := outcome{as: d}
	o.done, o.err = r.Fw.Apply(ctx, d.want, saved, r.Record.Readback)
	if errors.As(o.err, &o.partly) {
		o.err = nil
	}
	if o.partly != nil && o.partly.Family == iptables.IPv6 && r.Cfg.Firewall.IPv6 == config.IPv6Off && saved[iptables.IPv6].Trouble != nil {
		o.partly = nil // no rules are wanted there
	}
	return o
}

// Unreadable returns the families whose rules could not be listed.
func Unreadable(cfg config.Config, saved [2]*iptables.Saved) (all []problem.FamilyProblem) {
	for _, f := range iptables.Families {
		if settings.WantsRules(cfg, f) && saved[f] != nil && saved[f].Trouble != nil {
			all = append(all, problem.OfFamily(&firewall.FamilyError{Family: f, Err: saved[f].Trouble}))
		}
	}
	return all
}
