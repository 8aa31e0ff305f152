package blocklist

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
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
		waits   int
	}{
		{"bans wait", false, time.Second, link.HEP{Packets: 99}, "watched: 99 SIP messages seen; 7 bans wait: more than 10000 bans a minute", "", 7},
		{"a ban waits", false, time.Second, link.HEP{Packets: 99}, "watched: 99 SIP messages seen; 1 ban waits: more than 10000 bans a minute", "", 1},
		{"it is watched", false, time.Second, link.HEP{Packets: 99, Foreign: 98}, "watched: 99 SIP messages seen", "", 0},
		{"the watcher has ended", false, time.Minute, link.HEP{Packets: 99}, "", "the PBX is not watched: voipbl-pbx does not run", 0},
		{"it is off", true, time.Second, link.HEP{Packets: 99}, "", "", 0},
		{"one message", false, time.Second, link.HEP{Packets: 1}, "watched: 1 SIP message seen", "", 0},
		{"a few between others", false, time.Second, link.HEP{Packets: 9, Foreign: 9}, "watched: 9 SIP messages seen", "", 0},
		{"all between others", false, time.Second, link.HEP{Packets: 99, Foreign: 99}, "watched: 99 SIP messages seen", "none of the 99 SIP messages", 0},
		{"another password", false, time.Second, link.HEP{WrongKey: 1}, "watched: 0 SIP messages seen", "with another password", 0},
		{"a forged one", false, time.Second, link.HEP{Packets: 9, WrongKey: 1}, "watched: 9 SIP messages seen", "", 0},
		{"another password later", false, time.Second, link.HEP{Packets: 9, WrongKey: 1, Missed: 3}, "watched: 9 SIP messages seen", "with another password", 0},
		{"copies have ceased", false, time.Second, link.HEP{Packets: 9, Last: noon, Missed: 3}, "watched: 9 SIP messages seen, the last at 2026-11-30 12:00:00",
			"Asterisk no longer copies its SIP messages to 127.0.0.1:460: none has come since 2026-11-30 12:00:00, though its manager interface has told of 3 SIP requests", 0},
		{"copies have never come", false, time.Second, link.HEP{Missed: 3}, "watched: 0 SIP messages seen", "none has come, though its", 0},
	} {
		cfg := config.Config{StateDir: "/elsewhere", PBX: config.PBX{BanAttackers: true}}
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
		if c.waits > 0 {
			agent.PBX.Health.Waiting, agent.PBX.Health.Why = c.waits, "more than 10000 bans a minute"
		}
		if got := watchWords(cfg.PBX, agent, now); got != c.words || !slices.Equal(s.WatchTells(now), tells) {
			t.Errorf("%s: %q, %q", c.name, got, s.WatchTells(now))
		}
		problems := pbxProblems(cfg, agent, nil, now)
		switch {
		case c.problem == "" && len(problems) == 0:
		case c.problem == "" || len(problems) != 1 || !strings.Contains(problems[0].Error, c.problem):
			t.Errorf("%s: %+v", c.name, problems)
		case c.hep.WrongKey > 0 && !strings.Contains(problems[0].Remedy, "/elsewhere/pbx.json"):
			t.Errorf("%s: %s", c.name, problems[0].Remedy)
		}
	}
}

// TestWatchBegins: status says how it is with the PBX from the first second on, and also without an agent.
func TestWatchBegins(t *testing.T) {
	now := time.Now()
	long, lately := now.Add(-time.Hour), now.Add(-time.Second)
	heard := func(ago time.Duration, h link.Health) *link.Reported {
		return &link.Reported{At: now.Add(-ago), Health: h}
	}
	connected := link.Health{AMI: &link.AMI{Connected: long, Events: 5}}
	ceased := link.Health{HEP: &link.HEP{Missed: 3}, AMI: connected.AMI}
	for _, c := range []struct {
		name    string
		agent   *state.AgentStatus
		trouble *problem.Problem
		noBans  bool
		words   string
		problem string
	}{
		{"no agent", nil, nil, false, "", "the PBX is not watched: the agent does not run"},
		{"an agent that does not answer", nil, &problem.Problem{Error: "does not answer"}, false, "", ""},
		{"the agent has just begun", &state.AgentStatus{Since: lately, ConfigLoaded: lately}, nil, false, "begins to be watched", ""},
		{"the PBX has just been connected", &state.AgentStatus{Since: long, ConfigLoaded: lately}, nil, false, "begins to be watched", ""},
		{"the watcher has not", &state.AgentStatus{Since: long, ConfigLoaded: long}, nil, false, "", "the PBX is not watched: voipbl-pbx does not run"},
		{"the watcher has other settings", &state.AgentStatus{ConfigLoaded: lately, PBX: heard(time.Second, link.Health{})}, nil, false, "begins to be watched", ""},
		{"the watcher connects", &state.AgentStatus{ConfigLoaded: long, PBX: heard(time.Second, link.Health{AMI: &link.AMI{}})}, nil, false, "begins to be watched", ""},
		{"the watcher cannot connect", &state.AgentStatus{PBX: heard(time.Second, link.Health{AMI: &link.AMI{Error: "refused"}})}, nil, false, "", "127.0.0.1:5038: refused"},
		{"it is connected", &state.AgentStatus{PBX: heard(10*time.Second, connected)}, nil, false, "watched: 5 events of Asterisk, which do not prove wrong passwords over UDP", ""},
		{"it has ended", &state.AgentStatus{PBX: heard(20*time.Second, connected)}, nil, false, "watched: 5 events of Asterisk, which do not prove wrong passwords over UDP; last heard of 20 s ago", ""},
		{"copies have ceased", &state.AgentStatus{PBX: heard(time.Second, ceased)}, nil, false, "watched: 0 SIP messages seen; 5 events of Asterisk", "copies: Asterisk no longer copies"},
		{"without bans", &state.AgentStatus{PBX: heard(time.Second, connected)}, nil, true, "watched: 5 events of Asterisk, which do not prove wrong passwords over UDP; attackers are not banned (pbx.ban_attackers)", ""},
	} {
		cfg := config.Config{PBX: config.PBX{HEP: netip.MustParseAddrPort("127.0.0.1:460"), AMI: netip.MustParseAddrPort("127.0.0.1:5038"), BanAttackers: !c.noBans}}
		if got := watchWords(cfg.PBX, c.agent, now); got != c.words {
			t.Errorf("%s: %q", c.name, got)
		}
		problems := pbxProblems(cfg, c.agent, c.trouble, now)
		if len(problems) > 1 || (len(problems) == 1) != (c.problem != "") || c.problem != "" && !strings.Contains(problems[0].Reason+": "+problems[0].Error, c.problem) {
			t.Errorf("%s: %+v", c.name, problems)
		}
	}
	if words := watchWords(config.PBX{}, nil, now); words != "" {
		t.Errorf("not connected: %q", words)
	}
}
