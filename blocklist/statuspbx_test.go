package blocklist

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/state"
)

// TestWatched: status says that the PBX is watched while it is, and what of the copies is wrong.
func TestWatched(t *testing.T) {
	now, noon := time.Now(), time.Date(2026, 11, 30, 12, 0, 0, 0, time.Local)
	for _, c := range []struct {
		name    string
		off     bool
		ago     time.Duration
		hep     link.HEP
		words   string
		problem string
		waits   bool
	}{
		{"bans wait", false, time.Second, link.HEP{Packets: 99}, "99 SIP messages seen; 7 bans wait: more than 10000 bans a minute", "", true},
		{"it is watched", false, time.Second, link.HEP{Packets: 99, Foreign: 98}, "99 SIP messages seen", "", false},
		{"the watcher has ended", false, time.Minute, link.HEP{Packets: 99}, "", "the PBX is not watched: voipbl-pbx does not run", false},
		{"it is off", true, time.Second, link.HEP{Packets: 99}, "", "", false},
		{"a few between others", false, time.Second, link.HEP{Packets: 9, Foreign: 9}, "9 SIP messages seen", "", false},
		{"all between others", false, time.Second, link.HEP{Packets: 99, Foreign: 99}, "99 SIP messages seen", "none of the 99 SIP messages", false},
		{"another password", false, time.Second, link.HEP{WrongKey: 1}, "0 SIP messages seen", "with another password", false},
		{"a forged one", false, time.Second, link.HEP{Packets: 9, WrongKey: 1}, "9 SIP messages seen", "", false},
		{"another password later", false, time.Second, link.HEP{Packets: 9, WrongKey: 1, Missed: 3}, "9 SIP messages seen", "with another password", false},
		{"copies have ceased", false, time.Second, link.HEP{Packets: 9, Last: noon, Missed: 3}, "9 SIP messages seen, the last at 2026-11-30 12:00:00",
			"Asterisk no longer copies its SIP messages to 127.0.0.1:460: none has come since 2026-11-30 12:00:00, though its manager interface has told of 3 SIP requests", false},
		{"copies have never come", false, time.Second, link.HEP{Missed: 3}, "0 SIP messages seen", "none has come, though its", false},
	} {
		cfg := config.Config{StateDir: "/elsewhere"}
		if !c.off {
			cfg.PBX.HEP = netip.MustParseAddrPort("127.0.0.1:460")
		}
		agent := &state.AgentStatus{PBX: &link.Reported{At: now.Add(-c.ago), Health: link.Health{HEP: &c.hep, Tells: []link.Tell{
			{At: now.Add(-25 * time.Hour), Text: "old"}, {At: now, Text: "1"}, {At: now, Text: "2"}, {At: now, Text: "3"}, {At: now, Text: "4"},
		}}}}
		s := Status{watch: heard(cfg.PBX, agent, now)}
		var tells []string
		if c.words != "" {
			tells = []string{"2", "3", "4"}
		}
		if c.waits {
			agent.PBX.Health.Waiting, agent.PBX.Health.Why = 7, "more than 10000 bans a minute"
		}
		if got := s.WatchWords(); got != c.words || !slices.Equal(s.WatchTells(now), tells) {
			t.Errorf("%s: %q, %q", c.name, got, s.WatchTells(now))
		}
		problems := pbxProblems(cfg, agent, now)
		switch {
		case c.problem == "" && len(problems) == 0:
		case c.problem == "" || len(problems) != 1 || !strings.Contains(problems[0].Error, c.problem):
			t.Errorf("%s: %+v", c.name, problems)
		case c.hep.WrongKey > 0 && !strings.Contains(problems[0].Remedy, "/elsewhere/pbx.json"):
			t.Errorf("%s: %s", c.name, problems[0].Remedy)
		}
	}
}
