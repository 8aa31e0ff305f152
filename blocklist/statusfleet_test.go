package blocklist

import (
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// TestFleetStatus: status says whether this host is in its fleet, and what keeps it from that.
func TestFleetStatus(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.Local)
	well := link.Health{
		Since: now.Add(-time.Hour), Name: "acme_pbx7", Hub: "tls://hub.example.net:4222", Connected: now.Add(-50 * time.Minute), Synced: true, Hosts: 3,
	}
	const line = "acme_pbx7, connected to tls://hub.example.net:4222; 2 bans in force, of 3 other hosts"
	for _, c := range []struct {
		name    string
		change  func(cfg *config.Fleet, a *state.AgentStatus, h *link.Health)
		words   string
		problem string
	}{
		{"all is well", nil, line, ""},
		{"bans that are not made", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) {
			h.Left = map[string]int{link.Full: 3, link.Exempt: 1}
		}, line + "; not made here: 1 exempt, 3 above fleet.most", ""},
		{"half of it is off", func(f *config.Fleet, _ *state.AgentStatus, _ *link.Health) { f.Accept, f.Publish = false, false },
			line + "; those of others are not made (fleet.accept); others are not told of this host's (fleet.publish)", ""},
		{"the process has ended", func(_ *config.Fleet, a *state.AgentStatus, _ *link.Health) { a.Fleet.At = now.Add(-2 * time.Minute) }, "2 bans of others in force", "voipbl-fleet does not run"},
		{"the process never was", func(_ *config.Fleet, a *state.AgentStatus, _ *link.Health) { a.Fleet = nil }, "2 bans of others in force", "voipbl-fleet does not run"},
		{"it begins", func(_ *config.Fleet, a *state.AgentStatus, _ *link.Health) {
			a.Fleet, a.ConfigLoaded = nil, now.Add(-30*time.Second)
		}, "2 bans of others in force", ""},
		{"no credentials", func(_ *config.Fleet, a *state.AgentStatus, h *link.Health) {
			a.FleetError, h.Connected = &problem.Problem{Error: "/x does not exist", Remedy: "voipbl fleet join"}, time.Time{}
		}, "not connected; 2 bans in force, of 3 other hosts", "no credentials for the fleet: /x does not exist"},
		{"away for a moment", func(_ *config.Fleet, a *state.AgentStatus, h *link.Health) {
			h.Connected, a.FleetConnected = time.Time{}, now.Add(-50*time.Second)
		}, "not connected; 2 bans in force, of 3 other hosts", ""},
		{"away", func(_ *config.Fleet, a *state.AgentStatus, h *link.Health) {
			h.Connected, a.FleetConnected, h.Error = time.Time{}, now.Add(-2*time.Minute), "refused"
		}, "not connected; 2 bans in force, of 3 other hosts", "not connected to the hub of the fleet (tls://hub.example.net:4222) since 2026-11-30 11:58:00: refused"},
		{"never there", func(_ *config.Fleet, a *state.AgentStatus, h *link.Health) {
			h.Connected, a.FleetConnected = time.Time{}, time.Time{}
		}, "not connected; 2 bans in force, of 3 other hosts", "since 2026-11-30 11:00:00"},
		{"it dies again and again", func(_ *config.Fleet, a *state.AgentStatus, h *link.Health) {
			h.Connected, h.Since, a.FleetConnected = time.Time{}, now.Add(-2*time.Second), now.Add(-5*time.Minute)
		}, "not connected; 2 bans in force, of 3 other hosts", "since 2026-11-30 11:55:00"},
		{"it connects, and dies before it has read", func(_ *config.Fleet, a *state.AgentStatus, h *link.Health) {
			h.Connected, h.Synced, h.Since, a.FleetConnected = now.Add(-time.Second), false, now.Add(-2*time.Second), now.Add(-5*time.Minute)
		}, line, "cannot be read from its hub"},
		{"revoked", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) {
			h.Connected, h.Refused = time.Time{}, true
		}, "not connected; 2 bans in force, of 3 other hosts", "does not admit acme_pbx7"},
		{"credentials have ended", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) {
			h.Connected, h.Refused, h.Ends = time.Time{}, true, now
		}, "not connected; 2 bans in force, of 3 other hosts", "have ended at 2026-11-30 12:00:00"},
		{"credentials end soon", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) { h.Ends = now.Add(13 * 24 * time.Hour) }, line, "the credentials of acme_pbx7 for the fleet end at 2026-12-13 12:00:00"},
		{"credentials end later", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) { h.Ends = now.Add(15 * 24 * time.Hour) }, line, ""},
		{"a twin", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) { h.Twin = now.Add(-time.Minute) }, line, "another host speaks in the fleet by the name of acme_pbx7"},
		{"a twin of yesterday", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) { h.Twin = now.Add(-25 * time.Hour) }, line, ""},
		{"nothing is read", func(_ *config.Fleet, a *state.AgentStatus, h *link.Health) {
			h.Synced, h.Error, a.FleetConnected = false, "there is no stream", now.Add(-2*time.Minute)
		}, line, "cannot be read from its hub: there is no stream"},
		{"bans wait a moment", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) { h.Unsaid = 2 }, line, ""},
		{"the agent does not do it", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) { h.Error = "the kernel refuses it" }, line, "what the fleet says is not done here: the kernel refuses it"},
		{"bans are not taken", func(_ *config.Fleet, _ *state.AgentStatus, h *link.Health) { h.Unsaid, h.Error = 2, "too large" }, line, "2 bans cannot be told to the fleet: too large"},
	} {
		cfg := config.Default().Fleet
		cfg.Hubs = []string{"tls://hub.example.net:4222"}
		agent := &state.AgentStatus{Fleet: &link.Reported{At: now.Add(-10 * time.Second), Health: well}, FleetConnected: now.Add(-10 * time.Second), ConfigLoaded: now.Add(-time.Hour)}
		if c.change != nil {
			c.change(&cfg, agent, &agent.Fleet.Health)
		}
		s := fleetStatus(cfg, agent, nil, ofFleet([]bans.Ban{{Reason: bans.FleetReason}, {Reason: "by hand"}, {Reason: bans.FleetReason}}), true, now)
		got := ""
		for _, p := range s.Problems {
			got += p.Error
			if p.Remedy == "" {
				t.Errorf("%s: no remedy", c.name)
			}
		}
		if s.Words() != c.words || !strings.Contains(got, c.problem) || (c.problem == "") != (got == "") || len(s.Problems) > 1 || s.Bans != 2 {
			t.Errorf("%s: %q\n%q, not %q", c.name, got, s.Words(), c.words)
		}
	}
	if fleetStatus(config.Default().Fleet, &state.AgentStatus{}, nil, 0, true, now) != nil {
		t.Error("a host without a hub is in a fleet")
	}
	// The remedy is for the machine that it is read on, and names the relay that may be cut off.
	relayed := config.Fleet{Hubs: []string{"tls://relay:4222", "tls://hub:4222"}}
	remedies := func(change func(*link.Health), systemd bool) (text string) {
		agent := &state.AgentStatus{Fleet: &link.Reported{At: now, Health: well}, ConfigLoaded: now.Add(-time.Hour)}
		if change == nil {
			agent.Fleet = nil
		} else {
			change(&agent.Fleet.Health)
		}
		for _, p := range fleetProblems(relayed, agent, nil, systemd, now) {
			text += p.Remedy
		}
		return text
	}
	unread := func(hub string) func(*link.Health) {
		return func(h *link.Health) { h.Hub, h.Synced, h.Error = hub, false, "no answer" }
	}
	for _, c := range []struct {
		is, want string
		not      string
	}{
		{remedies(nil, true), "systemctl enable --now voipbl-fleet", "fleet run"},
		{remedies(nil, false), `start "voipbl fleet run"`, "systemctl"},
		{remedies(unread("tls://relay:4222"), true), "if tls://relay:4222 is a relay, see whether its nats-server reaches the hub", "systemctl"},
		{remedies(unread("tls://hub:4222"), true), "on the hub", "relay"},
		{remedies(func(h *link.Health) { h.Connected = time.Time{} }, true), "the hub or a relay", ""},
		{remedies(func(h *link.Health) { h.Connected, h.Refused = time.Time{}, true }, true), `"voipbl fleet add acme_pbx7 --again" (and --mirror`, ""},
	} {
		if !strings.Contains(c.is, c.want) || c.not != "" && strings.Contains(c.is, c.not) {
			t.Errorf("%q, want %q and not %q", c.is, c.want, c.not)
		}
	}
	on := config.Fleet{Hubs: []string{"x"}}
	if p := fleetProblems(on, nil, nil, true, now); len(p) != 1 || !strings.Contains(p[0].Error, "the agent does not run") {
		t.Errorf("%v", p)
	}
	if p := fleetProblems(on, nil, &problem.Problem{}, true, now); p != nil {
		t.Errorf("%v", p)
	}
}
