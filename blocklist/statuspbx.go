package blocklist

import (
	"fmt"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// The watcher tells the agent how it is each ten seconds, and when it has begun.
const (
	silentAfter = 35 * time.Second
	beginsIn    = 15 * time.Second // after the agent: it may be about to look for it again
)

// pbxProblems returns why the PBX is not watched as configured. Without an agent it is not known.
func pbxProblems(cfg config.PBX, agent *state.AgentStatus, now time.Time) []*problem.Problem {
	if !cfg.Watched() || agent == nil || now.Sub(agent.Since) < beginsIn && agent.PBX == nil {
		return nil
	}
	if r := agent.PBX; r == nil || now.Sub(r.At) > silentAfter {
		return []*problem.Problem{{Error: "the PBX is not watched: voipbl-pbx does not run", Remedy: "systemctl enable --now voipbl-pbx; \"journalctl -u voipbl-pbx\" says why"}}
	}
	var all []*problem.Problem
	add := func(remedy, format string, args ...any) {
		all = append(all, &problem.Problem{Error: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	h := agent.PBX.Health
	if c := h.HEP; cfg.HEP.IsValid() && c != nil {
		switch {
		case c.Error != "":
			add("name a port at which nothing else listens, pbx.hep, then run \"voipbl pbx connect\"", "no copies of SIP messages can be taken at %s: %s", cfg.HEP, c.Error)
		case c.WrongKey > 0 && c.Packets == 0:
			add("voipbl pbx connect; for another PBX the password is in /var/lib/voipbl/pbx.json", "the PBX copies its SIP messages with another password than voipbl's")
		}
	}
	if m := h.AMI; cfg.AMI.IsValid() && m != nil && m.Error != "" {
		add("voipbl pbx connect, which says what is missing", "Asterisk's manager interface at %s: %s", cfg.AMI, m.Error)
	}
	return all
}

// WatchWords says by what the PBX is watched, "" if it is not.
func (s *Status) WatchWords() string {
	if s.Agent == nil || s.Agent.PBX == nil {
		return ""
	}
	h := s.Agent.PBX.Health
	text := ""
	if h.HEP != nil {
		text = fmt.Sprintf("%d SIP messages seen", h.HEP.Packets)
		if h.HEP.Lost > 0 {
			text += fmt.Sprintf(", %d lost", h.HEP.Lost)
		}
	}
	if h.AMI != nil && !h.AMI.Connected.IsZero() {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("%d events of Asterisk", h.AMI.Events)
	}
	return text
}
