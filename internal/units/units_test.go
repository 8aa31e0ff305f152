package units

import "testing"

// TestRemedies: each is for the machine that it is read on.
func TestRemedies(t *testing.T) {
	for _, c := range []struct{ is, want string }{
		{Member.StartRemedy(true), "systemctl enable --now voipbl-fleet"},
		{Member.StartRemedy(false), `start "voipbl fleet run", as services are started here`},
		{Keeper.EndedRemedy(true), `systemctl enable --now voipbl-hub; "journalctl -u voipbl-hub" says why it ended`},
		{Keeper.EndedRemedy(false), `start "voipbl fleet keep", as services are started here; what it printed says why it ended`},
		{Server.LogRemedy(true), `"journalctl -u nats-server"`},
		{Agent.LogRemedy(false), `what "voipbl run" prints`},
	} {
		if c.is != c.want {
			t.Errorf("%s, want %s", c.is, c.want)
		}
	}
}
