package rules

import (
	"fmt"
	"time"
)

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
