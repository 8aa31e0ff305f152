package problem

import (
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/iptables"
)

// FamilyProblem is a problem with the rules or the set of one family. The other family
// is not affected.
type FamilyProblem struct {
	Family string `json:"family"` // "IPv4" or "IPv6"
	Problem

	In iptables.Family `json:"-"`
}

func OfFamily(err *firewall.FamilyError) FamilyProblem {
	return FamilyProblem{err.Family.String(), *Of(err), err.Family}
}

// AsError returns err as an error that is nil if err is nil.
func AsError(err *firewall.FamilyError) error {
	if err == nil {
		return nil
	}
	return err
}
