package blocklist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/internal/units"
	"github.com/voipbl/voipbl/state"
)

const (
	// fleetSilentAfter is after how long without news of the fleet's process it counts as ended: it tells
	// how it is each ten seconds.
	fleetSilentAfter = time.Minute

	// fleetAwayAfter is how long the hub may be away: it may be restarting, or the network.
	fleetAwayAfter = time.Minute

	// twinFor is how long status says that another host speaks by this one's name.
	twinFor = time.Hour

	// credsEndSoon is how long before their end credentials are to be renewed.
	credsEndSoon = 14 * 24 * time.Hour
)

// FleetStatus is how it is with the fleet. What the process that talks with the hub has said of itself is in
// the agent's part.
type FleetStatus struct {
	Connected bool               `json:"connected"` // to a hub
	Bans      int                `json:"bans"`      // of other hosts, in force here
	Problems  []*problem.Problem `json:"problems"`  // why this host and the others do not know of each other's bans
	words     string
}

// Words says how it is in a line.
func (f *FleetStatus) Words() string { return f.words }

// fleetStatus returns how it is with the fleet; nil if this host is in none.
func fleetStatus(cfg config.Fleet, agent *state.AgentStatus, trouble *problem.Problem, banned int, systemd bool, now time.Time) *FleetStatus {
	if !cfg.On() {
		return nil
	}
	f := &FleetStatus{Bans: banned, Problems: fleetProblems(cfg, agent, trouble, systemd, now)}
	if f.Problems == nil {
		f.Problems = []*problem.Problem{}
	}
	h := fleetHealth(agent, now)
	f.Connected = h != nil && !h.Connected.IsZero()
	f.words = fleetWords(cfg, agent, f.Bans, now)
	return f
}

// ofFleet counts the bans that other hosts have made.
func ofFleet(banned []bans.Ban) (n int) {
	for _, b := range banned {
		if b.Reason == bans.FleetReason {
			n++
		}
	}
	return n
}

// InFleet returns what the fleet's process has said last, nil if it does not run, and why this host and the
// others do not know of each other's bans: the same as status says.
func InFleet(cfg config.Fleet, agent *state.AgentStatus, now time.Time) (said *link.Reported, problems []*problem.Problem) {
	if fleetHealth(agent, now) != nil {
		said = agent.Fleet
	}
	return said, fleetProblems(cfg, agent, nil, units.Systemd(), now)
}

// fleetHealth returns how the fleet's process is; nil if it does not run.
func fleetHealth(agent *state.AgentStatus, now time.Time) *link.Health {
	if agent == nil || agent.Fleet == nil || now.Sub(agent.Fleet.At) > fleetSilentAfter {
		return nil
	}
	return &agent.Fleet.Health
}

// fleetProblems returns why this host and the others do not know of each other's bans. Of an agent that is in
// trouble, another problem tells. systemd: it runs this machine.
func fleetProblems(cfg config.Fleet, agent *state.AgentStatus, trouble *problem.Problem, systemd bool, now time.Time) (all []*problem.Problem) {
	add := func(remedy, format string, args ...any) {
		all = append(all, &problem.Problem{Error: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	h := fleetHealth(agent, now)
	switch {
	case agent == nil && trouble != nil:
		return nil
	case agent == nil:
		add(units.Agent.StartRemedy(systemd), "the fleet is not heard: the agent does not run")
		return all
	case h == nil && now.Sub(agent.ConfigLoaded) < fleetSilentAfter:
		return nil // it may be about to begin
	case h == nil:
		add(units.Member.EndedRemedy(systemd), "the fleet is not heard: voipbl-fleet does not run")
		return all
	case agent.FleetError != nil:
		add(agent.FleetError.Remedy, "this host has no credentials for the fleet: %s", agent.FleetError.Error)
		return all
	}
	name := cmp.Or(h.Name, "this host")
	newFileRemedy := "on the hub, \"voipbl fleet add " + cmp.Or(h.Name, "NAME") + " --again\" (and --mirror, if this host fetches lists for all) makes another join file: join with that"
	ended := !h.Ends.IsZero() && !now.Before(h.Ends)
	switch away := awaySince(agent); {
	case ended:
		add(newFileRemedy, "the credentials of %s for the fleet have ended at %s", name, h.Ends.Local().Format(time.DateTime))
	case h.Refused:
		add(newFileRemedy, "the hub of the fleet does not admit %s: it is revoked, or its credentials have ended", name)
	case h.Connected.IsZero() && now.Sub(away) > fleetAwayAfter:
		add(awayRemedy(cfg.Hubs),
			"not connected to the hub of the fleet (%s) since %s%s", strings.Join(cfg.Hubs, ", "), away.Local().Format(time.DateTime), because(h.Error))
	case !h.Connected.IsZero() && !h.Synced && now.Sub(away) > fleetAwayAfter:
		add(hubRemedy(cfg.Hubs, h.Hub), "what the fleet says cannot be read from its hub%s", because(h.Error))
	case !h.Connected.IsZero() && h.Unsaid == 0 && h.Error != "":
		add("see "+units.Agent.LogRemedy(systemd)+" and "+units.Member.LogRemedy(systemd), "what the fleet says is not done here%s", because(h.Error))
	case !h.Connected.IsZero() && h.Unsaid > 0 && h.Error != "":
		add(hubRemedy(cfg.Hubs, h.Hub), "%s cannot be told to the fleet%s", counted(uint64(h.Unsaid), "ban"), because(h.Error))
	}
	if !ended && !h.Ends.IsZero() && h.Ends.Sub(now) < credsEndSoon {
		add(newFileRemedy, "the credentials of %s for the fleet end at %s", name, h.Ends.Local().Format(time.DateTime))
	}
	if !h.Twin.IsZero() && now.Sub(h.Twin) < twinFor {
		add("give each host a name and a join file of its own; if you know of no other host, somebody has copied the credentials: "+newFileRemedy,
			"another host speaks in the fleet by the name of %s, the last time at %s", name, h.Twin.Local().Format(time.DateTime))
	}
	return all
}

// hubRemedy is what to do about a hub from which nothing comes, or that takes nothing, over a connection with at.
// Of several addresses, all but the last may be those of a relay, which admits hosts also while it is cut off.
func hubRemedy(all []string, at string) string {
	remedy := "see how nats-server and \"voipbl fleet keep\" are on the hub (\"voipbl fleet status\" there)"
	if i := slices.Index(all, at); i >= 0 && i < len(all)-1 {
		return "if " + at + " is a relay, see whether its nats-server reaches the hub; else " + remedy
	}
	return remedy
}

// awayRemedy is what to do about a hub with which there is no connection.
func awayRemedy(all []string) string {
	which := "the hub runs and this host reaches it"
	if len(all) > 1 {
		which = "one of these runs, the hub or a relay, and this host reaches it"
	}
	return "look whether " + which + "; bans of others stay until their end"
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// awaySince returns when the process last had all that the hub has, or when it was to begin with that. When
// the process was started does not count: one that dies again and again has always been started just now.
func awaySince(agent *state.AgentStatus) time.Time {
	if agent.FleetConnected.After(agent.ConfigLoaded) {
		return agent.FleetConnected
	}
	return agent.ConfigLoaded
}

// fleetWords says how it is with the fleet in a line.
func fleetWords(cfg config.Fleet, agent *state.AgentStatus, banned int, now time.Time) string {
	h := fleetHealth(agent, now)
	if h == nil {
		return fmt.Sprintf("%s of others in force", counted(uint64(banned), "ban"))
	}
	text := ""
	switch {
	case h.Connected.IsZero():
		text = "not connected; "
	case h.Name != "":
		text = h.Name + ", connected to " + h.Hub + "; "
	}
	text += fmt.Sprintf("%s in force, of %s", counted(uint64(banned), "ban"), counted(uint64(h.Hosts), "other host"))
	if _, why := NotMade(h.Left); why != "" {
		text += "; not made here: " + why
	}
	if h.Uncounted {
		text += "; the operator's document does not count here (fleet.key)"
	}
	if !cfg.Accept {
		text += "; those of others are not made (fleet.accept)"
	}
	if !cfg.Publish {
		text += "; others are not told of this host's (fleet.publish)"
	}
	return text
}

// NotMade returns how many bans of others count and are not made here, and in words why.
func NotMade(left map[string]int) (n int, why string) {
	var parts []string
	for _, k := range left {
		n += k
	}
	for _, w := range []struct{ why, words string }{
		{link.Exempt, "exempt"}, {link.Phone, "of phones"}, {link.Veto, "unbanned here"}, {link.Full, "above fleet.most"}, {link.Odd, "odd"}, {link.Unknown, "not made because the list of phones cannot be read"},
	} {
		if n := left[w.why]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, w.words))
		}
	}
	return n, strings.Join(parts, ", ")
}
