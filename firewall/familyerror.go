package firewall

import (
	"errors"

	"github.com/voipbl/voipbl/iptables"
)

// FamilyError says what is wrong with the rules of one family, while those of the other are
// right.
type FamilyError struct {
	Family iptables.Family
	Err    error
}

func (e *FamilyError) Error() string {
	return e.Family.String() + " is not protected as configured: " + e.Err.Error()
}

func (e *FamilyError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *FamilyError) Remedy() string {
	remedy := ""
	if own := interface{ Remedy() string }(nil); errors.As(e.Err, &own) {
		remedy = own.Remedy()
	}
	if e.Family != iptables.IPv6 || Passing(e.Err) {
		return remedy
	}
	const off = "if this host needs no protection over IPv6, say so with \"firewall: {ipv6: off}\""
	if remedy == "" {
		return off
	}
	return remedy + "; " + off
}

// Partly returns the family that an apply failed for, if the other one succeeded.
func Partly(err error) (*FamilyError, bool) {
	var partly *FamilyError
	return partly, errors.As(err, &partly)
}
