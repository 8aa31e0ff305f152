package rules

import (
	"context"
	"os"

	"golang.org/x/term"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/ruleset"
)

// How says in which way the rules are to be looked at or applied.
type How struct {
	DryRun bool // change nothing
	ByHand bool // an admin asks for them now: base rules that lapsed before are tried again
	Force  bool // skip the lock-out check

	// Unattended means that nobody is there. New base rules are then not installed, except
	// on a fresh host that nobody is logged in to. With Established, which means that the
	// agent has been at work before, not even there.
	Unattended, Established bool

	// OnlyLooks means that the caller will not apply anything. Whether the caller sits at a
	// terminal then says nothing about whoever will.
	OnlyLooks bool

	// LeaveBase leaves the base rules as they are, since somebody is about to try them.
	LeaveBase bool

	// Trial makes new base rules wait for a confirmation; Always does so also for base
	// rules that have been accepted before.
	Trial, Always bool
}

// Circumstances decide, besides the configuration and the kernel, whether new base rules
// may be installed: who acts, and who is there to confirm the rules or to be locked out.
// They describe whoever will act, and are collected once, before the decision. refusal
// uses nothing else.
type Circumstances struct {
	ByHand      bool // an admin asks for these rules now
	Force       bool // and skips the lock-out check
	Unattended  bool // the agent acts, with nobody there
	Established bool // and has been at work before

	There    bool // some base rules are in force, perhaps others
	Accepted bool // the base rules as configured have been confirmed before
	Used     bool // this host has had voipbl's rules before
	Caller   bool // somebody waits for this very command

	LoggedIn      bool // somebody is logged in
	MaybeLoggedIn bool // or may be; see maybeLoggedIn
	Unclear       bool // there is a tunnel of an unknown program; see [lockout.Unclear]

	Owner error             // another firewall that owns this host, so base rules are not installed
	Out   []lockout.ShutOut // those whom the base rules would lock out
}

// circumstances returns those of the caller, given its connection and terminal.
func (how How) circumstances(from logins.Connection, terminal bool) Circumstances {
	return Circumstances{
		ByHand: how.ByHand, Force: how.Force, Unattended: how.Unattended, Established: how.Established,
		Caller: !how.OnlyLooks && (from != (logins.Connection{}) || terminal),
	}
}

// meet looks up who is logged in and which firewall owns this host, and adds both to c.
func (r *Hold) meet(ctx context.Context, c Circumstances, base ruleset.Base, saved [2]*iptables.Saved) Circumstances {
	connections, err := logins.Inbound()
	c = c.beside(base, saved, logins.SSH(), connections, err, r.Look())
	c.Owner = r.checkOwners(ctx, saved)
	return c
}

// onTerminal reports whether a person may be watching.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stderr.Fd())) || term.IsTerminal(int(os.Stdin.Fd()))
}
