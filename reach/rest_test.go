package reach

import (
	"strings"
	"testing"

	"github.com/voipbl/voipbl/iptwalk"
)

// TestRestWords: each state of the rest of the firewall has its own words, and base rules are
// named where they would help.
func TestRestWords(t *testing.T) {
	const in, out, unclear = iptwalk.LetsIn, iptwalk.KeepsOut, iptwalk.Unclear
	for _, c := range []struct {
		rest  Rest
		says  string
		setup bool
	}{
		{Rest{nil, in, in, false}, "the rest of the firewall is off", true},
		{Rest{nil, out, out, false}, "your own rules in INPUT", false},
		{Rest{nil, out, in, false}, "some of the others", true},
		{Rest{nil, unclear, in, false}, "some of the others", true},
		{Rest{nil, in, in, true}, "configured would close the rest", false},
		{Rest{nil, out, in, true}, "configured would close the rest", false},
		{Rest{[]string{"ufw"}, out, in, false}, "the rest of the firewall is ufw", false},
		{Rest{[]string{"FreePBX's firewall", "firewalld"}, in, in, false}, "is FreePBX's firewall and firewalld", false},
	} {
		if got := c.rest.Words("the list is on"); !strings.Contains(got, c.says) || strings.Contains(got, "voipbl setup") != c.setup {
			t.Errorf("%+v: %s", c.rest, got)
		}
	}
}
