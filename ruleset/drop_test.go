package ruleset_test

import (
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestTablesOff: with IPv6 off, IPv6 has no rules, and IPv4 has them all the same; with "none" there are none
// at all.
func TestTablesOff(t *testing.T) {
	off, nowhere := testrules.Full(), testrules.Full()
	off.IPv6Off, nowhere.DropAt = true, ruleset.Nowhere
	for f, want := range map[iptables.Family]bool{iptables.IPv4: true, iptables.IPv6: false} {
		if got := off.Tables(f); (len(got) > 0) != want {
			t.Errorf("IPv6 is off: %s has %d tables", f, len(got))
		}
		if got := nowhere.Tables(f); len(got) > 0 {
			t.Errorf("nowhere: %s has %d tables", f, len(got))
		}
	}
}
