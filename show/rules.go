package show

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
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/takeover"
)

// shownOthers is how many rules that are in the way are shown.
const shownOthers = 3

// Changes shows the difference between the rules in the kernel and those that are wanted.
func Changes(on *screen.Screen, r *rules.Report) {
	fmt.Fprintln(on.Out, rulesWords(r))
	dropPlace(on, r)
	for _, name := range r.Missing {
		fmt.Fprintf(on.Out, "  set %s is missing\n", name)
	}
	at := ""
	for _, c := range r.Changes {
		if table := c.Family + ", table " + c.Table; table != at {
			at = table
			fmt.Fprintf(on.Out, "%s:\n", at)
		}
		fmt.Fprintln(on.Out, "  "+screen.Clean(c.Words()))
		for i, other := range c.Others {
			if i == shownOthers {
				fmt.Fprintf(on.Out, "      and %d more\n", len(c.Others)-i)
				break
			}
			fmt.Fprintf(on.Out, "      in its way: -A %s %s\n", c.Chain, screen.Clean(other))
		}
	}
	switch {
	case r.Written:
		fmt.Fprintln(on.Out, "(+ added, - removed, ^ moved to its place)")
	case len(r.Changes) > 0:
		fmt.Fprintln(on.Out, "(+ missing, - not wanted, ^ in the wrong place)")
	}
}

// rulesWords describes in a line the state of the rules.
func rulesWords(r *rules.Report) string {
	changes := screen.Plural(len(r.Changes), "change", "changes")
	if r.Agent != nil && r.Agent.Now {
		changes += " besides the agent's"
	}
	if r.DropAt == config.DropNone {
		return fmt.Sprintf("rules: another program's (drop_at: none), %s backend, base rules %s, %s", r.Backend, r.Base, changes)
	}
	return fmt.Sprintf("rules: %s backend, drop at %s, base rules %s, %s", r.Backend, r.DropAt, r.Base, changes)
}

// dropPlace says why the drop is where it is, or that it moves, unless that is plain.
func dropPlace(on *screen.Screen, r *rules.Report) {
	switch words := r.DropWords(); {
	case words == "":
	case r.Moves && r.Written:
		on.Folded("  " + r.MoveWords(r.Changes, "was"))
	case r.Moves:
		on.Folded("  " + r.MoveWords(r.Changes, "is to be"))
	case r.DropWhy != rules.WhyConfigured && r.DropWhy != rules.WhyNothing:
		on.Folded("  dropped in " + words)
	}
}

// fewChanges is how many changes of rules are listed at most.
const fewChanges = 6

// SyncRules shows what a sync did to the rules: one line, and the changes themselves if they are
// few.
func SyncRules(on *screen.Screen, r *blocklist.SyncReport) {
	switch {
	case r.Rules == nil:
	case len(r.Rules.Changes) > fewChanges:
		fmt.Fprintln(on.Out, rulesWords(r.Rules)+writtenRules(r))
		dropPlace(on, r.Rules)
		fmt.Fprintln(on.Out, `  "voipbl firewall show" shows the rules`)
	case len(r.Rules.Changes) > 0:
		Changes(on, r.Rules)
	default:
		fmt.Fprintln(on.Out, rulesWords(r.Rules))
		dropPlace(on, r.Rules)
	}
	if r.Rules != nil && r.Rules.New {
		fmt.Fprintln(on.Out, "the base rules are new and stay: \"voipbl firewall apply\" would have put them on trial")
	}
}

func writtenRules(r *blocklist.SyncReport) string {
	if r.Outcome == blocklist.DryRun {
		return ", not yet"
	}
	return ""
}

// RulesTrouble says on stderr why the rules are not as configured.
func RulesTrouble(on *screen.Screen, r *rules.Report) {
	if r == nil {
		return
	}
	Families(on, r.Families)
	Obstacles(on, r.Obstacles)
	if p := r.Problem; p != nil {
		fmt.Fprintln(on.Err, "voipbl: "+screen.Clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(on.Err, "  try: "+screen.Clean(p.Remedy))
		}
	}
	for _, name := range r.Unresolved {
		fmt.Fprintf(on.Err, "voipbl: no rule lets %s of firewall.trunks in: it is not resolved yet\n  try: write its address instead, or mend DNS\n", screen.Clean(name))
	}
	if p := r.Pending; p != nil && (p.Lapsed || p.Gone || p.Unset) {
		said := p.Trouble()
		fmt.Fprintf(on.Err, "voipbl: %s\n  try: %s\n", said.Error, said.Remedy)
	} else if p != nil {
		fmt.Fprintf(on.Err, "voipbl: base rules are on trial until %s and were left alone: see \"voipbl firewall confirm\"\n", p.Deadline.Local().Format(time.DateTime))
	}
}

// Obstacles says on stderr why the installed rules have no effect.
func Obstacles(on *screen.Screen, obstacles []reach.Obstacle) {
	for _, o := range obstacles {
		fmt.Fprintf(on.Err, "voipbl: %s\n  try: %s\n", screen.Clean(o.Error), screen.Clean(o.Remedy))
	}
}

// Saved says on stderr which files of saved rules still use old names of sets.
func Saved(on *screen.Screen, saved []reach.SavedTrouble) {
	for _, s := range saved {
		fmt.Fprintf(on.Err, "voipbl: %s\n  try: %s\n", screen.Clean(s.String()), screen.Clean(s.Remedy()))
	}
}

// Note prints a note on stderr, if there is one.
func Note(on *screen.Screen, p *problem.Problem) {
	if p != nil {
		fmt.Fprintf(on.Err, "voipbl: %s\n  try: %s\n", screen.Clean(p.Error), screen.Clean(p.Remedy))
	}
}

// Families says on stderr which family is not protected, and why.
func Families(on *screen.Screen, families []problem.FamilyProblem) {
	for _, p := range families {
		fmt.Fprintln(on.Err, "voipbl: "+screen.Clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(on.Err, "  try: "+screen.Clean(p.Remedy))
		}
	}
}

// printRulesStatus shows where blocked addresses are dropped, and what is wrong with the rules.
func printRulesStatus(on *screen.Screen, s *rules.Status) {
	rules := screen.Table{Right: []int{3, 4}}
	rules.Row("drop rule for", "backend", "place", "packets", "bytes", "made by")
	for _, d := range s.Drops {
		by := "somebody else"
		if d.Ours {
			by = "voipbl"
		}
		rules.Row(d.Set, d.Backend, fmt.Sprintf("%s %s, rule %d", d.Table, d.Chain, d.Position), screen.Count(d.Packets), screen.Count(d.Bytes), by)
	}
	if len(s.Drops) == 0 {
		rules.Row("none")
	}
	rules.Print(on.Out)
	if words := s.DropWords(); words != "" {
		on.Folded(map[bool]string{true: "dropped in ", false: "to be dropped in "}[s.InPlace()] + words)
	}
	fmt.Fprintf(on.Out, "base rules %s; backend %s\n", s.Base, screen.OrNone(s.Backend))
	if s.DropAt == config.DropNone {
		fmt.Fprintln(on.Out, "  the rules are another program's (drop_at: none)")
	}
	if p := s.Pending; p != nil && (p.Gone || p.Unset) && !p.Lapsed {
		fmt.Fprintf(on.Out, "  on trial until %s\n", p.Deadline.Local().Format(time.DateTime))
	} else if p != nil && !p.Lapsed {
		fmt.Fprintf(on.Out, "  on trial until %s: \"voipbl firewall confirm\" keeps them\n", p.Deadline.Local().Format(time.DateTime))
	} else if p != nil {
		fmt.Fprintln(on.Out, "  their trial is over: \"voipbl firewall rollback\" takes them back")
	}
	if len(s.Owners) > 0 && s.Rest == nil { // otherwise printed elsewhere
		fmt.Fprintf(on.Out, "  other firewalls: %s\n", screen.Clean(strings.Join(s.Owners, ", ")))
	}
	if s.Other > 0 {
		fmt.Fprintf(on.Out, "  the other backend has %s, which this one does not show\n", screen.Plural(s.Other, "rule", "rules"))
	}
	for _, c := range s.Drift[:min(len(s.Drift), shownOthers)] {
		fmt.Fprintf(on.Out, "  %s: %s\n", c.Family, screen.Clean(c.Words()))
	}
	fmt.Fprintln(on.Out)
}

// Applied shows what was applied, and then looks for what is in its way. A trial is announced
// before that look, which may take seconds of its time.
func Applied(ctx context.Context, on *screen.Screen, cfg config.Config, r *rules.Report, dryRun bool) {
	switch {
	case r.Pending != nil && on.JSON:
		fmt.Fprintf(on.Err, "voipbl: base rules are on trial until %s: \"voipbl firewall confirm\" keeps them\n", r.Pending.Deadline.Local().Format(time.DateTime))
	case r.Pending != nil:
		printApplied(on, r, dryRun)
	}
	blocklist.SeekTroubles(ctx, cfg, r)
	if r.Pending == nil && !on.JSON {
		printApplied(on, r, dryRun)
	}
}

func printApplied(on *screen.Screen, r *rules.Report, dryRun bool) {
	Followed(on, r.Agent)
	if len(r.Changes) > fewChanges && !dryRun {
		fmt.Fprintln(on.Out, rulesWords(r))
		dropPlace(on, r)
		fmt.Fprintln(on.Out, `  "voipbl firewall show" shows the rules`)
	} else {
		Changes(on, r)
	}
	Closed(on, r.Closed, dryRun)
	switch {
	case dryRun:
		fmt.Fprintln(on.Out, "dry run: nothing was written to the kernel")
	case r.Pending != nil:
		fmt.Fprintf(on.Out, `
%s until %s, on trial.

Leave this session open. Log in once more, over a new connection, and keep the
rules with

    voipbl firewall confirm

If nobody does, or if you cannot log in, they are taken back by themselves.
`, on.Paint("in force", screen.Yellow), r.Pending.Deadline.Local().Format(time.DateTime))
	case r.Empty != nil:
		fmt.Fprintln(on.Out, inForceEmpty(on))
	case r.Agent != nil && !r.Agent.Now && len(r.Changes) == 0:
		fmt.Fprintln(on.Out, on.Paint("in force", screen.Green)+" already, by the agent")
	default:
		fmt.Fprintln(on.Out, on.Paint("in force", screen.Green))
	}
}

// Followed says that the agent has reloaded the configuration, and what that changed.
func Followed(on *screen.Screen, agent *takeover.Followed) {
	if agent == nil || !agent.Now {
		return
	}
	fmt.Fprintln(on.Out, "the agent has reloaded the configuration")
	for i, what := range agent.Taken {
		if i == 0 {
			fmt.Fprintln(on.Out, "removed, since it is no longer in the configuration:")
		}
		fmt.Fprintln(on.Out, "  "+screen.Clean(what))
	}
}
