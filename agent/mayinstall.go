package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/firewall"
)

// mayInstall reports why the configured base rules must not be installed now, or
// nil. What is in the kernel already may stay.
func (r *rules) mayInstall(ctx context.Context, base firewall.Base, want firewall.Wanted, saved [2]*firewall.Saved, how howRules) error {
	if !how.byHand {
		if r.stateErr != nil {
			return r.stateErr
		}
		if rejected := r.rejected(); rejected != nil {
			return rejected
		}
	}
	changed := false
	for _, c := range firewall.Changes(r.fw.Plan(want, saved, r.record.Readback)) {
		changed = changed || c.Base()
	}
	if !changed {
		return nil
	}
	if err := r.checkOwners(ctx, saved); err != nil {
		return err
	}
	if how.force || r.accepted() {
		return nil
	}
	logins := sshLogins()
	if r.company(base, logins).mustWait(how) || how.unattended && mysterious(r.look()) {
		return &UnattendedError{}
	}
	return lockoutError(slices.Concat(shutOut(base, logins), shutVPNs(base, saved, r.look(), logins)))
}

// company is who is there while base rules are new: to confirm them, or to be locked out.
type company struct {
	used     bool // this host has had rules of ours
	loggedIn bool // somebody is logged in
	maybe    bool // or may be; see maybeLoggedIn
	caller   bool // somebody waits for this very command
}

// company finds out who is there.
func (r *rules) company(base firewall.Base, logins []login) company {
	connections, err := inbound()
	return company{
		used:     r.used(),
		loggedIn: len(logins) > 0,
		maybe:    maybeLoggedIn(base, connections, err),
		caller:   callerConnection() != (connection{}) || onTerminal(),
	}
}

// mustWait reports whether new base rules must not be installed before somebody comes
// who asks for them.
func (c company) mustWait(how howRules) bool {
	switch {
	case how.byHand:
		return false
	case how.unattended:
		return c.used || how.established || c.loggedIn || c.maybe
	}
	return c.used && !c.caller
}

// maybeLoggedIn reports whether there is a connection to this host that base rules
// would not let in anew, or may be, if they could not be listed. Our service cannot see
// every session, so that is enough not to install them while nobody is there to confirm
// them.
func maybeLoggedIn(base firewall.Base, connections []login, err error) bool {
	return err != nil || len(shutOut(base, connections)) > 0
}

// used reports whether there have been rules of ours on this host before: then it is
// no fresh one that is being provisioned. If the state is lost, the kernel's rules
// tell.
func (r *rules) used() bool { return r.state.used() || r.record.Wanted != "" }

// RejectedError is base rules that nobody has confirmed.
type RejectedError struct {
	At  time.Time
	Why string
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("the base rules as configured were taken back at %s and are not installed: %s", e.At.Local().Format(time.DateTime), e.Why)
}

// Remedy says what to do about it.
func (e *RejectedError) Remedy() string {
	return "check firewall.local_networks and firewall.services, then run \"voipbl firewall apply\" and confirm"
}

// rejected reports whether the base rules, as they are configured now, have
// lapsed or been rolled back.
func (r *rules) rejected() error {
	if rej := r.state.Rejected; rej != nil && rej.Key == baseKey(r.cfg) {
		return &RejectedError{rej.At, rej.Why}
	}
	return nil
}
