package blocklist

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/state"
)

// The watcher tells the agent how it is each ten seconds, and when it has begun.
const (
	silentAfter = 35 * time.Second
	quietAfter  = 15 * time.Second
	beginsIn    = 15 * time.Second // after the agent has its configuration: it may be about to look for it again

	// foreignFrom is from how many messages it matters that none is of this host: a call within the
	// host has fewer.
	foreignFrom = 50

	mostTells = 3 // are shown; the journal of voipbl-pbx has all
)

// ReasonCopies is the reason of a problem with copies of SIP messages alone: by the manager interface the
// PBX is watched.
const ReasonCopies = "copies"

// pbxProblems returns why the PBX is not watched as configured. Of an agent that is in trouble, another
// problem tells.
func pbxProblems(whole config.Config, agent *state.AgentStatus, trouble *problem.Problem, now time.Time) []*problem.Problem {
	cfg := whole.PBX
	switch {
	case !cfg.Watched(), agent == nil && trouble != nil, begins(cfg, agent, now):
		return nil
	case agent == nil:
		return []*problem.Problem{{Error: "the PBX is not watched: the agent does not run, so attackers are not banned and new phones are not known", Remedy: units.Agent.StartRemedy(units.Systemd())}}
	}
	if heard(cfg, agent, now) == nil {
		return []*problem.Problem{{Error: "the PBX is not watched: voipbl-pbx does not run", Remedy: units.Watcher.EndedRemedy(units.Systemd())}}
	}
	var all []*problem.Problem
	reason := ""
	add := func(remedy, format string, args ...any) {
		all = append(all, &problem.Problem{Reason: reason, Error: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	h := agent.PBX.Health
	if m := h.AMI; m != nil && !m.Connected.IsZero() {
		reason = ReasonCopies
	}
	if c := h.HEP; cfg.HEP.IsValid() && c != nil {
		switch {
		case c.Error != "":
			add("name a port at which nothing else listens, pbx.hep, then run \"voipbl pbx connect\"", "no copies of SIP messages can be taken at %s: %s", cfg.HEP, c.Error)
		case c.WrongKey > 0 && (c.Packets == 0 || c.Missed > 0):
			add(fmt.Sprintf("voipbl pbx connect; for another PBX the password is in %s", filepath.Join(whole.StateDir, "pbx.json")), "the PBX copies its SIP messages with another password than voipbl's")
		case c.Foreign >= foreignFrom && c.Foreign == c.Packets:
			add("have the PBX use this host's addresses (Docker: network_mode: host), or set pbx.hep to \"\"", "none of the %d SIP messages that the PBX has copied is from or to an address of this host, so nothing in them counts", c.Packets)
		case c.Missed > 0:
			since := ", though"
			if !c.Last.IsZero() {
				since = " since " + c.Last.Local().Format(time.DateTime) + since
			}
			add("voipbl pbx connect --copies", "Asterisk no longer copies its SIP messages to %s: none has come%s its manager interface has told of %d SIP requests", cfg.HEP, since, c.Missed)
		}
	}
	reason = ""
	if m := h.AMI; cfg.AMI.IsValid() && m != nil && m.Error != "" {
		remedy := "voipbl pbx connect, which says what is missing"
		if strings.Contains(m.Error, syscall.ECONNREFUSED.Error()) {
			remedy = "start Asterisk if it does not run; if it is gone: voipbl pbx disconnect; otherwise: " + remedy
		}
		add(remedy, "Asterisk's manager interface at %s: %s", cfg.AMI, m.Error)
	}
	return all
}

// begins reports whether the agent has its configuration since a moment ago, and the watcher is still to find it.
func begins(cfg config.PBX, agent *state.AgentStatus, now time.Time) bool {
	return cfg.Watched() && agent != nil && agent.PBX == nil && now.Sub(agent.ConfigLoaded) < beginsIn
}

// heard returns what the watcher has told, nil if it does not run or is not to.
func heard(cfg config.PBX, agent *state.AgentStatus, now time.Time) *link.Reported {
	if !cfg.Watched() || agent == nil || agent.PBX == nil || now.Sub(agent.PBX.At) > silentAfter {
		return nil
	}
	return agent.PBX
}

// WatchTells are the latest things of the last day that the watcher has found for an admin to know.
func (s *Status) WatchTells(now time.Time) (texts []string) {
	if s.watch == nil {
		return nil
	}
	for _, t := range s.watch.Health.Tells {
		if now.Sub(t.At) < 24*time.Hour {
			texts = append(texts, t.Text)
		}
	}
	return texts[max(0, len(texts)-mostTells):]
}

// watchWords says how the PBX is watched, "" if it is not.
func watchWords(cfg config.PBX, agent *state.AgentStatus, now time.Time) string {
	if begins(cfg, agent, now) {
		return beginsWords
	}
	r := heard(cfg, agent, now)
	if r == nil {
		return ""
	}
	h := r.Health
	text := sourceWords(h)
	if text == "" {
		if h.AMI != nil && h.AMI.Error != "" {
			return "" // a problem
		}
		text = beginsWords
	} else {
		text = "watched: " + text
	}
	if !cfg.BanAttackers {
		text += "; attackers are not banned (pbx.ban_attackers)"
	}
	if silent := now.Sub(r.At); silent > quietAfter {
		text += fmt.Sprintf("; last heard of %d s ago", int(silent.Seconds()))
	}
	if h.Waiting > 0 && h.Why != "" {
		wait := "wait"
		if h.Waiting == 1 {
			wait = "waits"
		}
		text += fmt.Sprintf("; %s %s: %s", counted(uint64(h.Waiting), "ban"), wait, h.Why)
	}
	return text
}

const beginsWords = "begins to be watched"

// sourceWords says by what the PBX is watched, "" if by nothing yet.
func sourceWords(h link.Health) string {
	text := ""
	if h.HEP != nil {
		text = counted(h.HEP.Packets, "SIP message") + " seen"
		if h.HEP.Lost > 0 {
			text += fmt.Sprintf(", %d lost", h.HEP.Lost)
		}
		if !h.HEP.Last.IsZero() {
			text += ", the last at " + h.HEP.Last.Local().Format(time.DateTime)
		}
	}
	if h.AMI != nil && !h.AMI.Connected.IsZero() {
		if text != "" {
			text += "; "
		}
		text += counted(h.AMI.Events, "event") + " of Asterisk"
		if h.HEP == nil {
			text += ", which do not prove wrong passwords over UDP"
		}
	}
	return text
}

// counted is a number of things: "1 event", "2 events".
func counted(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// WatchWords says how the PBX is watched, "" if it is not.
func (s *Status) WatchWords() string { return s.watchWords }
