package setup

import (
	"slices"
	"testing"

	machine "github.com/voipbl/voipbl/host"
)

// TestBansInto: what setup says of each kind of fail2ban; "none" is that there is none.
func TestBansInto(t *testing.T) {
	jail := machine.Jail{Name: "sshd", Actions: []machine.BanAction{{Into: machine.IntoChain, Target: "f2b-sshd"}}}
	for _, c := range []struct {
		f    *machine.Fail2ban
		want []string
	}{
		{nil, nil},
		{&machine.Fail2ban{}, []string{"not running"}},
		{&machine.Fail2ban{Silent: true}, []string{"running, and does not answer"}},
		{&machine.Fail2ban{Running: true}, []string{"running, without a jail"}},
		{&machine.Fail2ban{Running: true, Jails: []machine.Jail{jail}}, []string{"jail sshd bans into iptables f2b-sshd"}},
	} {
		if got := bansInto(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, not %q", c.f, got, c.want)
		}
	}
}
