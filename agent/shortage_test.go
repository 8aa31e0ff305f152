package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
)

// TestPassingRemedies: everything that keeps rules from being listed at the moment has a remedy,
// the same for both families. Switching IPv6 off solves none of it.
func TestPassingRemedies(t *testing.T) {
	for _, err := range []error{
		nft.ErrChanging, unix.ENOMEM, &firewall.ToolError{Tool: "iptables-nft-save", Code: 4, Said: "No buffer space available"}, &firewall.ToolError{Tool: "iptables-nft-save", Code: -1},
		&firewall.ToolError{Tool: "iptables-legacy-save", Code: 4, Said: "Another app is currently holding the xtables lock"}, unix.EMFILE, unix.EIO,
	} {
		if !firewall.Passing(err) {
			t.Errorf("%v: is said to last", err)
		}
		plain := problem.Of(fmt.Errorf("read: %w", err)).Remedy
		for _, f := range iptables.Families {
			if got := problem.OfFamily(&firewall.FamilyError{Family: f, Err: err}).Remedy; got == "" || got != plain {
				t.Errorf("%v over %s: remedy %q, and alone %q", err, f, got, plain)
			}
		}
	}
	lasting := problem.OfFamily(&firewall.FamilyError{Family: iptables.IPv6, Err: errors.New("no such table")}).Remedy
	if !strings.Contains(lasting, "ipv6: off") {
		t.Errorf("what lasts: %q", lasting)
	}
}
