package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/top"
)

const (
	topLines    = 20 // sources shown if there is no terminal to fill
	maxTopLines = 1000

	topInterval    = 2 * time.Second
	minTopInterval = 500 * time.Millisecond // several times what reading a set of 100,000 entries takes
)

func (a *app) topCommand() *cobra.Command {
	var (
		lines    int
		interval time.Duration
		once     bool
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show which blocked sources knock most",
		Long: `Show the blocked sources that have knocked most, from the counters of the
kernel's sets, and which feeds list them. On a terminal it is refreshed until
you type q or Ctrl-C, with the packets per second since the last refresh; else
it is printed once. It counts for the entries that are in the sets now, and goes
on over syncs; status counts all that the rules have dropped.

Exit status: 0 shown, 2 error.`,
		Example: `  voipbl top                  on a terminal, until q or Ctrl-C
  voipbl top --interval 10s   refresh it less often
  voipbl top --once -n 100    print the first hundred
  voipbl top --json           for programs`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("lines") && (lines < 1 || lines > maxTopLines) {
				return badLine(fmt.Errorf("--lines %d: expected 1 to %d", lines, maxTopLines))
			}
			if interval < minTopInterval {
				return badLine(fmt.Errorf("--interval %s: expected at least %s", interval, minTopInterval))
			}
			return a.top(cmd, lines, interval, once)
		},
	}
	cmd.Flags().IntVarP(&lines, "lines", "n", 0, fmt.Sprintf("show `N` sources, up to %d (else %d, or what fits)", maxTopLines, topLines))
	cmd.Flags().DurationVar(&interval, "interval", topInterval, fmt.Sprintf("how often to refresh, at least %s", minTopInterval))
	cmd.Flags().BoolVar(&once, "once", false, "print it once, on a terminal too")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) top(cmd *cobra.Command, lines int, interval time.Duration, once bool) error {
	cfg, err := a.usableConfig(cmd)
	if err != nil {
		return err
	}
	t, err := top.Open(cfg)
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	defer t.Close()
	if a.Out.Terminal && !once && !a.JSON {
		return a.watchTop(cmd.Context(), t, lines, interval)
	}
	_, height := a.Size(topLines + topFrame)
	r, err := t.Read(cmd.Context(), topRows(lines, height))
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	a.Warnings(r.Warnings)
	if a.JSON {
		a.PrintJSON(r)
	} else {
		fmt.Fprint(a.Out, topText(r, screen.Columns, false))
	}
	return nil
}

// topText formats the report for people. In a live view it has rates instead of bytes, and the
// warnings, which otherwise go to stderr.
func topText(r *top.Report, width int, watched bool) string {
	var out strings.Builder
	var packets, octets uint64
	exists := false
	for _, s := range r.Sets {
		packets, octets, exists = packets+s.Packets, octets+s.Bytes, exists || s.Exists
	}
	fmt.Fprintf(&out, "%s  %s dropped, %s", r.At.Local().Format(time.DateTime), screen.Plural(int(packets), "packet", "packets"), humanize.IBytes(octets))
	if r.Rated {
		fmt.Fprintf(&out, ", %s per second", rateText(r.Rate))
	}
	fmt.Fprintln(&out)
	for _, s := range r.Sets {
		if s.Note != "" {
			fmt.Fprintf(&out, "%s: %s\n", s.Name, s.Note)
		}
	}
	for _, w := range r.Warnings {
		if watched {
			fmt.Fprintln(&out, topWarning, screen.Clean(w))
		}
	}
	switch {
	case len(r.Rows) > 0:
		fmt.Fprintln(&out)
		topTable(r, width, watched).Print(&out)
	case exists:
		fmt.Fprintln(&out, "nothing that is blocked has knocked yet")
	}
	return out.String()
}

// topTable cuts the names of feeds to the width that is left.
func topTable(r *top.Report, width int, watched bool) *screen.Table {
	t := &screen.Table{Right: []int{1, 2}}
	t.Row("prefix", "packets", "bytes")
	if watched {
		t.Rows[0][2] = "rate"
	}
	for _, row := range r.Rows {
		last := humanize.IBytes(row.Bytes)
		switch {
		case watched && r.Rated:
			last = rateText(row.Rate)
		case watched:
			last = "-"
		}
		t.Row(screen.Prefix(row.Prefix), screen.Count(row.Packets), last)
	}
	var narrow strings.Builder
	t.Print(&narrow)
	first, _, _ := strings.Cut(narrow.String(), "\n") // all lines are equally wide, since the last column is right-aligned
	room := max(width-len(first)-len("  "), len("feeds"))
	t.Rows[0] = append(t.Rows[0], "feeds")
	for i, row := range r.Rows {
		feeds := strings.Join(row.Feeds, ", ")
		if feeds == "" {
			feeds = "no feed"
		}
		t.Rows[i+1] = append(t.Rows[i+1], screen.Shorten(feeds, room))
	}
	return t
}

// rateText formats packets per second.
func rateText(rate float64) string {
	switch {
	case rate < 10:
		return fmt.Sprintf("%.2f", rate)
	case rate < 1000:
		return fmt.Sprintf("%.1f", rate)
	}
	return screen.Count(uint64(rate))
}
