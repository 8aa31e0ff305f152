package rules

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/settings"
)

// mayInstall reports why the configured base rules must not be installed now, or
// nil. What is in the kernel already may stay.
func (r *Hold) mayInstall(ctx context.Context, base firewall.Base, want firewall.Wanted, saved [2]*firewall.Saved, how How) error {
	if !how.byHand {
		if r.StateErr != nil {
			return r.StateErr
		}
		if rejected := r.rejected(); rejected != nil {
			return rejected
		}
	}
	if !slices.ContainsFunc(firewall.Changes(r.fw.Plan(want, saved, r.Record.Readback)), firewall.Change.Base) {
		return nil
	}
	return r.circumstances(ctx, base, saved, how).refusal()
}

// used reports whether there have been rules of ours on this host before: then it is
// no fresh one that is being provisioned. If the state is lost, the kernel's rules
// tell.
func (r *Hold) used() bool { return r.State.used() || r.Record.Wanted != "" }

// RejectedError is base rules that nobody has confirmed.
type RejectedError struct {
	At    time.Time
	Why   string
	Other bool // they are not those that are configured now
}

func (e *RejectedError) Error() string {
	if e.Other {
		return fmt.Sprintf("base rules other than those configured were taken back at %s: %s", e.At.Local().Format(time.DateTime), e.Why)
	}
	return fmt.Sprintf("the base rules as configured were taken back at %s and are not installed: %s", e.At.Local().Format(time.DateTime), e.Why)
}

// Remedy says what to do about it.
func (e *RejectedError) Remedy() string {
	return "check firewall.local_networks and firewall.services, then run \"voipbl firewall apply\" and confirm"
}

// rejected reports whether the base rules, as they are configured now, have
// lapsed or been rolled back.
func (r *Hold) rejected() error {
	if rej := r.State.Rejected; rej != nil && rej.Key == settings.BaseKey(r.Cfg) {
		return &RejectedError{At: rej.At, Why: rej.Why}
	}
	return nil
}
