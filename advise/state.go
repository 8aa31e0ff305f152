package advise

import (
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/state"
)

// unwatched is why a PBX is to be watched as configured.
const unwatched = "attackers are not banned by what the PBX sees, or registered phones and trunks not known"

// state reports what "voipbl status" knows of sets, feeds and rules.
func (d *doctor) state() {
	s := d.Status
	if !s.Protected {
		what, remedy := "the kernel does not hold what it should", "run \"voipbl sync\""
		if len(s.Problems) > 0 {
			what, remedy = s.Problems[0], orElse(s.Remedy(s.Problems[0]), remedy)
		}
		why := "addresses on the lists are not blocked"
		if s.Rules.Unread || len(s.Families) > 0 { // rules that cannot be read may still drop them
			why = "addresses on the lists may get in"
		}
		d.note(NotProtected, Problem, remedy, why, "this host is not protected: %s", what)
	}
	for _, set := range s.Altered() {
		d.note(SetChanged, Warning, s.Repairs(), "it may block too much, or too little", "somebody else has changed the set %s since voipbl wrote it", set.Name)
	}
	if p := s.OnlyBans(); p != nil {
		d.note(FeedTrouble, Warning, p.Remedy, "addresses on the lists are not blocked", "%s", p.Error)
	}
	if p := s.StateFolder; p != nil {
		d.note(StateFolder, Warning, p.Remedy, "a boot loses what has changed since then", "%s", p.Error)
	}
	if p := s.RunFolder; p != nil {
		d.note(RunFolder, Warning, p.Remedy, "voipbl does not remember what it has put in force", "%s", p.Error)
	}
	for _, p := range s.BanProblems() {
		d.note(BanTrouble, Problem, orElse(p.Remedy, "run \"voipbl sync\""), "an address that this host has banned may get in, now or after a boot", "%s", p.Error)
	}
	if p := s.AllowedProblem; p != nil {
		d.note(AllowTrouble, Problem, p.Remedy, "a friend may be blocked, now or after a boot", "%s", p.Error)
	}
	if p := s.PhonesProblem; p != nil {
		d.note(PhoneTrouble, Warning, p.Remedy, "a registered phone or a trunk may be blocked or limited", "%s", p.Error)
	}
	if doc := s.FleetDocument; doc != nil {
		for _, p := range doc.Problems {
			d.note(FleetDocument, Warning, p.Remedy, "what the operator of the fleet has said may not count here", "%s", p.Error)
		}
	}
	for _, p := range s.PBXProblems {
		why := unwatched
		if p.Reason == blocklist.ReasonCopies {
			why = "the manager interface alone does not prove wrong passwords over UDP: bans are for ten minutes at a time, and not reported"
		}
		d.note(PBXUnwatched, Warning, p.Remedy, why, "%s", p.Error)
	}
	if s.Fleet != nil {
		for _, p := range s.Fleet.Problems {
			d.note(FleetTrouble, Warning, p.Remedy, "what other hosts of the fleet learn of attackers does not count here, or they do not learn what this one does", "%s", p.Error)
		}
	}
	for _, text := range d.Unconnected {
		d.note(PBXUnwatched, Warning, "voipbl pbx connect, which says what is missing", unwatched, "%s", text)
	}
	d.feeds()
	d.kept()
	for _, u := range s.Unresolved() {
		d.note(UnresolvedName, Warning, u.Remedy, "a list may block it", "%s of %s was never resolved", u.Name, u.Of)
	}
	for _, n := range s.Names {
		if n.Failed != nil && n.Failed.NoHost && len(n.Addresses) > 0 {
			d.note(UnresolvedName, Warning, "mend DNS, or write its address instead", "what it stood for is exempt for a time only", "%s", n.Warning)
		}
	}
	if p := s.OtherNames(); p != nil && (s.Agent == nil || s.Agent.ApplyError == nil) { // else the agent's problem says so
		d.note(RulesNotAsSet, Problem, p.Remedy, "the firewall is not what the configuration says", "%s", p.Error)
	}
	r := s.Rules
	for _, p := range s.Families {
		d.note(FamilyTrouble, Problem, orElse(p.Remedy, "see \"voipbl status\""), "attackers may get in that way", "%s", p.Error)
	}
	if p := s.IPv6Trouble(); p != nil {
		d.note(FamilyTrouble, Problem, p.Remedy, "attackers get in over IPv6", "%s", p.Error)
	}
	if s.IPv6Left {
		d.note(IPv6Left, Note, "set \"firewall: {ipv6: auto}\" if it is to be protected", "blocked addresses get in over IPv6",
			"IPv6 is left alone (firewall.ipv6: off), and this host has IPv6 addresses")
	}
	if r.Problem != nil && (s.Protected || !strings.HasSuffix(s.Problems[0], r.Problem.Error)) { // else it is in the finding above
		d.note(RulesNotAsSet, Problem, orElse(r.Problem.Remedy, "see \"voipbl status\""), "the firewall is not what the configuration says", "%s", r.Problem.Error)
	}
	if drift := s.Drift(); len(drift) > 0 && r.Pending == nil && s.Protected {
		if r.OnlyMoves() {
			d.note(RulesDrift, Warning, s.Repairs(), "until then it is dropped where it is", "%s", r.MoveWords(r.Drift, "is to be"))
		} else {
			d.note(RulesDrift, Problem, s.Repairs()+"; see \"voipbl firewall diff\"", "the firewall lets in, or keeps out, what it should not",
				"the firewall is not as it should be in %s, such as %s", plural(len(drift), "place", "places"), drift[0].Words())
		}
	}
	if p := r.Pending; p != nil {
		said, effect := p.Trouble(), "they are taken back then"
		switch {
		case p.Lapsed:
			effect = "nobody has confirmed them, and they are in force"
		case p.Gone:
			effect = "what they are to keep out gets in"
		}
		d.note(PendingTrial, Warning, said.Remedy, effect, "%s", said.Error)
	}
}

func (d *doctor) feeds() {
	if p := blocklist.HeldProblem(d.Status.Held, d.Status.Agent != nil); p != nil {
		d.note(FeedTrouble, Warning, p.Remedy, "attackers whom they have just got are not blocked", "%s", p.Error)
	}
	for _, f := range d.Status.Feeds {
		remedy := "run \"voipbl sync\", and see what it says"
		why, effect := "", "no address on it is blocked"
		if d.Status.MayHold(f) {
			effect = "only what the sets still hold of it is blocked"
		}
		if f.Problem != nil {
			remedy, why = orElse(f.Problem.Remedy, remedy), " ("+f.Problem.Error+")"
		}
		switch {
		case f.Never() && d.Status.Keeps(f.Name): // what stays is told for itself
			d.note(FeedTrouble, Warning, remedy, "new attackers are not on what stays of it", "the list %s has lost its copy%s", f.Name, f.Why())
		case f.Stale && f.Untried():
			d.note(StaleFeed, Problem, remedy, effect, "the list %s %s", f.Name, d.Status.NeverWords(f))
		case f.Stale && f.LastSuccess.IsZero() && f.FetchedAt.IsZero():
			d.note(StaleFeed, Problem, remedy, effect, "the list %s %s%s", f.Name, d.Status.NeverWords(f), why)
		case f.Problem != nil && f.Untried():
			d.note(FeedTrouble, Warning, remedy, "it counts from the next sync on", "the list %s %s", f.Name, d.Status.NeverWords(f))
		case f.Stale:
			d.note(StaleFeed, Problem, remedy, "attackers seen since then are not on it",
				"the list %s%s is stale: it was last fetched at %s%s", f.Name, f.By(), f.LastSuccess.Local().Format(time.DateTime), why)
		case f.Held != nil:
			d.note(FeedTrouble, Warning, "look at the list; \"voipbl sync --force\" believes it", "the last good copy stays in force meanwhile",
				"a new list of %s waits to be believed%s", f.Name, why)
		case f.Problem != nil:
			d.note(FeedTrouble, Warning, remedy, "the last good copy stays in force meanwhile", "the list %s is in trouble%s", f.Name, why)
		case f.Frozen:
			d.note(FrozenFeed, Warning, feeds.FrozenRemedy, "new attackers are not on it", "the list %s is %s", f.Name, f.FrozenWords())
		}
	}
}

// kept reports entries that stay in force of lists whose last good copies are lost.
func (d *doctor) kept() {
	for _, k := range d.Status.Kept {
		d.note(FeedTrouble, Warning, feeds.KeptRemedy, "then attackers on it get in", "%s", k.Words())
	}
}

// exitNamespace is the exit status of a service for which systemd could not set up mounts
// (systemd.exec(5), EXIT_NAMESPACE).
const exitNamespace = 226

// agent checks that the agent runs, and reports its problems.
func (d *doctor) agent() {
	s := d.Status
	const start = "systemctl enable --now voipbl"
	switch g := s.Agent; {
	case s.AgentError != nil:
		d.note(AgentTrouble, Problem, orElse(s.AgentError.Remedy, start), "lists grow old, and nobody repairs what others change", "%s", s.AgentError.Error)
	case g == nil && d.Facts.Agent != nil && d.Facts.Agent.ExitStatus == exitNamespace:
		d.note(AgentNotRunning, Problem, "touch /run/voipbl-no-mounts && systemctl daemon-reload && systemctl restart voipbl-sets voipbl, which leaves these options out; in LXC nesting allows mounts",
			"nothing may be mounted on this host, and its unit has options that do", "the agent cannot start: systemd ends it with 226/NAMESPACE")
	case g == nil:
		d.note(AgentNotRunning, Warning, start, "lists grow old, and nobody repairs what others change", "the agent is not running")
	default:
		if g.NoMounts {
			d.note(AgentNoMounts, Note, "nothing, or allow mounts (in LXC: nesting), systemctl daemon-reload, and systemctl restart voipbl",
				"systemd restricts it less; it protects this host all the same", "nothing may be mounted here, so the agent runs without the options of its unit that mount")
		}
		if p := g.ConfigError; p != nil {
			d.note(ConfigRefused, Problem, orElse(p.Remedy, "see \"voipbl config check\""), "your changes are not in force", "the agent goes on with the old configuration: %s", p.Error)
		}
		for _, name := range g.UnkeptFeeds() {
			d.note(AgentTrouble, Problem, state.UnkeptRemedy(), "after a boot without a network it is missing", "no copy of the list %s can be kept", name)
		}
		if p := g.ApplyError; p != nil {
			d.note(AgentTrouble, Problem, orElse(p.Remedy, "see \"voipbl status\""), "new lists are not put in force", "the agent cannot put the lists in force: %s", p.Error)
		}
	}
	if u := d.Facts.Agent; u != nil && !u.AtBoot {
		d.note(AgentNotAtBoot, Warning, start, "sets and rules are gone after a boot", "the agent does not start at boot")
	}
	if u := d.Facts.Agent; u != nil && !d.Facts.Logins.Logind && !d.Facts.Logins.Utmp {
		d.note(LoginsUnseen, Warning, "apt install libpam-systemd, or write into allow where you come from",
			"the agent may not look into other processes, so a list may cut off an admin at work",
			"neither logind nor utmp knows who is logged in by SSH")
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
