package firewall

import (
	"errors"

	"github.com/voipbl/voipbl/iptables"
)

// FamilyError is what is wrong with the rules of one family, while those of the other
// are as they should be.
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

// Partly returns what an apply could not do for one family, if that is all that is
// wrong.
func Partly(err error) (*FamilyError, bool) {
	var partly *FamilyError
	return partly, errors.As(err, &partly)
}
