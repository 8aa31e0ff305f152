package agent

import (
	"context"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// A set of our name and another type was made by somebody else. It blocks nobody as it
// should, and the kernel exchanges no set for one of another type: it has to be destroyed,
// which needs that nothing refers to it. Our own rules may, from before somebody put it
// there.

// otherUsers names the lists and rules that refer to a set, without rules of our own.
func otherUsers(kernel *ipsetsync.Kernel, rules *firewall.Users, name string) []string {
	return append(listUsers(kernel, name), rules.ForeignOfSet(name)...)
}

// inWay reports whether a live set is somebody else's to which only rules of ours refer.
func inWay(ctx context.Context, kernel *ipsetsync.Kernel, live *ipsetsync.Live, f cidr.Family) bool {
	if live == nil || ipsetsync.IsOurs(live.Header, f) || live.References == 0 {
		return false
	}
	rules := firewall.ReadUsers(ctx)
	return rules.Unknown[f] == nil && len(otherUsers(kernel, rules, live.Name)) == 0 && len(rules.OfSet(live.Name)) > 0
}

// freeForeign takes our rules away from such sets, so that they can be replaced. In a dry
// run the plans are made as if that had been done.
func (e *enforcement) freeForeign(ctx context.Context, r *rules, lives [2]*ipsetsync.Live) error {
	if e.setsOnly || leavesRules(e.cfg) {
		return nil
	}
	any := false
	for _, f := range cidr.Families {
		if inWay(ctx, e.kernel, lives[f], f) {
			any, r.replaced[f] = true, true
		}
	}
	if !any {
		return nil
	}
	if !e.dryRun {
		unlock, err := lock(ctx, e.cfg.RunDir, rulesLock, e.verb, e.wait, nil)
		if err != nil {
			return err
		}
		defer unlock()
		r.replaced = [2]bool{} // not yet
		if _, _, err = r.settleAndEnsure(ctx, howRules{unattended: true, established: true, leaveBase: true}); err != nil {
			if _, partly := firewall.Partly(err); !partly {
				return err // else what is wrong with one family is said when all rules are made
			}
		}
	}
	for _, f := range cidr.Families {
		if live := lives[f]; live != nil && !ipsetsync.IsOurs(live.Header, f) {
			if e.dryRun && r.replaced[f] {
				live.References = 0
			} else if h, err := e.kernel.Header(live.Name); err == nil {
				live.References = h.References
			}
		}
	}
	return nil
}

// dropSettings are those of the configuration, with the sets that are about to be replaced.
func (r *rules) dropSettings(at firewall.Place) firewall.Settings {
	s := dropSettings(r.cfg, r.sets, at)
	for _, f := range cidr.Families {
		if r.replaced[f] {
			s.Sets[f] = setName(r.cfg, f)
		}
	}
	return s
}

// foreignRemedy is what to do about a set of that kind.
func (s *Status) foreignRemedy(set SetStatus) string {
	if len(set.users) > 0 {
		return (&ipsetsync.InUseError{}).Remedy()
	}
	return s.repairs()
}

// noteUsers looks who uses a set that somebody else has made.
func (s *SetStatus) noteUsers(ctx context.Context, kernel *ipsetsync.Kernel) {
	if s.Exists && !s.Ours && s.References > 0 {
		s.users = otherUsers(kernel, firewall.ReadUsers(ctx), s.Name)
	}
}
