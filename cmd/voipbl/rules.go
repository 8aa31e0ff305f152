package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
)

// shownOthers is how many rules that stand in the way a person is shown.
const shownOthers = 3

// printChanges shows the difference between the kernel's rules and those that
// should be there.
func (a *app) printChanges(r *rules.Report) {
	fmt.Fprintln(a.out, rulesWords(r))
	for _, name := range r.Missing {
		fmt.Fprintf(a.out, "  set %s is missing\n", name)
	}
	at := ""
	for _, c := range r.Changes {
		if table := c.Family + ", table " + c.Table; table != at {
			at = table
			fmt.Fprintf(a.out, "%s:\n", at)
		}
		fmt.Fprintln(a.out, "  "+clean(c.Words()))
		for i, other := range c.Others {
			if i == shownOthers {
				fmt.Fprintf(a.out, "      and %d more\n", len(c.Others)-i)
				break
			}
			fmt.Fprintf(a.out, "      in its way: -A %s %s\n", c.Chain, clean(other))
		}
	}
	switch {
	case r.Written:
		fmt.Fprintln(a.out, "(+ put in, - taken out, ^ moved to its place)")
	case len(r.Changes) > 0:
		fmt.Fprintln(a.out, "(+ is missing, - is too much, ^ stands in the wrong place)")
	}
}

// rulesWords says in a line where the rules stand.
func rulesWords(r *rules.Report) string {
	changes := plural(len(r.Changes), "change", "changes")
	if r.Agent != nil && r.Agent.Now {
		changes += " besides the agent's"
	}
	if r.DropAt == config.DropNone {
		return fmt.Sprintf("rules: another program's (drop_at: none), %s backend, base rules %s, %s", r.Backend, r.Base, changes)
	}
	return fmt.Sprintf("rules: %s backend, drop at %s, base rules %s, %s", r.Backend, r.DropAt, r.Base, changes)
}

// fewChanges is how many changes of rules are worth being listed.
const fewChanges = 6

// printRules shows what a sync did to the rules: a line, and the changes if they
// are few.
func (a *app) printRules(r *blocklist.SyncReport) {
	switch {
	case r.Rules == nil:
	case len(r.Rules.Changes) > fewChanges:
		fmt.Fprintln(a.out, rulesWords(r.Rules)+writtenRules(r))
		fmt.Fprintln(a.out, `  "voipbl firewall show" shows the rules`)
	case len(r.Rules.Changes) > 0:
		a.printChanges(r.Rules)
	default:
		fmt.Fprintln(a.out, rulesWords(r.Rules))
	}
	if r.Rules != nil && r.Rules.New {
		fmt.Fprintln(a.out, "the base rules are new and stay: \"voipbl firewall apply\" would have put them on trial")
	}
}

func writtenRules(r *blocklist.SyncReport) string {
	if r.Outcome == blocklist.DryRun {
		return ", not yet"
	}
	return ""
}

// printRulesTrouble says on stderr why the rules are not as configured.
func (a *app) printRulesTrouble(r *rules.Report) {
	if r == nil {
		return
	}
	a.printFamilies(r.Families)
	a.printObstacles(r.Obstacles)
	if p := r.Problem; p != nil {
		fmt.Fprintln(a.err, "voipbl: "+clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(a.err, "  try: "+clean(p.Remedy))
		}
	}
	for _, name := range r.Unresolved {
		fmt.Fprintf(a.err, "voipbl: no rule lets %s of firewall.trunks in: it is not resolved yet\n  try: write its address instead, or mend DNS\n", clean(name))
	}
	if p := r.Pending; p != nil && p.Lapsed {
		said := p.Trouble()
		fmt.Fprintf(a.err, "voipbl: %s\n  try: %s\n", said.Error, said.Remedy)
	} else if p != nil {
		fmt.Fprintf(a.err, "voipbl: base rules are on trial until %s and were left alone: see \"voipbl firewall confirm\"\n", p.Deadline.Local().Format(time.DateTime))
	}
}

// printObstacles says on stderr why rules that are installed do not have their effect.
func (a *app) printObstacles(obstacles []reach.Obstacle) {
	for _, o := range obstacles {
		fmt.Fprintf(a.err, "voipbl: %s\n  try: %s\n", clean(o.Error), clean(o.Remedy))
	}
}

// printSaved says on stderr which files of saved rules name sets of an old name.
func (a *app) printSaved(saved []reach.SavedTrouble) {
	for _, s := range saved {
		fmt.Fprintf(a.err, "voipbl: %s\n  try: %s\n", clean(s.String()), clean(s.Remedy()))
	}
}

// printNote says on stderr what may surprise somebody, if there is anything.
func (a *app) printNote(p *problem.Problem) {
	if p != nil {
		fmt.Fprintf(a.err, "voipbl: %s\n  try: %s\n", clean(p.Error), clean(p.Remedy))
	}
}

// printFamilies says on stderr which family is not protected, and why.
func (a *app) printFamilies(families []problem.FamilyProblem) {
	for _, p := range families {
		fmt.Fprintln(a.err, "voipbl: "+clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(a.err, "  try: "+clean(p.Remedy))
		}
	}
}

// printRulesStatus shows where blocked addresses are dropped, and what is not as
// it should be.
func (a *app) printRulesStatus(s *rules.Status) {
	rules := table{right: []int{3, 4}}
	rules.row("drop rule for", "backend", "place", "packets", "bytes", "made by")
	for _, d := range s.Drops {
		by := "somebody else"
		if d.Ours {
			by = "voipbl"
		}
		rules.row(d.Set, d.Backend, fmt.Sprintf("%s %s, rule %d", d.Table, d.Chain, d.Position), count(d.Packets), count(d.Bytes), by)
	}
	if len(s.Drops) == 0 {
		rules.row("none")
	}
	rules.print(a.out)
	fmt.Fprintf(a.out, "base rules %s; backend %s\n", s.Base, orNone(s.Backend))
	if s.DropAt == config.DropNone {
		fmt.Fprintln(a.out, "  the rules are another program's (drop_at: none)")
	}
	if p := s.Pending; p != nil && !p.Lapsed {
		fmt.Fprintf(a.out, "  on trial until %s: \"voipbl firewall confirm\" keeps them\n", p.Deadline.Local().Format(time.DateTime))
	} else if p != nil {
		fmt.Fprintln(a.out, "  their trial is over: \"voipbl firewall rollback\" takes them back")
	}
	if len(s.Owners) > 0 && s.Rest == nil { // else it is told
		fmt.Fprintf(a.out, "  other firewalls: %s\n", clean(strings.Join(s.Owners, ", ")))
	}
	if s.Other > 0 {
		fmt.Fprintf(a.out, "  the other backend has %s, which this one does not show\n", plural(s.Other, "rule", "rules"))
	}
	for _, c := range s.Drift[:min(len(s.Drift), shownOthers)] {
		fmt.Fprintf(a.out, "  %s: %s\n", c.Family, clean(c.Words()))
	}
	fmt.Fprintln(a.out)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
