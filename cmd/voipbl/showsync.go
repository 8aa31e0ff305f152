package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/problem"
)

// printTroubles says on stderr which feeds are not as they should be, why, and
// what to do.
func (on *Screen) printTroubles(r *blocklist.SyncReport) {
	for _, f := range r.Feeds {
		if f.Problem == nil {
			continue
		}
		fmt.Fprintf(on.err, "voipbl: feed %s is %s (%s): %s\n", f.Name, f.State, f.Problem.Reason, clean(f.Problem.Error))
		switch {
		case slices.ContainsFunc(r.Kept, func(k feeds.Kept) bool { return k.Feed == f.Name }): // told below
		case f.State == feeds.Missing:
			fmt.Fprintln(on.err, "  there is no earlier copy of it")
		case f.State == feeds.Fresh, f.State == feeds.Unchanged:
			fmt.Fprintf(on.err, "  the rest of it is in force, %s\n", plural(f.Entries, "entry", "entries"))
		default:
			fmt.Fprintf(on.err, "  its copy of %s is in force, %s\n", f.FetchedAt.Local().Format(time.DateTime), plural(f.Entries, "entry", "entries"))
		}
		if f.Problem.Remedy != "" {
			fmt.Fprintln(on.err, "  try: "+clean(f.Problem.Remedy))
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(on.err, "voipbl: "+clean(w))
	}
	if p := r.AgentError; p != nil && p.Remedy != "" {
		fmt.Fprintln(on.err, "  try: "+clean(p.Remedy))
	}
	if p := r.BansProblem; p != nil {
		fmt.Fprintln(on.err, "voipbl: the sets of bans could not be looked after: "+clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(on.err, "  try: "+clean(p.Remedy))
		}
	}
	for _, p := range r.ListProblems {
		fmt.Fprintln(on.err, "voipbl: "+clean(p.Error))
		fmt.Fprintln(on.err, "  try: "+clean(p.Remedy))
	}
	on.printEmpty(r.Empty)
	on.printFamilies(r.Families)
	on.printRulesTrouble(r.Rules)
	on.printSaved(r.Saved)
	on.printNote(r.DropLog)
	if r.Outcome == blocklist.RulesFailed && r.Error != nil {
		fmt.Fprintln(on.err, "voipbl: the sets hold the new lists, but the rules could not be changed as configured:")
	}
}

// printSync shows what a sync has done, or would do.
func (on *Screen) printSync(r *blocklist.SyncReport) {
	if r.Rules != nil {
		on.printFollowed(r.Rules.Agent)
	}
	feeds := table{right: []int{2, 3, 4}}
	feeds.row("feed", "state", "entries", "rejected", "screened", "fetched")
	for _, f := range r.Feeds {
		feeds.row(shorten(f.Name, 24), string(f.State), count(f.Entries), count(rejected(f)), count(screened(f)), ago(f.FetchedAt, r.At))
	}
	feeds.print(on.out)
	for _, f := range r.Feeds {
		on.printRejects(f)
	}
	on.printScreened(r)
	on.printProtected(r)
	fmt.Fprintln(on.out)

	sets := table{right: []int{1, 2, 3, 4}}
	sets.row("set", "before", "after", "added", "removed", "written")
	for _, s := range r.Sets {
		before := "none"
		if s.Before >= 0 {
			before = count(s.Before)
		}
		sets.row(s.Name, before, count(s.After), count(s.Added), count(s.Removed), written(r, s))
	}
	sets.print(on.out)
	if r.Outcome == blocklist.DryRun {
		for _, s := range r.Sets {
			for _, step := range s.Plan {
				fmt.Fprintln(on.out, "  would "+step)
			}
		}
	}
	fmt.Fprintln(on.out)
	on.printRules(r)
	fmt.Fprintln(on.out)
	on.printOutcome(r)
	fmt.Fprintln(on.out)
	on.printSteps(r)
}

func (on *Screen) printOutcome(r *blocklist.SyncReport) {
	switch {
	case r.Outcome == blocklist.DryRun:
		fmt.Fprintln(on.out, "dry run: nothing was written to the kernel")
	case r.Empty != nil:
		fmt.Fprintln(on.out, on.inForceEmpty())
	case r.Troubled():
		fmt.Fprintln(on.out, on.paint("in force", yellow)+", but not everything is as it should be: see above")
	case slices.ContainsFunc(r.Feeds, func(f feeds.Report) bool { return f.State == feeds.Cached }):
		fmt.Fprintln(on.out, on.paint("in force", green)+", from the last good copies")
	default:
		fmt.Fprintln(on.out, on.paint("in force", green)+", every feed fresh")
	}
}

func (on *Screen) inForceEmpty() string {
	return on.paint("in force, and empty", red) + ": nobody is on a list"
}

// printEmpty says on stderr that the sets of the lists are empty, if they are.
func (on *Screen) printEmpty(p *problem.Problem) {
	if p != nil {
		fmt.Fprintf(on.err, "voipbl: %s\n  try: %s\n", p.Error, clean(p.Remedy))
	}
}

func written(r *blocklist.SyncReport, s blocklist.SetReport) string {
	switch {
	case !s.Written:
		return "no, nothing changed"
	case r.Outcome == blocklist.DryRun:
		return "not yet"
	case s.Why != "":
		return "yes: " + s.Why
	}
	return "yes, by one swap"
}

// shownRejects is how many rejected lines of a feed a person is shown.
const shownRejects = 3

func (on *Screen) printRejects(f feeds.Report) {
	for _, r := range f.Rejects[:min(len(f.Rejects), shownRejects)] {
		where := fmt.Sprintf("line %d", r.Line)
		if r.File != f.Source {
			where = fmt.Sprintf("%s:%d", clean(r.File), r.Line)
		}
		fmt.Fprintf(on.out, "  %s %s: %q: %s\n", shorten(f.Name, 24), where, shorten(r.Text, 40), r.Why)
	}
	if n := rejected(f); n > shownRejects {
		fmt.Fprintf(on.out, "  %s: %s in all:\n", shorten(f.Name, 24), plural(n, "rejected line", "rejected lines"))
		for _, key := range slices.Sorted(maps.Keys(f.Rejected)) {
			fmt.Fprintf(on.out, "    %s %s\n", count(f.Rejected[key]), key)
		}
	}
}

// shownScreened is how many rows of special-purpose space a person is shown.
const shownScreened = 3

// printScreened shows what all feeds together have in special-purpose space.
func (on *Screen) printScreened(r *blocklist.SyncReport) {
	var rows []feeds.Screened
	for _, f := range r.Feeds {
		for _, s := range f.Screened {
			if i := slices.IndexFunc(rows, func(row feeds.Screened) bool { return row.Prefix == s.Prefix }); i >= 0 {
				rows[i].Entries += s.Entries
			} else {
				rows = append(rows, s)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b feeds.Screened) int { return b.Entries - a.Entries })
	for i, s := range rows {
		if i == shownScreened {
			fmt.Fprintf(on.out, "  screened: and more in %s, see --json\n", plural(len(rows)-i, "other block", "other blocks"))
			break
		}
		fmt.Fprintf(on.out, "  screened: %s in %s, %s (%s)\n", count(s.Entries), s.Prefix, s.Name, s.Source)
	}
}

// shownProtected is how many protected prefixes a person is shown.
const shownProtected = 5

func (on *Screen) printProtected(r *blocklist.SyncReport) {
	for i, p := range r.Exempt {
		if i == shownProtected {
			fmt.Fprintf(on.out, "  protected: and %d more, see --json\n", len(r.Exempt)-i)
			break
		}
		fmt.Fprintf(on.out, "  protected: %s kept out of the sets: %s\n", prefixText(p.Prefix), strings.Join(p.Reasons, ", "))
	}
}

func (on *Screen) printSteps(r *blocklist.SyncReport) {
	sum := 0.0
	steps := table{right: []int{1, 3, 5, 7}}
	var row []string
	for _, s := range r.Steps {
		sum += s.Seconds
		row = append(row, s.Name, fmt.Sprintf("%.3f s", s.Seconds))
		if len(row) == 8 {
			steps.row(row...)
			row = nil
		}
	}
	steps.row(append(row, "all", fmt.Sprintf("%.3f s", sum))...)
	steps.print(on.out)
}

func rejected(f feeds.Report) int {
	n := 0
	for _, lines := range f.Rejected {
		n += lines
	}
	return n
}

func screened(f feeds.Report) int {
	n := 0
	for _, s := range f.Screened {
		n += s.Entries
	}
	return n
}
