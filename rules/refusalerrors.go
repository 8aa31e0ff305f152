package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/problem"
)

// RejectedError says that nobody has confirmed the base rules.
type RejectedError struct {
	At    time.Time
	Why   string
	Other bool // the rejected rules are not those configured now
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

// unattendedError says that base rules are new, the host is in use, and nobody is there to
// confirm them or to notice a lock-out: cron has found a changed configuration, say. On a fresh
// host, which is being provisioned, nobody can be locked out.
type unattendedError struct{ Others bool } // other base rules are in force

func (e *unattendedError) Error() string {
	if e.Others {
		return "the base rules have changed, and nobody has tried yet whether they let an admin in: those from before stay in force"
	}
	return "the base rules are new, and nobody has tried yet whether they let an admin in: they are not installed"
}

// Remedy says what to do about it.
func (*unattendedError) Remedy() string {
	return "log in by SSH and run \"voipbl firewall apply\", which puts them on trial"
}

// Explain describes it; see [problem.Of].
func (e *unattendedError) Explain() (reason, what, remedy string) {
	return problem.ReasonUntried, "", e.Remedy()
}

// otherOwnerError says that another program is the firewall of this host.
type otherOwnerError struct {
	Owners []string
	There  bool // voipbl's base rules are in force beside it
}

func (e *otherOwnerError) Error() string {
	what := "not installed"
	if e.There {
		what = "left as they are"
	}
	return "the base rules are " + what + " beside " + strings.Join(e.Owners, " and ") + ": with two owners of INPUT each undoes what the other one lets in"
}

// Remedy says what to do about it.
func (e *otherOwnerError) Remedy() string {
	return host.SwitchOffRemedy(e.Owners) + "; or set \"firewall: {base: false}\" (blocked addresses are dropped all the same), or set \"beside_others: true\""
}
