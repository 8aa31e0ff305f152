package show

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/screen"
)

// Troubles says on stderr which feeds are in trouble, why, and what to do.
func Troubles(on *screen.Screen, r *blocklist.SyncReport) {
	for _, f := range r.Feeds {
		if f.Problem == nil {
			continue
		}
		fmt.Fprintf(on.Err, "voipbl: feed %s is %s (%s): %s\n", f.Name, f.State, f.Problem.Reason, screen.Clean(f.Problem.Error))
		switch {
		case slices.ContainsFunc(r.Kept, func(k feeds.Kept) bool { return k.Feed == f.Name }): // reported below
		case f.State == feeds.Missing:
			fmt.Fprintln(on.Err, "  there is no earlier copy of it")
		case f.State == feeds.Fresh, f.State == feeds.Unchanged:
			fmt.Fprintf(on.Err, "  the rest of it is in force, %s\n", screen.Plural(f.Entries, "entry", "entries"))
		default:
			fmt.Fprintf(on.Err, "  its copy of %s is in force, %s\n", f.FetchedAt.Local().Format(time.DateTime), screen.Plural(f.Entries, "entry", "entries"))
		}
		if f.Problem.Remedy != "" {
			fmt.Fprintln(on.Err, "  try: "+screen.Clean(f.Problem.Remedy))
		}
	}
	if p := r.HeldProblem(); p != nil {
		fmt.Fprintln(on.Err, "voipbl: "+screen.Clean(p.Error))
		fmt.Fprintln(on.Err, "  try: "+screen.Clean(p.Remedy))
	}
	on.Warnings(r.Warnings)
	if p := r.AgentError; p != nil && p.Remedy != "" {
		fmt.Fprintln(on.Err, "  try: "+screen.Clean(p.Remedy))
	}
	if p := r.BansProblem; p != nil {
		fmt.Fprintln(on.Err, "voipbl: the sets of bans could not be updated: "+screen.Clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(on.Err, "  try: "+screen.Clean(p.Remedy))
		}
	}
	for _, p := range r.ListProblems {
		fmt.Fprintln(on.Err, "voipbl: "+screen.Clean(p.Error))
		fmt.Fprintln(on.Err, "  try: "+screen.Clean(p.Remedy))
	}
	Empty(on, r.Empty)
	Families(on, r.Families)
	RulesTrouble(on, r.Rules)
	Saved(on, r.Saved)
	Note(on, r.DropLog)
	if r.Outcome == blocklist.RulesFailed && r.Error != nil {
		fmt.Fprintln(on.Err, "voipbl: the sets hold the new lists, but the rules could not be changed as configured:")
	}
}

// Sync shows what a sync has done, or would do.
func Sync(on *screen.Screen, r *blocklist.SyncReport) {
	if r.Rules != nil {
		Followed(on, r.Rules.Agent)
	}
	feeds := screen.Table{Right: []int{2, 3, 4}}
	feeds.Row("feed", "state", "entries", "rejected", "screened", "as of")
	for _, f := range r.Feeds {
		feeds.Row(screen.Shorten(f.Name, 24), string(f.State), screen.Count(f.Entries), screen.Count(rejected(f)), screen.Count(screened(f)), asOf(r, f))
	}
	feeds.Print(on.Out)
	for _, f := range r.Feeds {
		printRejects(on, f)
	}
	printScreened(on, r)
	printProtected(on, r)
	printCutOff(on, r)
	printSpared(on, r.Spared)
	fmt.Fprintln(on.Out)

	sets := screen.Table{Right: []int{1, 2, 3, 4}}
	sets.Row("set", "before", "after", "added", "removed", "written")
	for _, s := range r.Sets {
		before := "none"
		if s.Before >= 0 {
			before = screen.Count(s.Before)
		}
		sets.Row(s.Name, before, screen.Count(s.After), screen.Count(s.Added), screen.Count(s.Removed), written(r, s))
	}
	sets.Print(on.Out)
	for _, s := range r.Sets {
		if words := reshaped(s); words != "" {
			on.Folded("  " + s.Name + ": " + words)
		}
	}
	if r.Outcome == blocklist.DryRun {
		for _, s := range r.Sets {
			for _, step := range s.Plan {
				fmt.Fprintln(on.Out, "  would "+step)
			}
		}
	}
	fmt.Fprintln(on.Out)
	SyncRules(on, r)
	fmt.Fprintln(on.Out)
	printOutcome(on, r)
	fmt.Fprintln(on.Out)
	printSteps(on, r)
}

func printOutcome(on *screen.Screen, r *blocklist.SyncReport) {
	switch {
	case r.Outcome == blocklist.DryRun:
		fmt.Fprintln(on.Out, "dry run: nothing was written to the kernel")
	case r.Empty != nil:
		fmt.Fprintln(on.Out, inForceEmpty(on))
	case r.Held != nil:
		fmt.Fprintln(on.Out, on.Paint("held", screen.Yellow)+": what was in force stays, and newer lists wait: see above")
	case r.Troubled():
		fmt.Fprintln(on.Out, on.Paint("in force", screen.Yellow)+", but not everything is as it should be: see above")
	case slices.ContainsFunc(r.Feeds, func(f feeds.Report) bool { return f.State == feeds.Cached }):
		fmt.Fprintln(on.Out, on.Paint("in force", screen.Green)+", from the last good copies")
	default:
		fmt.Fprintln(on.Out, on.Paint("in force", screen.Green)+", every feed fresh")
	}
}

func inForceEmpty(on *screen.Screen) string {
	return on.Paint("in force, and empty", screen.Red) + ": nobody is on a list"
}

// Empty says on stderr that the sets of the lists are empty, if they are.
func Empty(on *screen.Screen, p *problem.Problem) {
	if p != nil {
		fmt.Fprintf(on.Err, "voipbl: %s\n  try: %s\n", p.Error, screen.Clean(p.Remedy))
	}
}

// reshaped says with how many prefix lengths a set is written, and was written before, if that
// is not as the lists have it; else it is "".
func reshaped(s blocklist.SetReport) string {
	words := Shape(s.After, s.KernelAfter, s.Lengths, s.KernelLengths)
	if s.KernelBefore == s.Before || s.KernelBefore == s.KernelAfter && len(s.KernelLengthsBefore) == len(s.KernelLengths) {
		return words // nothing was in pieces before, or the same
	}
	if words == "" {
		words = "written as the lists have it"
	}
	return fmt.Sprintf("%s (before: %s with %d)", words, screen.Count(s.KernelBefore), len(s.KernelLengthsBefore))
}

func written(r *blocklist.SyncReport, s blocklist.SetReport) string {
	switch {
	case !s.Written:
		return "no, nothing changed"
	case r.Outcome == blocklist.DryRun && s.Why != "":
		return "not yet: " + s.Why
	case r.Outcome == blocklist.DryRun:
		return "not yet"
	case s.Why != "":
		return "yes: " + s.Why
	}
	return "yes, by one swap"
}

// shownRejects is how many rejected lines of a feed are shown.
const shownRejects = 3

func printRejects(on *screen.Screen, f feeds.Report) {
	for _, r := range f.Rejects[:min(len(f.Rejects), shownRejects)] {
		where := fmt.Sprintf("line %d", r.Line)
		if r.File != f.Source {
			where = fmt.Sprintf("%s:%d", screen.Clean(r.File), r.Line)
		}
		fmt.Fprintf(on.Out, "  %s %s: %q: %s\n", screen.Shorten(f.Name, 24), where, screen.Shorten(r.Text, 40), r.Why)
	}
	if n := rejected(f); n > shownRejects {
		fmt.Fprintf(on.Out, "  %s: %s in all:\n", screen.Shorten(f.Name, 24), screen.Plural(n, "rejected line", "rejected lines"))
		for _, key := range slices.Sorted(maps.Keys(f.Rejected)) {
			fmt.Fprintf(on.Out, "    %s %s\n", screen.Count(f.Rejected[key]), key)
		}
	}
}

// shownScreened is how many rows of special-purpose space are shown.
const shownScreened = 3

// printScreened shows how much special-purpose space all feeds together contain.
func printScreened(on *screen.Screen, r *blocklist.SyncReport) {
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
			fmt.Fprintf(on.Out, "  screened: and more in %s, see --json\n", screen.Plural(len(rows)-i, "other block", "other blocks"))
			break
		}
		fmt.Fprintf(on.Out, "  screened: %s in %s, %s (%s)\n", screen.Count(s.Entries), s.Prefix, s.Name, s.Source)
	}
}

// shownExempt is how many exempt prefixes are shown.
const shownExempt = 5

func printProtected(on *screen.Screen, r *blocklist.SyncReport) {
	for i, p := range r.Exempt {
		if i == shownExempt {
			fmt.Fprintf(on.Out, "  exempt: and %d more, see --json\n", len(r.Exempt)-i)
			break
		}
		fmt.Fprintf(on.Out, "  exempt: %s kept out of the sets: %s\n", screen.Prefix(p.Prefix), strings.Join(p.Reasons, ", "))
	}
}

// shownCutOff is how many addresses are shown that are cut off.
const shownCutOff = 5

// printCutOff shows whom the lists cut off that this host talks with.
func printCutOff(on *screen.Screen, r *blocklist.SyncReport) {
	of, verb := r.Impact, "cuts off"
	if r.Outcome == blocklist.DryRun {
		verb = "would cut off"
	}
	if of != nil && of.Untracked && r.Outcome == blocklist.DryRun {
		fmt.Fprintln(on.Out, "  not known whose calls this would end: the kernel tracks no connections")
	}
	if !of.Any() {
		return
	}
	for _, c := range of.Addresses[:min(len(of.Addresses), shownCutOff)] {
		on.Folded("  " + verb + ": " + c.Words())
	}
	if more := of.MoreWords(shownCutOff); more != "" {
		fmt.Fprintf(on.Out, "  %s: %s, see --json\n", verb, more)
	}
	fmt.Fprintln(on.Out, "    if one is a friend: "+of.Addresses[0].Remedy())
}

func printSteps(on *screen.Screen, r *blocklist.SyncReport) {
	sum := 0.0
	steps := screen.Table{Right: []int{1, 3, 5, 7}}
	var row []string
	for _, s := range r.Steps {
		sum += s.Seconds
		row = append(row, s.Name, fmt.Sprintf("%.3f s", s.Seconds))
		if len(row) == 8 {
			steps.Row(row...)
			row = nil
		}
	}
	steps.Row(append(row, "all", fmt.Sprintf("%.3f s", sum))...)
	steps.Print(on.Out)
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

// asOf says how old the entries of a list are. Entries kept from a lost copy do not count as a
// list.
func asOf(r *blocklist.SyncReport, f feeds.Report) string {
	if f.FetchedAt.IsZero() && slices.ContainsFunc(r.Kept, func(k feeds.Kept) bool { return k.Feed == f.Name }) {
		return "lost, and kept in part"
	}
	return screen.Ago(f.FetchedAt, r.At)
}
