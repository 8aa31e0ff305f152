package setup

import (
	"slices"
	"testing"

	"github.com/voipbl/voipbl/fail2ban"
)

// TestBansInto: what setup prints for each state of fail2ban; "none" means that it is not
// installed.
func TestBansInto(t *testing.T) {
	jail := fail2ban.Jail{Name: "sshd", Actions: []fail2ban.Action{{Into: fail2ban.IntoChain, Target: "f2b-sshd"}}}
	for _, c := range []struct {
		f    *fail2ban.Facts
		want []string
	}{
		{nil, nil},
		{&fail2ban.Facts{}, []string{"not running"}},
		{&fail2ban.Facts{Silent: true}, []string{"running, and does not answer"}},
		{&fail2ban.Facts{Running: true}, []string{"running, without a jail"}},
		{&fail2ban.Facts{Running: true, Jails: []fail2ban.Jail{jail}}, []string{"jail sshd bans into iptables f2b-sshd"}},
	} {
		if got := bansInto(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, not %q", c.f, got, c.want)
		}
	}
}
