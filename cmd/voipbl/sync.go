package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/agent"
	"github.com/voipbl/voipbl/cidr"
)

// defaultWait is how long a command waits for another one to finish: longer
// than a sync with one slow feed takes.
const defaultWait = 2 * time.Minute

func (a *app) syncCommand() *cobra.Command {
	var opts agent.Options
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Fetch the feeds and put them in force",
		Long: `Fetch every feed, screen and aggregate what it lists, and make the kernel's
sets hold exactly that, by one atomic swap each. A feed that fails keeps its
last good copy in force.

Exit status: 0 in force and every feed fresh; 3 in force, but a feed is stale
or held back; 1 not applied, the kernel is as it was; 2 usage or configuration.`,
		Example: `  voipbl sync               fetch and apply
  voipbl sync --dry-run     show what would change
  voipbl sync --offline     apply the last good copies, without a network
  voipbl sync --force       believe a list that has shrunk below half`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sync(cmd, opts) },
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "show what would change, and leave the kernel alone")
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "use the last good copies instead of the network")
	cmd.Flags().BoolVar(&opts.Force, "force", false, "believe a list that has shrunk below half")
	cmd.Flags().DurationVar(&opts.Wait, "wait", defaultWait, "how long to wait for another voipbl to finish")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) sync(cmd *cobra.Command, opts agent.Options) error {
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	opts.Version = version
	progress := newProgress(a.err)
	opts.Progress = progress.show
	report, err := agent.Sync(cmd.Context(), cfg, opts)
	progress.clear()
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: the kernel is as it was")
	}
	if a.json {
		if jsonErr := a.printJSON(report); jsonErr != nil {
			return &exitError{exitNotApplied, jsonErr}
		}
	} else if err == nil {
		a.printSync(report)
	}
	a.printTroubles(report)
	switch {
	case err != nil:
		return &exitError{exitNotApplied, err}
	case report.Outcome == agent.Stale:
		return &exitError{code: exitStale}
	}
	return nil
}

// printTroubles says on stderr which feeds are not fresh, why, and what to do.
func (a *app) printTroubles(r *agent.Report) {
	for _, f := range r.Feeds {
		if f.Problem == nil {
			continue
		}
		fmt.Fprintf(a.err, "voipbl: feed %s is %s (%s): %s\n", f.Name, f.State, f.Problem.Reason, f.Problem.Error)
		switch {
		case f.State == agent.FeedMissing:
			fmt.Fprintln(a.err, "  there is no earlier copy of it: nothing of this feed is added")
		default:
			fmt.Fprintf(a.err, "  its copy of %s stays in force, %s\n", f.FetchedAt.Local().Format(time.DateTime), plural2(f.Entries, "entry", "entries"))
		}
		if f.Problem.Remedy != "" {
			fmt.Fprintln(a.err, "  try: "+f.Problem.Remedy)
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(a.err, "voipbl: "+w)
	}
}

func (a *app) printSync(r *agent.Report) {
	feeds := table{right: []int{2, 3, 4}}
	feeds.row("feed", "state", "entries", "rejected", "screened", "fetched")
	for _, f := range r.Feeds {
		feeds.row(shorten(f.Name, 24), string(f.State), count(f.Entries), count(total(f.Rejected)), count(total(f.Screened)), ago(f.FetchedAt, r.At))
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
	if r.Outcome == agent.DryRun {
		for _, s := range r.Sets {
			for _, step := range s.Plan {
				fmt.Fprintln(a.out, "  would "+step)
			}
		}
	}
	fmt.Fprintln(a.out)
	a.printSteps(r)
	switch r.Outcome {
	case agent.InForce:
		fmt.Fprintln(a.out, a.paint("in force", green)+", every feed fresh")
	case agent.Stale:
		fmt.Fprintln(a.out, a.paint("in force", yellow)+", but not every feed is fresh: see above")
	case agent.DryRun:
		fmt.Fprintln(a.out, "dry run: nothing was written to the kernel")
	}
}

func written(r *agent.Report, s agent.SetReport) string {
	switch {
	case !s.Written:
		return "no, nothing changed"
	case r.Outcome == agent.DryRun:
		return "not yet"
	case s.Why != "":
		return "yes: " + s.Why
	}
	return "yes, by one swap"
}

// shownRejects is how many rejected lines of a feed a person is shown.
const shownRejects = 3

func (a *app) printRejects(f agent.FeedReport) {
	for _, r := range f.Rejects[:min(len(f.Rejects), shownRejects)] {
		where := fmt.Sprintf("line %d", r.Line)
		if r.File != f.Source {
			where = fmt.Sprintf("%s:%d", r.File, r.Line)
		}
		fmt.Fprintf(a.out, "  %s %s: %q: %s\n", f.Name, where, shorten(r.Text, 40), r.Why)
	}
	if n := total(f.Rejected); n > shownRejects {
		fmt.Fprintf(a.out, "  %s: %s in all:\n", f.Name, plural(n, "rejected line"))
		for _, key := range sortedKeys(f.Rejected) {
			fmt.Fprintf(a.out, "    %s %s\n", count(f.Rejected[key]), key)
		}
	}
}

// shownScreened is how many rows of special-purpose space a person is shown.
const shownScreened = 3

func (a *app) printScreened(r *agent.Report) {
	type row struct {
		cidr.Special
		entries int
	}
	var rows []row
	for _, s := range cidr.Specials() {
		n := 0
		for _, f := range r.Feeds {
			n += f.Screened[s.Prefix.String()]
		}
		if n > 0 {
			rows = append(rows, row{s, n})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return b.entries - a.entries })
	for i, s := range rows {
		if i == shownScreened {
			fmt.Fprintf(a.out, "  screened: and more in %s, see --json\n", plural(len(rows)-i, "other block"))
			break
		}
		fmt.Fprintf(a.out, "  screened: %s in %s, %s (%s)\n", count(s.entries), s.Prefix, s.Name, s.Source)
	}
}

// shownProtected is how many protected prefixes a person is shown.
const shownProtected = 5

func (a *app) printProtected(r *agent.Report) {
	for i, p := range r.Protected {
		if i == shownProtected {
			fmt.Fprintf(a.out, "  protected: and %d more, see --json\n", len(r.Protected)-i)
			break
		}
		fmt.Fprintf(a.out, "  protected: %s kept out of the sets: %s\n", p.Prefix, strings.Join(p.Reasons, ", "))
	}
}

func (a *app) printSteps(r *agent.Report) {
	sum := 0.0
	var parts []string
	for _, s := range r.Steps {
		sum += s.Seconds
		parts = append(parts, fmt.Sprintf("%s %.3f", s.Name, s.Seconds))
	}
	fmt.Fprintf(a.out, "took %.3f s: %s\n", sum, strings.Join(parts, ", "))
}

func total(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

func sortedKeys(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func plural2(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
