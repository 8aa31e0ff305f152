package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/problem"
)

// defaultWait is how long a command waits for another one to finish: longer
// than a sync with one slow feed takes.
const defaultWait = 2 * time.Minute

func (a *app) syncCommand() *cobra.Command {
	var opts feeds.Options
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Fetch the feeds and put them in force",
		Long: `Fetch every feed, screen and aggregate what it lists, make the kernel's sets
hold exactly that, by one atomic swap each, and see to it that the firewall's
rules drop their members. A feed that fails keeps its last good copy in force.

Exit status: 0 in force and every feed fresh; 3 in force, but a feed is stale,
held back or missing, its copy could not be kept, a folder is full, no list has
anything to block (status then says "not protected", unless bans are in force),
a name in allow or trunks was never resolved, the base rules are not installed
as configured, the agent hangs or has died, or rules saved for the next boot
name a set of an old name; 1 not applied, the kernel is as it was, or (it says
so) only its rules are; 2 usage or configuration. With --dry-run 0 and 3 say
the same of what would be.`,
		Example: `  voipbl sync               fetch and apply
  voipbl sync --dry-run     show what would change
  voipbl sync --offline     apply the last good copies, without a network
  voipbl sync --sets-only   leave the rules as they are
  voipbl sync --force       believe a list that differs much from before`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sync(cmd, opts) },
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "show what would change, and leave the kernel alone")
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "use the last good copies instead of the network")
	cmd.Flags().BoolVar(&opts.SetsOnly, "sets-only", false, "leave the rules as they are")
	cmd.Flags().BoolVar(&opts.Force, "force", false, "believe a list that is held back, whatever it was before")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) sync(cmd *cobra.Command, opts feeds.Options) error {
	cfg, err := a.loadConfig(cmd)
	if err != nil && opts.SetsOnly && opts.Offline {
		// It is run at boot, and nobody may be there to mend the file.
		a.showError(err)
		cfg, err = a.orLastGood(cfg, err)
	}
	if err != nil {
		return err
	}
	opts.Version, opts.ConfigFile, opts.Waiting = version, a.configFile, a.showWaiting
	progress := newProgress(a.err)
	opts.Progress = progress.show
	report, err := blocklist.Sync(cmd.Context(), cfg, opts)
	progress.clear()
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: the kernel is as it was")
		if report.Outcome == blocklist.RulesFailed {
			err = errors.New("interrupted: the sets hold the new lists, the rules are as they were")
		}
	}
	a.printTroubles(report)
	if a.json {
		a.printJSON(report)
	} else if err == nil {
		a.printSync(report)
	}
	switch {
	case err != nil:
		return &exitError{exitNotApplied, err}
	case report.Troubled():
		return &exitError{code: exitStale}
	}
	return nil
}

// orLastGood is the last good configuration, or the mistake if there is none.
func (a *app) orLastGood(cfg config.Config, mistake error) (config.Config, error) {
	if good, err := a.lastGoodConfig(); err == nil {
		fmt.Fprintln(a.err, "voipbl: the last good configuration is used instead")
		return good, nil
	}
	return cfg, mistake
}

// showWaiting says on a terminal why nothing happens.
func (a *app) showWaiting(holder string) {
	if a.err.terminal {
		fmt.Fprintf(a.err, "waiting for %s\n", clean(holder))
	}
}

// printTroubles says on stderr which feeds are not as they should be, why, and
// what to do.
func (a *app) printTroubles(r *blocklist.SyncReport) {
	for _, f := range r.Feeds {
		if f.Problem == nil {
			continue
		}
		fmt.Fprintf(a.err, "voipbl: feed %s is %s (%s): %s\n", f.Name, f.State, f.Problem.Reason, clean(f.Problem.Error))
		switch {
		case slices.ContainsFunc(r.Kept, func(k feeds.Kept) bool { return k.Feed == f.Name }): // told below
		case f.State == feeds.Missing:
			fmt.Fprintln(a.err, "  there is no earlier copy of it")
		case f.State == feeds.Fresh, f.State == feeds.Unchanged:
			fmt.Fprintf(a.err, "  the rest of it is in force, %s\n", plural(f.Entries, "entry", "entries"))
		default:
			fmt.Fprintf(a.err, "  its copy of %s is in force, %s\n", f.FetchedAt.Local().Format(time.DateTime), plural(f.Entries, "entry", "entries"))
		}
		if f.Problem.Remedy != "" {
			fmt.Fprintln(a.err, "  try: "+clean(f.Problem.Remedy))
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(a.err, "voipbl: "+clean(w))
	}
	if p := r.AgentError; p != nil && p.Remedy != "" {
		fmt.Fprintln(a.err, "  try: "+clean(p.Remedy))
	}
	if p := r.BansProblem; p != nil {
		fmt.Fprintln(a.err, "voipbl: the sets of bans could not be looked after: "+clean(p.Error))
		if p.Remedy != "" {
			fmt.Fprintln(a.err, "  try: "+clean(p.Remedy))
		}
	}
	for _, p := range r.ListProblems {
		fmt.Fprintln(a.err, "voipbl: "+clean(p.Error))
		fmt.Fprintln(a.err, "  try: "+clean(p.Remedy))
	}
	a.printEmpty(r.Empty)
	a.printFamilies(r.Families)
	a.printRulesTrouble(r.Rules)
	a.printSaved(r.Saved)
	a.printNote(r.DropLog)
	if r.Outcome == blocklist.RulesFailed && r.Error != nil {
		fmt.Fprintln(a.err, "voipbl: the sets hold the new lists, but the rules could not be changed as configured:")
	}
}

func (a *app) printSync(r *blocklist.SyncReport) {
	if r.Rules != nil {
		a.printFollowed(r.Rules.Agent)
	}
	feeds := table{right: []int{2, 3, 4}}
	feeds.row("feed", "state", "entries", "rejected", "screened", "fetched")
	for _, f := range r.Feeds {
		feeds.row(shorten(f.Name, 24), string(f.State), count(f.Entries), count(rejected(f)), count(screened(f)), ago(f.FetchedAt, r.At))
	}
	feeds.print(a.out)
	for _, f := range r.Feeds {
		a.printRejects(f)
	}
	a.printScreened(r)
	a.printProtected(r)
	fmt.Fprintln(a.out)

	sets := table{right: []int{1, 2, 3, 4}}
	sets.row("set", "before", "after", "added", "removed", "written")
	for _, s := range r.Sets {
		before := "none"
		if s.Before >= 0 {
			before = count(s.Before)
		}
		sets.row(s.Name, before, count(s.After), count(s.Added), count(s.Removed), written(r, s))
	}
	sets.print(a.out)
	if r.Outcome == blocklist.DryRun {
		for _, s := range r.Sets {
			for _, step := range s.Plan {
				fmt.Fprintln(a.out, "  would "+step)
			}
		}
	}
	fmt.Fprintln(a.out)
	a.printRules(r)
	fmt.Fprintln(a.out)
	a.printOutcome(r)
	fmt.Fprintln(a.out)
	a.printSteps(r)
}

func (a *app) printOutcome(r *blocklist.SyncReport) {
	switch {
	case r.Outcome == blocklist.DryRun:
		fmt.Fprintln(a.out, "dry run: nothing was written to the kernel")
	case r.Empty != nil:
		fmt.Fprintln(a.out, a.inForceEmpty())
	case r.Troubled():
		fmt.Fprintln(a.out, a.paint("in force", yellow)+", but not everything is as it should be: see above")
	case slices.ContainsFunc(r.Feeds, func(f feeds.Report) bool { return f.State == feeds.Cached }):
		fmt.Fprintln(a.out, a.paint("in force", green)+", from the last good copies")
	default:
		fmt.Fprintln(a.out, a.paint("in force", green)+", every feed fresh")
	}
}

func (a *app) inForceEmpty() string {
	return a.paint("in force, and empty", red) + ": nobody is on a list"
}

// printEmpty says on stderr that the sets of the lists are empty, if they are.
func (a *app) printEmpty(p *problem.Problem) {
	if p != nil {
		fmt.Fprintf(a.err, "voipbl: %s\n  try: %s\n", p.Error, clean(p.Remedy))
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

func (a *app) printRejects(f feeds.Report) {
	for _, r := range f.Rejects[:min(len(f.Rejects), shownRejects)] {
		where := fmt.Sprintf("line %d", r.Line)
		if r.File != f.Source {
			where = fmt.Sprintf("%s:%d", clean(r.File), r.Line)
		}
		fmt.Fprintf(a.out, "  %s %s: %q: %s\n", shorten(f.Name, 24), where, shorten(r.Text, 40), r.Why)
	}
	if n := rejected(f); n > shownRejects {
		fmt.Fprintf(a.out, "  %s: %s in all:\n", shorten(f.Name, 24), plural(n, "rejected line", "rejected lines"))
		for _, key := range slices.Sorted(maps.Keys(f.Rejected)) {
			fmt.Fprintf(a.out, "    %s %s\n", count(f.Rejected[key]), key)
		}
	}
}

// shownScreened is how many rows of special-purpose space a person is shown.
const shownScreened = 3

// printScreened shows what all feeds together have in special-purpose space.
func (a *app) printScreened(r *blocklist.SyncReport) {
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
			fmt.Fprintf(a.out, "  screened: and more in %s, see --json\n", plural(len(rows)-i, "other block", "other blocks"))
			break
		}
		fmt.Fprintf(a.out, "  screened: %s in %s, %s (%s)\n", count(s.Entries), s.Prefix, s.Name, s.Source)
	}
}

// shownProtected is how many protected prefixes a person is shown.
const shownProtected = 5

func (a *app) printProtected(r *blocklist.SyncReport) {
	for i, p := range r.Exempt {
		if i == shownProtected {
			fmt.Fprintf(a.out, "  protected: and %d more, see --json\n", len(r.Exempt)-i)
			break
		}
		fmt.Fprintf(a.out, "  protected: %s kept out of the sets: %s\n", prefixText(p.Prefix), strings.Join(p.Reasons, ", "))
	}
}

func (a *app) printSteps(r *blocklist.SyncReport) {
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
	steps.print(a.out)
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
