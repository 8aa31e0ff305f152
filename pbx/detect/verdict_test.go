package detect

import (
	"testing"

	"github.com/voipbl/voipbl/pbx"
)

// TestTally: to be asked for a password is no failure, and what is none at all is not counted.
func TestTally(t *testing.T) {
	var counted tally
	for _, what := range []pbx.What{pbx.Asked, pbx.WrongPassword, pbx.Registered, pbx.WrongPassword, pbx.UnknownAccount} {
		counted.add(what, 0)
	}
	e := counted.evidence(1)
	if n := e.Failures(); n != 3 || len(e.Counts) != 3 || e.Counts[pbx.WrongPassword] != 2 {
		t.Errorf("%d failures of %v", n, e.Counts)
	}
}
