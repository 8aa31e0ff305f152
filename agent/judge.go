package agent

import (
	"fmt"
	"strings"
	"time"
)

// problem notes what stands against a host being protected as it should be. remedy is
// what a person can do about it, and may be empty.
func (s *Status) problem(remedy, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.Problems = append(s.Problems, text)
	if remedy != "" {
		if s.remedies == nil {
			s.remedies = make(map[string]string)
		}
		s.remedies[text] = remedy
	}
}

// Remedy is what a person can do about one of the problems.
func (s *Status) Remedy(problem string) string { return s.remedies[problem] }

// Worrying reports whether anything is not as it should be.
func (s *Status) Worrying() bool { return len(s.Problems) > 0 }

// judge says whether the host is protected, and what is not as it should be.
func (s *Status) judge(now time.Time) {
	s.judgeSets()
	s.Protected = len(s.Problems) == 0
	for _, set := range s.Sets {
		if set.Changed {
			s.problem(s.repairs(), "somebody else has changed the set %s since voipbl wrote it", set.Name)
		}
	}
	s.judgeExemptBans()
	s.judgeRules(now)
	s.judgeAgent()
	for _, f := range s.Feeds {
		switch {
		case f.Stale && f.never():
			s.problem("", "feed %s was never fetched", f.Name)
		case f.Stale:
			s.problem("", "feed %s is STALE: no success for three times its interval", f.Name)
		case f.Held != nil:
			s.problem("", "feed %s: a new list waits to be believed", f.Name)
		case f.Problem != nil:
			s.problem("", "feed %s: %s", f.Name, f.Problem.Reason)
		case f.Frozen:
			s.problem(FrozenRemedy, "feed %s is %s", f.Name, f.FrozenWords())
		}
	}
	for _, n := range s.Names {
		if n.Failed != nil && n.Failed.NoHost && len(n.Addresses) > 0 {
			s.problem("mend DNS, or write its address instead", "%s", n.Warning)
		}
	}
	s.judgeBans()
	for _, k := range s.Kept {
		s.problem(KeptRemedy, "%s", k.Words())
	}
	for _, name := range s.Unprotected {
		s.problem("write its address instead, or mend DNS", "%s of allow or trunks was never resolved, so it is not protected", name)
	}
}

// judgeSets looks for what leaves the host without protection. A set without entries
// needs no rule: not every host has IPv6.
func (s *Status) judgeSets() {
	const sync = "run \"voipbl sync\""
	entries, missing := 0, []string{}
	for _, set := range s.Sets {
		switch {
		case !set.Exists:
			missing = append(missing, set.Name)
		case !set.Ours:
			s.problem(sync, "the set %s is a %s that somebody else made", set.Name, set.Type)
		case set.Entries > 0 && !set.Drops:
			s.problem(s.repairs(), "no rule of INPUT or PREROUTING drops the members of %s", set.Name)
		}
		entries += set.Entries
	}
	switch {
	case len(missing) > 0:
		s.problem(s.repairs(), "the kernel has no set %s", strings.Join(missing, " and no set "))
	case entries == 0:
		s.problem(s.emptyRemedy(sync), "the sets are empty")
	}
}

// judgeBans looks for bans that are not in force, or that a boot would lose.
func (s *Status) judgeBans() {
	for _, set := range s.BanSets {
		if set.Ours && set.Entries > 0 && !set.Drops {
			s.problem(s.repairs(), "no rule of INPUT or PREROUTING drops the members of %s", set.Name)
		}
	}
	for _, p := range s.BanProblems() {
		s.problem(p.Remedy, "%s", p.Error)
	}
}

// BanProblems are what is wrong with the bans of this host, beside the rules.
func (s *Status) BanProblems() (all []Problem) {
	add := func(remedy, format string, args ...any) {
		all = append(all, Problem{Error: fmt.Sprintf(format, args...), Remedy: remedy})
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
		add("make room in state_dir, and see that it can be written to; then \"voipbl sync\" writes them down", "some bans are in force and not written down: a boot would lose them")
	}
	for _, note := range s.banNotes {
		add("run \"voipbl sync\"", "%s", note)
	}
	if s.bansUnread != nil {
		all = append(all, *s.bansUnread)
	}
	return all
}

// repairs is who puts right what somebody else has changed.
func (s *Status) repairs() string {
	if s.Agent != nil {
		return "nothing: the agent puts it right within 15 seconds"
	}
	return "run \"voipbl sync\""
}

// emptyRemedy is what fills the sets: what is wrong with the lists is told with them.
func (s *Status) emptyRemedy(otherwise string) string {
	for _, f := range s.Feeds {
		if f.Problem != nil {
			return fmt.Sprintf("mend what is said about the list %s below; the agent asks for it again by itself", f.Name)
		}
	}
	return otherwise
}

func (s *Status) judgeRules(now time.Time) {
	r := s.Rules
	if r.Problem != nil {
		s.problem(r.Problem.Remedy, "%s", r.Problem.Error)
	}
	if p := r.Pending; p != nil && now.After(p.Deadline) {
		s.problem("run \"voipbl firewall rollback\"", "the rules on trial should have been taken back by now")
	} else if p != nil {
		s.problem("\"voipbl firewall confirm\" keeps them", "base rules are on trial until %s", p.Deadline.Local().Format(time.DateTime))
	}
	if n := len(r.Drift); n > 0 {
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
		s.problem(UnkeptRemedy(), "no copy of the list %s can be kept: a boot would lose it", name)
	}
	if p := s.Agent.ApplyError; p != nil {
		s.problem(p.Remedy, "the agent cannot put the lists in force: %s", p.Error)
	}
}
