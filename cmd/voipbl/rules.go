package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/takeover"
)

// shownOthers is how many rules that stand in the way a person is shown.
const shownOthers = 3

// printChanges shows the difference between the kernel's rules and those that
// should be there.
func (on *Screen) printChanges(r *rules.Report) {
	fmt.Fprintln(on.out, rulesWords(r))
	for _, name := range r.Missing {
		fmt.Fprintf(on.out, "  set %s is missing\n", name)
	}
	at := ""
	for _, c := range r.Changes {
		if table := c.Family + ", table " + c.Table; table != at {
			at = table
			fmt.Fprintf(on.out, "%s:\n", at)
		}
		fmt.Fprintln(on.out, "  "+clean(c.Words()))
		for i, other := range c.Others {
			if i == shownOthers {
				fmt.Fprintf(on.out, "      and %d more\n", len(c.Others)-i)
				break
			}
			fmt.Fprintf(on.out, "      in its way: -A %s %s\n", c.Chain, clean(other))
		}
	}
	switch {
	case r.Written:
		fmt.Fprintln(on.out, "(+ put in, - taken out, ^ moved to its place)")
	case len(r.Changes) > 0:
		fmt.Fprintln(on.out, "(+ is missing, - is too much, ^ stands in the wrong place)")
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
func (on *Screen) printRules(r *blocklist.SyncReport) {
	switch {
	case r.Rules == nil:
	case len(r.Rules.Changes) > fewChanges:
		fmt.Fprintln(on.out, rulesWords(r.Rules)+writtenRules(r))
		fmt.Fprintln(on.out, `  "voipbl firewall show" shows the rules`)
	case len(r.Rules.Changes) > 0:
		on.printChanges(r.Rules)
	default:
		fmt.Fprintln(on.out, rulesWords(r.Rules))
	}
	if r.Rules != nil && r.Rules.New {
		fmt.Fprintln(on.out, "the base rules are new and stay: \"voipbl firewall apply\" would have put them on trial")
	}
}

func writtenRules(r *blocklist.SyncReport) string {
	if r.Outcome == blocklist.DryRun {
		return ", not yet"
	}
	return ""
}

// printRulesTrouble says on stderr why the rules are not as configured.
func (on *Screen) printRulesTrouble(r *rules.Report) {
	if r == nil {
		return
	}
	on.printFamilies(r.Families)
	on.printObstacles(r.Obstacles)
	if p := r.Problem; p != nil {
		fmt.Fprintln(on.err, "voipbl: "+clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(on.err, "  try: "+clean(p.Remedy))
		}
	}
	for _, name := range r.Unresolved {
		fmt.Fprintf(on.err, "voipbl: no rule lets %s of firewall.trunks in: it is not resolved yet\n  try: write its address instead, or mend DNS\n", clean(name))
	}
	if p := r.Pending; p != nil && p.Lapsed {
		said := p.Trouble()
		fmt.Fprintf(on.err, "voipbl: %s\n  try: %s\n", said.Error, said.Remedy)
	} else if p != nil {
		fmt.Fprintf(on.err, "voipbl: base rules are on trial until %s and were left alone: see \"voipbl firewall confirm\"\n", p.Deadline.Local().Format(time.DateTime))
	}
}

// printObstacles says on stderr why rules that are installed do not have their effect.
func (on *Screen) printObstacles(obstacles []reach.Obstacle) {
	for _, o := range obstacles {
		fmt.Fprintf(on.err, "voipbl: %s\n  try: %s\n", clean(o.Error), clean(o.Remedy))
	}
}

// printSaved says on stderr which files of saved rules name sets of an old name.
func (on *Screen) printSaved(saved []reach.SavedTrouble) {
	for _, s := range saved {
		fmt.Fprintf(on.err, "voipbl: %s\n  try: %s\n", clean(s.String()), clean(s.Remedy()))
	}
}

// printNote says on stderr what may surprise somebody, if there is anything.
func (on *Screen) printNote(p *problem.Problem) {
	if p != nil {
		fmt.Fprintf(on.err, "voipbl: %s\n  try: %s\n", clean(p.Error), clean(p.Remedy))
	}
}

// printFamilies says on stderr which family is not protected, and why.
func (on *Screen) printFamilies(families []problem.FamilyProblem) {
	for _, p := range families {
		fmt.Fprintln(on.err, "voipbl: "+clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(on.err, "  try: "+clean(p.Remedy))
		}
	}
}

// printRulesStatus shows where blocked addresses are dropped, and what is not as
// it should be.
func (on *Screen) printRulesStatus(s *rules.Status) {
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
	rules.print(on.out)
	fmt.Fprintf(on.out, "base rules %s; backend %s\n", s.Base, orNone(s.Backend))
	if s.DropAt == config.DropNone {
		fmt.Fprintln(on.out, "  the rules are another program's (drop_at: none)")
	}
	if p := s.Pending; p != nil && !p.Lapsed {
		fmt.Fprintf(on.out, "  on trial until %s: \"voipbl firewall confirm\" keeps them\n", p.Deadline.Local().Format(time.DateTime))
	} else if p != nil {
		fmt.Fprintln(on.out, "  their trial is over: \"voipbl firewall rollback\" takes them back")
	}
	if len(s.Owners) > 0 && s.Rest == nil { // else it is told
		fmt.Fprintf(on.out, "  other firewalls: %s\n", clean(strings.Join(s.Owners, ", ")))
	}
	if s.Other > 0 {
		fmt.Fprintf(on.out, "  the other backend has %s, which this one does not show\n", plural(s.Other, "rule", "rules"))
	}
	for _, c := range s.Drift[:min(len(s.Drift), shownOthers)] {
		fmt.Fprintf(on.out, "  %s: %s\n", c.Family, clean(c.Words()))
	}
	fmt.Fprintln(on.out)
}

// tellApplied says what was applied, and looks for what is in its way: rules on trial are
// told before that may take seconds, for their time runs.
func (on *Screen) tellApplied(ctx context.Context, cfg config.Config, r *rules.Report, dryRun bool) {
	switch {
	case r.Pending != nil && on.json:
		fmt.Fprintf(on.err, "voipbl: base rules are on trial until %s: \"voipbl firewall confirm\" keeps them\n", r.Pending.Deadline.Local().Format(time.DateTime))
	case r.Pending != nil:
		on.printApplied(r, dryRun)
	}
	blocklist.SeekTroubles(ctx, cfg, r)
	if r.Pending == nil && !on.json {
		on.printApplied(r, dryRun)
	}
}

func (on *Screen) printApplied(r *rules.Report, dryRun bool) {
	on.printFollowed(r.Agent)
	if len(r.Changes) > fewChanges && !dryRun {
		fmt.Fprintf(on.out, "%s\n  \"voipbl firewall show\" shows the rules\n", rulesWords(r))
	} else {
		on.printChanges(r)
	}
	on.printClosed(r.Closed, dryRun)
	switch {
	case dryRun:
		fmt.Fprintln(on.out, "dry run: nothing was written to the kernel")
	case r.Pending != nil:
		fmt.Fprintf(on.out, `
%s until %s, on trial.

Leave this session open. Log in once more, over a new connection, and keep the
rules with

    voipbl firewall confirm

If nobody does, or if you cannot log in, they are taken back by themselves.
`, on.paint("in force", yellow), r.Pending.Deadline.Local().Format(time.DateTime))
	case r.Empty != nil:
		fmt.Fprintln(on.out, on.inForceEmpty())
	case r.Agent != nil && !r.Agent.Now && len(r.Changes) == 0:
		fmt.Fprintln(on.out, on.paint("in force", green)+" already, by the agent")
	default:
		fmt.Fprintln(on.out, on.paint("in force", green))
	}
}

// printFollowed says that the agent has taken a configuration over just now, and what went
// with that.
func (on *Screen) printFollowed(agent *takeover.Followed) {
	if agent == nil || !agent.Now {
		return
	}
	fmt.Fprintln(on.out, "the agent has taken the configuration over")
	for i, what := range agent.Taken {
		if i == 0 {
			fmt.Fprintln(on.out, "what is not in it any more was taken out:")
		}
		fmt.Fprintln(on.out, "  "+clean(what))
	}
}
