package show

import (
	"net/netip"
	"testing"

	"github.com/voipbl/voipbl/lockout"
)

// TestClosedWords counts listeners that networks still reach apart from those that are closed.
func TestClosedWords(t *testing.T) {
	var all, some lockout.Closed
	some.OpenTo = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		closed []lockout.Closed
		notYet bool
		want   string
	}{
		{[]lockout.Closed{all}, false, "close 1 listener"},
		{[]lockout.Closed{all, all}, true, "would close 2 listeners"},
		{[]lockout.Closed{some, some}, false, "leave 2 listeners open to networks alone"},
		{[]lockout.Closed{some, all, all}, true, "would close 2 listeners, and leave 1 open to networks alone"},
	} {
		if got := closedWords(c.closed, c.notYet); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
