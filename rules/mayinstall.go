package rules

import (
	"cmp"
	"context"
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/ruleset"
)

// beside adds who is logged in, and whether base rules would let them in again. unknown is
// why connections could not be listed.
func (c Circumstances) beside(base ruleset.Base, saved [2]*iptables.Saved, sessions, connections []logins.Login, unknown error, ways host.Ways) Circumstances {
	c.LoggedIn = len(sessions) > 0
	c.MaybeLoggedIn = maybeLoggedIn(base, connections, unknown)
	c.Unclear = lockout.Unclear(ways)
	c.Out = slices.Concat(lockout.ShutSessions(base, sessions), lockout.ShutVPNs(base, saved, ways, sessions))
	return c
}

// of adds what is known of the base rules.
func (c Circumstances) of(w want, s *sight) Circumstances {
	c.There, c.Accepted = s.saved[iptables.IPv4].HasBase(), s.state.accepted(w.key)
	c.Used = s.state.used() || s.record.Wanted != "" // if the state is lost, the record may still tell
	return c
}

// refusal returns why new base rules must not be installed, or nil.
func (c Circumstances) refusal() error {
	switch {
	case c.Owner != nil:
		return c.Owner
	case c.Force || c.Accepted:
		return nil
	case len(c.Out) > 0 && !c.Unattended: // says more than the cases below
		return lockout.Refuse(c.Out)
	case c.mustWait():
		return &unattendedError{c.There}
	}
	return lockout.Refuse(c.Out)
}

// mustWait reports whether new base rules must wait until somebody asks for them.
func (c Circumstances) mustWait() bool {
	switch {
	case c.ByHand:
		return false
	case c.Unattended:
		return c.Used || c.Established || c.LoggedIn || c.MaybeLoggedIn || c.Unclear
	}
	return c.Used && !c.Caller
}

// maybeLoggedIn reports whether there is, or may be if they could not be listed, a connection
// to this host that base rules would not let in again. The agent cannot see every session, so
// any such connection is enough not to install them while nobody is there to confirm them.
func maybeLoggedIn(base ruleset.Base, connections []logins.Login, err error) bool {
	return err != nil || len(lockout.ShutSessions(base, connections)) > 0
}

// checkOwners refuses base rules beside another owner of INPUT.
func (r *Hold) checkOwners(ctx context.Context, saved [2]*iptables.Saved) error {
	if r.Cfg.Firewall.BesideOthers {
		return nil
	}
	known, _ := reach.WithOther(ctx, reach.KernelRules{Backend: r.Fw.Backend, Used: true, Saved: saved}) // unreadable rules show no owner
	native, _ := reach.ReadNative(ctx, known, false)
	owners := reach.OtherOwners(known, native)
	if len(owners) == 0 {
		return nil
	}
	return &otherOwnerError{owners, saved[iptables.IPv4].HasBase()}
}

// mayInstall returns why the configured base rules must not be installed now, or nil, and
// whether that depends on who is there. Rules that are in the kernel already may stay.
func mayInstall(w want, s *sight, c Circumstances, all ruleset.Wanted) (why error, asks bool) {
	if before := cmp.Or(s.stateErr, s.rejected(w)); before != nil && !c.ByHand {
		return before, false
	}
	if !slices.ContainsFunc(firewall.Changes(s.plan(all)), firewall.Change.Base) {
		return nil, false
	}
	return c.refusal(), true
}
