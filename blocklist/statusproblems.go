package blocklist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/state"
)

// problem notes why the host is not protected as it should be. remedy is what an admin can do
// about it, and may be empty.
func (s *Status) problem(remedy, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if slices.Contains(s.Problems, text) {
		return
	}
	s.Problems = append(s.Problems, text)
	if remedy != "" {
		if s.remedies == nil {
			s.remedies = make(map[string]string)
		}
		s.remedies[text] = s.Mended(remedy)
	}
}

// Add notes a problem that was found elsewhere; nil adds nothing.
func (s *Status) Add(p *problem.Problem) {
	if p != nil {
		s.problem(p.Remedy, "%s", p.Error)
	}
}

// Remedy is what an admin can do about one of the problems.
func (s *Status) Remedy(problem string) string { return s.remedies[problem] }

// Worrying reports whether there is any problem.
func (s *Status) Worrying() bool { return len(s.Problems) > 0 }

// judge decides whether the host is protected, and notes all problems.
func (s *Status) judge() {
	s.judgeProtected()
	s.Add(s.OnlyBans())
	s.judgeFamilies()
	for _, set := range s.Altered() {
		s.problem(s.repairs(), "somebody else has changed the set %s since voipbl wrote it", set.Name)
	}
	s.judgeExemptBans()
	for _, saved := range s.Saved {
		s.problem(saved.Remedy(), "%s", saved)
	}
	s.judgeRules()
	s.judgeAgent()
	s.Add(HeldProblem(s.Held, s.Agent != nil))
	for _, f := range s.Feeds {
		s.judgeFeed(f)
	}
	for _, n := range s.Names {
		if n.Failed != nil && n.Failed.NoHost && len(n.Addresses) > 0 {
			s.problem("mend DNS, or write its address instead", "%s", n.Warning)
		}
	}
	if p := s.AllowedProblem; p != nil {
		s.problem(p.Remedy, "%s", p.Error)
	}
	s.Add(s.PhonesProblem)
	for _, p := range s.PBXProblems {
		s.Add(p)
	}
	if s.Fleet != nil {
		for _, p := range s.Fleet.Problems {
			s.Add(p)
		}
	}
	if d := s.FleetDocument; d != nil {
		for _, p := range d.Problems {
			s.Add(p)
		}
	}
	s.Add(s.OtherNames())
	s.Add(s.StateFolder)
	s.Add(s.RunFolder)
	s.judgeBans()
	for _, k := range s.Kept {
		s.problem(feeds.KeptRemedy, "%s", k.Words())
	}
	for _, u := range s.Unresolved() {
		s.problem(u.Remedy, "%s of %s was never resolved, so it is not exempt", u.Name, u.Of)
	}
}

// judgeProtected decides whether the host is protected. It comes before all other problems.
func (s *Status) judgeProtected() {
	s.judgeSets()
	s.Protected = len(s.Problems) == 0
}

// OtherNames is the problem that the sets in force are not those that the configuration names.
// They protect this host until the new ones are filled. It is nil if they are the same.
func (s *Status) OtherNames() *problem.Problem {
	if s.taken != nil || !s.renamed {
		return s.taken
	}
	if old, now := []string{s.Sets[0].Name, s.BanSets[0].Name}, s.unasked; now != nil {
		if s.ownAsk {
			return &problem.Problem{
				Error:  fmt.Sprintf("voipbl's own rules ask %s, which are not renewed: the configuration names %s", strings.Join(old, " and "), strings.Join(now, " and ")),
				Remedy: fmt.Sprintf("have the other program's rules ask %s, then run \"voipbl firewall apply\", which takes those of voipbl out", strings.Join(now, " and ")),
			}
		}
		return &problem.Problem{
			Error:  fmt.Sprintf("the rules of another program ask %s, which are not renewed: the configuration names %s", strings.Join(old, " and "), strings.Join(now, " and ")),
			Remedy: fmt.Sprintf("have that program's rules ask %s instead", strings.Join(now, " and ")),
		}
	}
	return &problem.Problem{
		Error:  fmt.Sprintf("the configuration names other sets than %s and %s, which stay in force until those are filled", s.Sets[0].Name, s.BanSets[0].Name),
		Remedy: s.repairs(),
	}
}

// Keeps reports whether entries of a feed stay in force whose last good copy is lost.
func (s *Status) Keeps(feed string) bool {
	return slices.ContainsFunc(s.Kept, func(k feeds.Kept) bool { return k.Feed == feed && k.Prefixes > 0 })
}

// NeverWords says why there is no copy of a feed. If it is not known which feeds were in force,
// and the sets hold entries, then it was probably lost with the state folder.
func (s *Status) NeverWords(f feeds.Status) string {
	if s.MayHold(f) {
		return "has no copy any more, or " + f.NeverWords()
	}
	return f.NeverWords()
}

// MayHold reports whether the sets may hold entries of a feed without a copy, since it is not
// known what was in force.
func (s *Status) MayHold(f feeds.Status) bool { return f.Never() && f.Unknown && s.Entries() > 0 }

// judgeFeed notes what is wrong with a list, and why if that is known.
func (s *Status) judgeFeed(f feeds.Status) {
	remedy, why := problem.RunSync, f.Why()
	if f.Problem != nil {
		remedy = f.Problem.Remedy
	}
	switch {
	case f.Never() && s.Keeps(f.Name): // what stays is told for itself
		s.problem(remedy, "feed %s has lost its copy%s", f.Name, why)
	case f.Stale && f.Never(), f.Problem != nil && f.Untried():
		s.problem(remedy, "feed %s %s%s", f.Name, s.NeverWords(f), why)
	case f.Stale:
		s.problem(remedy, "feed %s%s is STALE: no success for three times its interval%s", f.Name, f.By(), why)
	case f.Held != nil:
		s.problem(remedy, "feed %s: a new list waits to be believed%s", f.Name, why)
	case f.Problem != nil:
		s.problem(remedy, "feed %s%s", f.Name, why)
	case f.Frozen:
		s.problem(feeds.FrozenRemedy, "feed %s is %s", f.Name, f.FrozenWords())
	}
}

// Altered are the sets that somebody else has changed, without one that is empty alone: its
// family's problem says so.
func (s *Status) Altered() (all []SetStatus) {
	for _, set := range s.Sets {
		if set.Changed && !s.emptiedAlone(set) {
			all = append(all, set)
		}
	}
	return all
}

// judgeSets notes what leaves the host unprotected. An empty set needs no rule, since not
// every host has IPv6. A host that is protected over IPv4 counts as protected.
func (s *Status) judgeSets() {
	entries, missing := 0, []string{}
	if p := s.Rules.Problem; s.Rules.Unread {
		s.problem(p.Remedy, "the rules cannot be read, so it is not known whether blocked addresses are dropped: %s", p.Error)
	}
	for f, set := range s.Sets {
		switch {
		case iptables.Family(f) == iptables.IPv6 && (s.ipv6Told(set) || s.IPv6Trouble() != nil):
			if !set.Drops {
				continue
			}
		case !set.Exists:
			missing = append(missing, set.Name)
		case !set.Ours:
			s.problem(s.foreignRemedy(set), "the set %s is a %s that somebody else made", set.Name, set.Type)
		case set.Entries > 0 && !set.Drops && !s.Rules.Unread:
			s.sayNoDrop(set.Name)
		}
		entries += set.Entries
	}
	s.Add(s.ipv4Emptied())
	if s.Entries() == 0 && s.ipv6Emptied() { // then the lists block nobody
		s.Add(s.IPv6Trouble())
	}
	switch {
	case len(missing) > 0:
		s.problem(s.repairs(), "the kernel has no set %s", strings.Join(missing, " and no set "))
	case entries == 0 && s.banned() == 0 && s.Entries() > 0: // all entries are IPv6, and none of them is dropped
		if s.judgeFamilies(); len(s.Problems) == 0 {
			s.sayNoDrop(s.Sets[iptables.IPv6].Name)
		}
	case entries == 0 && s.banned() == 0:
		s.Add(s.empty())
	}
}

// empty is the problem that the lists block nobody, even if this host's bans do; else nil.
func (s *Status) empty() *problem.Problem {
	if s.Entries() > 0 {
		return nil
	}
	return &problem.Problem{Reason: "empty", Error: emptyWords(s.banned()), Remedy: s.emptyRemedy()}
}

// OnlyBans is the problem that only this host's bans block anybody, and no list; else nil.
// If somebody else has emptied a set, another problem says so.
func (s *Status) OnlyBans() *problem.Problem {
	if s.banned() == 0 || s.ipv4Emptied() != nil || s.ipv6Emptied() {
		return nil
	}
	return s.empty()
}

// On says which part of voipbl is in force, apart from the base rules.
func (s *Status) On() string {
	if s.banned() > 0 && s.Entries() == 0 {
		return "only this host's own bans are on"
	}
	return "the list is on"
}

// judgeBans notes bans that are not in force, or that a boot would lose.
func (s *Status) judgeBans() {
	for f, set := range s.BanSets {
		if set.Ours && set.Entries > 0 && !set.Drops && !s.Rules.Unread && !(iptables.Family(f) == iptables.IPv6 && s.ipv6Told(set)) {
			s.sayNoDrop(set.Name)
		}
	}
	for _, p := range s.BanProblems() {
		s.problem(p.Remedy, "%s", p.Error)
	}
}

// bansUnwritten is the problem that a ban is only in the run folder.
var bansUnwritten = problem.Problem{
	Reason: "not-written-down",
	Error:  "some bans are in force and not written down: a boot would lose them",
	Remedy: "make room in state_dir, and see that it can be written to; then \"voipbl sync\" writes them down",
}

// BanProblems returns what is wrong with this host's bans, apart from the rules.
func (s *Status) BanProblems() (all []problem.Problem) {
	add := func(remedy, format string, args ...any) {
		all = append(all, problem.Problem{Error: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	for _, set := range s.BanSets {
		switch {
		case !set.Exists && s.Bans > 0:
			add(s.repairs(), "the kernel has no set %s for bans", set.Name)
		case set.Exists && !set.Ours:
			add("choose another name with \"ban_set:\", or take that set out", "the set %s is not one that voipbl made for bans, so nobody is banned by it", set.Name)
		}
	}
	if s.bansUnkept {
		all = append(all, bansUnwritten)
	}
	if s.bansLost != nil {
		all = append(all, *s.bansLost)
	}
	for _, note := range s.banNotes {
		add("run \"voipbl sync\"", "%s", note)
	}
	if s.bansUnread != nil {
		all = append(all, *s.bansUnread)
	}
	return all
}

// Entries is how many entries the sets of the lists hold.
func (s *Status) Entries() (n int) {
	for _, set := range s.Sets {
		n += set.Entries
	}
	return n
}

// banned is how many bans the kernel drops.
func (s *Status) banned() (n int) {
	for _, set := range s.BanSets {
		if set.Ours && set.Drops {
			n += set.Entries
		}
	}
	return n
}

// agentRepairs is the remedy for what the agent repairs by itself.
const agentRepairs = "nothing: the agent puts it right within 15 seconds"

// repairs is the remedy for what somebody else has changed: to wait for the agent, if it can.
func (s *Status) repairs() string {
	switch {
	case s.taken != nil:
		return s.taken.Remedy
	case s.Agent == nil:
		return problem.RunSync
	case s.Agent.ApplyError != nil: // the agent keeps trying
		return cmp.Or(s.Agent.ApplyError.Remedy, "see \"journalctl -u voipbl\"; the agent tries it again")
	case s.outlook != nil && s.outlook.Error != nil:
		return cmp.Or(s.outlook.Error.Remedy, "see \"journalctl -u voipbl\"; the agent tries it again")
	}
	return agentRepairs
}

// Repairs is the remedy for what somebody else has changed.
func (s *Status) Repairs() string { return s.repairs() }

func (s *Status) judgeRules() {
	r := s.Rules
	if r.Problem != nil && !r.Unread { // else judgeSets has noted it
		s.problem(r.Problem.Remedy, "%s", r.Problem.Error)
	}
	for _, o := range r.Obstacles {
		s.problem(o.Remedy, "%s", o.Error)
	}
	if p := r.NativeUnread; p != nil {
		s.problem(p.Remedy, "what other firewalls drop is not known: %s", p.Error)
	}
	if r.Pending != nil {
		p := r.Pending.Trouble()
		s.Add(&p)
	}
	if n := len(s.Drift()); n > 0 && r.OnlyMoves() {
		s.problem(s.repairs(), "%s", r.MoveWords(r.Drift, "is to be"))
	} else if n > 0 {
		s.problem(s.repairs()+"; see \"voipbl firewall diff\"", "the firewall is not as it should be in %d %s", n, map[bool]string{true: "place", false: "places"}[n == 1])
	}
}

func (s *Status) judgeAgent() {
	if p := s.AgentError; p != nil {
		s.problem(p.Remedy, "%s", p.Error)
	}
	if s.Agent == nil {
		return
	}
	if p := s.Agent.ConfigError; p != nil {
		remedy := p.Remedy
		if remedy == "" {
			remedy = "see \"voipbl config check\""
		}
		s.problem(remedy, "the agent goes on with the old configuration: %s", p.Error)
	}
	for _, name := range s.Agent.UnkeptFeeds() {
		s.problem(state.UnkeptRemedy(), "no copy of the list %s can be kept: a boot would lose it", name)
	}
	if p := s.Agent.ApplyError; p != nil {
		s.problem(p.Remedy, "the agent cannot put the lists in force: %s", p.Error)
	}
}

func (s *Status) judgeExemptBans() {
	for i, b := range s.ExemptBanned {
		if i == reach.MaxExemptBans {
			s.problem("as above; \"voipbl status --json\" lists them", "%d more exempt addresses are banned", len(s.ExemptBanned)-i)
			break
		}
		s.problem(b.Remedy(), "%s", b)
	}
}
