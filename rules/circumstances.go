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

// How says how to go about the rules.
type How struct {
	DryRun bool // change nothing
	ByHand bool // an admin asks for them now: what lapsed before is tried again
	Force  bool // do not ask who would be locked out

	// Unattended is nobody being there: base rules that are new are not
	// installed, but on a fresh host that nobody is logged in to; and not even
	// there if Established, for whoever has been at work before.
	Unattended, Established bool

	// OnlyLooks is a question by somebody who will not act himself: that he sits at a
	// terminal says nothing about whoever will.
	OnlyLooks bool

	// LeaveBase leaves the base rules as they are: somebody is about to try them.
	LeaveBase bool

	// Trial has base rules that are new wait for a confirmation; Always also those that
	// have been accepted before.
	Trial, Always bool
}

// Circumstances are what decides, beside the configuration and the kernel, whether base
// rules that are new may be installed: who acts, and who is there to confirm them or to
// be locked out. They are those of whoever will act, and are gathered once, before it is
// decided; refusal decides by them alone.
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
	Unclear       bool // there is a tunnel of which nothing is known; see [lockout.Unclear]

	Owner error             // another owner of the firewall, beside which there are to be no base rules
	Out   []lockout.ShutOut // those whom the base rules would lock out
}

// circumstances are those of who acts, from where.
func (how How) circumstances(from logins.Connection, terminal bool) Circumstances {
	return Circumstances{
		ByHand: how.ByHand, Force: how.Force, Unattended: how.Unattended, Established: how.Established,
		Caller: !how.OnlyLooks && (from != (logins.Connection{}) || terminal),
	}
}

// meet looks up who is there and whose firewall this is, and adds it.
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
