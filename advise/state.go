package advise

import (
	"fmt"
	"time"

	"github.com/voipbl/voipbl/agent"
)

// state looks at sets, feeds and rules as "voipbl status" knows them.
func (d *doctor) state() {
	s := d.Status
	if !s.Protected {
		what, remedy := "the kernel does not hold what it should", "run \"voipbl sync\""
		if len(s.Problems) > 0 {
			what, remedy = s.Problems[0], orElse(s.Remedy(s.Problems[0]), remedy)
		}
		d.note(NotProtected, Problem, remedy, "nobody who is on a list is kept away", "this host is not protected: %s", what)
	}
	for _, set := range s.Sets {
		if set.Changed {
			d.note(SetChanged, Warning, d.repair(), "it may block too much, or too little", "somebody else has changed the set %s since voipbl wrote it", set.Name)
		}
	}
	for _, p := range s.BanProblems() {
		d.note(BanTrouble, Problem, orElse(p.Remedy, "run \"voipbl sync\""), "somebody whom this host has banned may come in, now or after a boot", "%s", p.Error)
	}
	d.feeds()
	d.kept()
	for _, name := range s.Unprotected {
		d.note(UnresolvedName, Warning, "write its address instead, or mend DNS", "a list may block it", "%s of allow or trunks was never resolved", name)
	}
	for _, n := range s.Names {
		if n.Failed != nil && n.Failed.NoHost && len(n.Addresses) > 0 {
			d.note(UnresolvedName, Warning, "mend DNS, or write its address instead", "what it stood for is exempt for a time only", "%s", n.Warning)
		}
	}
	r := s.Rules
	if r.Problem != nil {
		d.note(RulesNotAsSet, Problem, orElse(r.Problem.Remedy, "see \"voipbl status\""), "the firewall is not what the configuration says", "%s", r.Problem.Error)
	}
	if n := len(r.Drift); n > 0 && r.Pending == nil && s.Protected {
		d.note(RulesDrift, Problem, d.repair()+"; see \"voipbl firewall diff\"", "something lets past, or keeps out, what it should not",
			"the firewall is not as it should be in %s, such as %s", plural(n, "place", "places"), r.Drift[0].Words())
	}
	if p := r.Pending; p != nil {
		d.note(PendingTrial, Warning, "\"voipbl firewall confirm\" keeps them, over a new connection", "they are taken back then",
			"base rules are on trial until %s", p.Deadline.Local().Format(time.DateTime))
	}
}

func (d *doctor) feeds() {
	for _, f := range d.Status.Feeds {
		remedy := "run \"voipbl sync\", and see what it says"
		why := ""
		if f.Problem != nil {
			remedy, why = orElse(f.Problem.Remedy, remedy), " ("+f.Problem.Error+")"
		}
		switch {
		case f.Stale && f.LastSuccess.IsZero() && f.FetchedAt.IsZero():
			d.note(StaleFeed, Problem, remedy, "nobody whom it lists is kept away", "the list %s was never fetched%s", f.Name, why)
		case f.Stale:
			d.note(StaleFeed, Problem, remedy, "attackers of the days since are not on it",
				"the list %s is stale: it was last fetched at %s%s", f.Name, f.LastSuccess.Local().Format(time.DateTime), why)
		case f.Held != nil:
			d.note(FeedTrouble, Warning, "look at the list; \"voipbl sync --force\" believes it", "the last good copy stays in force meanwhile",
				"a new list of %s waits to be believed%s", f.Name, why)
		case f.Problem != nil:
			d.note(FeedTrouble, Warning, remedy, "the last good copy stays in force meanwhile", "the list %s is in trouble%s", f.Name, why)
		case f.Frozen:
			d.note(FrozenFeed, Warning, agent.FrozenRemedy, "new attackers are not on it", "the list %s is %s", f.Name, f.FrozenWords())
		}
	}
}

// kept looks at what stays in force of lists whose last good copies are lost.
func (d *doctor) kept() {
	for _, k := range d.Status.Kept {
		d.note(FeedTrouble, Warning, agent.KeptRemedy, "then attackers whom it lists come in", "%s", k.Words())
	}
}

// agent looks at who keeps all this up to date.
func (d *doctor) agent() {
	s := d.Status
	const start = "systemctl enable --now voipbl"
	switch g := s.Agent; {
	case s.AgentError != nil:
		d.note(AgentTrouble, Problem, orElse(s.AgentError.Remedy, start), "lists grow old, and nobody repairs what others change", "%s", s.AgentError.Error)
	case g == nil:
		d.note(AgentNotRunning, Warning, start, "lists grow old, and nobody repairs what others change", "the agent is not running")
	default:
		if p := g.ConfigError; p != nil {
			d.note(ConfigRefused, Problem, orElse(p.Remedy, "see \"voipbl config check\""), "what you have changed is not in force", "the agent goes on with the old configuration: %s", p.Error)
		}
		for _, name := range g.UnkeptFeeds() {
			d.note(AgentTrouble, Problem, agent.UnkeptRemedy(), "after a boot without a network it is missing", "no copy of the list %s can be kept", name)
		}
		if p := g.ApplyError; p != nil {
			d.note(AgentTrouble, Problem, orElse(p.Remedy, "see \"voipbl status\""), "what is fetched does not come into force", "the agent cannot put the lists in force: %s", p.Error)
		}
	}
	if u := d.Facts.Agent; u != nil && !u.AtBoot {
		d.note(AgentNotAtBoot, Warning, start, "sets and rules are gone after a boot", "the agent does not start at boot")
	}
	if u := d.Facts.Agent; u != nil && !d.Facts.Logins.Logind && !d.Facts.Logins.Utmp {
		d.note(LoginsUnseen, Warning, "apt install libpam-systemd, or write into allow where you come from",
			"the agent may not look into other processes, so a list may cut off whoever is at work",
			"neither logind nor utmp knows who is logged in by SSH")
	}
}

// repair is who puts right what somebody else has changed.
func (d *doctor) repair() string {
	if d.Status.Agent != nil {
		return "nothing: the agent puts it right within 15 seconds"
	}
	return "run \"voipbl sync\""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
