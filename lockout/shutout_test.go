package lockout

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// TestShutOut: the setting that the error names does let the session in.
func TestShutOut(t *testing.T) {
	const lan = "firewall: {base: true, local_networks: [192.168.1.0/24, \"fd00::/48\"]"
	for _, c := range []struct {
		yaml, from string
		port       uint16
		why, add   string // in the error; empty if there is none
		mended     string
	}{
		{lan + "}", "192.168.1.7", 22, "", "", ""},
		{lan + "}", "fd00::7", 22, "", "", ""},
		{lan + "}", "203.0.113.7", 22, "not in firewall.local_networks", `add "203.0.113.7" to firewall.local_networks`,
			"firewall: {base: true, local_networks: [192.168.1.0/24, 203.0.113.7]}"},
		{lan + "}", "2001:db8::7", 22, "not in firewall.local_networks", `add "2001:db8::7" to firewall.local_networks`,
			"firewall: {base: true, local_networks: [192.168.1.0/24, \"2001:db8::7\"]}"},
		{lan + "}", "192.168.1.7", 2222, "no service in firewall.services has that port", `add {name: ssh-2222, proto: tcp, ports: "2222", from: lan} to firewall.services;`,
			lan + ", services: [{name: ssh-2222, proto: tcp, ports: \"2222\", from: lan}]}"},
		{lan + "}", "203.0.113.7", 2222, "no service in firewall.services has that port", `from: lan} to firewall.services and "203.0.113.7" to firewall.local_networks`,
			"firewall: {base: true, local_networks: [203.0.113.7], services: [{name: ssh-2222, proto: tcp, ports: \"2222\", from: lan}]}"},
		{lan + ", services: [{name: ssh, proto: tcp, ports: \"22\", from: any}]}", "203.0.113.7", 22, "", "", ""},
		{lan + ", services: [{name: all, proto: udp, ports: \"1:5059\", from: any}]}", "192.168.1.7", 22, "no service", "firewall.services", ""},
	} {
		l := logins.Login{From: netip.MustParseAddr(c.from), Port: c.port}
		err := Refuse(ShutSessions(*settings.BaseSettings(testvalue.Config(t, c.yaml), nil), []logins.Login{{From: netip.MustParseAddr("192.168.1.1"), Port: 5060}, l}))
		if c.why == "" {
			if err != nil {
				t.Errorf("%s to %d: %v", c.from, c.port, err)
			}
			continue
		}
		lockout, ok := err.(*ShutOutError)
		if !ok || !strings.Contains(err.Error(), c.why) || !strings.Contains(lockout.Remedy(), c.add) || len(lockout.Out) != 1 {
			t.Errorf("%s to %d: %v", c.from, c.port, err)
		}
		if c.mended == "" {
			continue
		}
		if out := ShutSessions(*settings.BaseSettings(testvalue.Config(t, c.mended), nil), []logins.Login{l}); len(out) > 0 {
			t.Errorf("mended: %v", out)
		}
	}
}

// TestShutOutTwice: several sessions from one address are named once.
func TestShutOutTwice(t *testing.T) {
	var sessions []logins.Login
	for _, from := range []string{"192.0.2.7", "192.0.2.8", "192.0.2.7", "192.0.2.8"} {
		sessions = append(sessions, logins.Login{From: netip.MustParseAddr(from), Port: 22})
	}
	if out := ShutSessions(ruleset.Base{}, sessions); len(out) != 2 || !strings.Contains(out[0].What, "192.0.2.7") || !strings.Contains(out[1].What, "192.0.2.8") {
		t.Errorf("%+v", out)
	}
}
