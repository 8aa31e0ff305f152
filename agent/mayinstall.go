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
	switch {
	case how.byHand:
	case how.unattended && (r.used() || how.established || len(logins) > 0 || maybeLoggedIn(base)):
		return &UnattendedError{}
	case r.used() && callerConnection() == (connection{}) && !onTerminal():
		return &UnattendedError{}
	}
	return lockoutError(slices.Concat(shutOut(base, logins), shutVPNs(base, saved, r.look(), logins)))
}

// maybeLoggedIn reports whether there is a connection to this host that base rules
// would not let in anew. Our service cannot see every session, so that is enough
// not to install them while nobody is there to confirm them.
func maybeLoggedIn(base firewall.Base) bool {
	connections, err := inbound()
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
