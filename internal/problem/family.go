package problem

import "github.com/voipbl/voipbl/firewall"

// FamilyProblem is why the rules or the set of one family are not as they should be. The
// other family's are not affected.
type FamilyProblem struct {
	Family string `json:"family"` // "IPv4" or "IPv6"
	Problem

	In firewall.Family `json:"-"`
}

func OfFamily(err *firewall.FamilyError) FamilyProblem {
	return FamilyProblem{err.Family.String(), *Of(err), err.Family}
}

// AsError is nil for no error of a family, which an error that holds a nil pointer is not.
func AsError(err *firewall.FamilyError) error {
	if err == nil {
		return nil
	}
	return err
}
