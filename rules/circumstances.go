package rules

import (
	"context"
	"slices"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
)

// Circumstances are what decides, beside the configuration and the kernel, whether base
// rules that are new may be installed: who acts, and who is there to confirm them or to
// be locked out. They are those of whoever will act, and are gathered once; refusal
// decides by them alone.
type Circumstances struct {
	ByHand      bool // an admin asks for these rules now
	Force       bool // and does not ask who would be locked out
	Unattended  bool // the agent acts, with nobody there
	Established bool // and has been at work before

	There    bool // base rules are in force, if not these
	Accepted bool // the base rules as configured have been confirmed before
	Used     bool // this host has had rules of ours
	Caller   bool // somebody waits for this very command

	LoggedIn      bool // somebody is logged in
	MaybeLoggedIn bool // or may be; see maybeLoggedIn
	Unclear       bool // there is a tunnel of which nothing is known; see mysterious

	Owner error     // another owner of the firewall, beside which there are to be no base rules
	Out   []ShutOut // those whom the base rules would lock out
}

// circumstances gathers them.
func (r *Hold) circumstances(ctx context.Context, base firewall.Base, saved [2]*firewall.Saved, how How) Circumstances {
	logins := host.SSHLogins()
	connections, err := host.Inbound()
	c := how.circumstances(host.CallerConnection(), onTerminal(), logins)
	c.There, c.Accepted, c.Used = saved[firewall.IPv4].HasBase(), r.accepted(), r.used()
	c.MaybeLoggedIn = maybeLoggedIn(base, connections, err)
	c.Unclear = mysterious(r.look())
	c.Owner = r.checkOwners(ctx, saved)
	c.Out = slices.Concat(shutOut(base, logins), shutVPNs(base, saved, r.look(), logins))
	return c
}

// circumstances are those of who acts, from where, and of who is logged in.
func (how How) circumstances(from host.Connection, terminal bool, logins []host.Login) Circumstances {
	return Circumstances{
		ByHand: how.byHand, Force: how.force, Unattended: how.Unattended, Established: how.Established,
		Caller:   !how.OnlyLooks && (from != (host.Connection{}) || terminal),
		LoggedIn: len(logins) > 0,
	}
}

// refusal is why base rules that are new must not be installed, or nil.
func (c Circumstances) refusal() error {
	switch {
	case c.Owner != nil:
		return c.Owner
	case c.Force || c.Accepted:
		return nil
	case len(c.Out) > 0 && !c.Unattended: // which says more
		return lockoutError(c.Out)
	case c.mustWait():
		return &UnattendedError{c.There}
	}
	return lockoutError(c.Out)
}

// mustWait reports whether new base rules must not be installed before somebody comes
// who asks for them.
func (c Circumstances) mustWait() bool {
	switch {
	case c.ByHand:
		return false
	case c.Unattended:
		return c.Used || c.Established || c.LoggedIn || c.MaybeLoggedIn || c.Unclear
	}
	return c.Used && !c.Caller
}

// maybeLoggedIn reports whether there is a connection to this host that base rules
// would not let in anew, or may be, if they could not be listed. Our service cannot see
// every session, so that is enough not to install them while nobody is there to confirm
// them.
func maybeLoggedIn(base firewall.Base, connections []host.Login, err error) bool {
	return err != nil || len(shutOut(base, connections)) > 0
}
