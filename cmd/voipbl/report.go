package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/outbox"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
)

// maxFailures limits --count: no log has more lines.
const maxFailures = 1_000_000_000

func (a *app) reportCommand() *cobra.Command {
	var (
		opts outbox.Options
		list bool
	)
	cmd := &cobra.Command{
		Use:   "report ADDR",
		Short: "Tell VoIPBL about an attacker",
		Long: `Tell VoIPBL about an address that has attacked this host, or with --unban that
it was let go again. It is made for fail2ban's actions, and sends nothing unless
report.enabled is true in the configuration; --dry-run says what it would.

What is exempt on this host or is no address of the Internet is never
reported, and no address twice within a day. An unban is sent if this host has
reported the address; of a report that still waits it takes back the report.
What cannot be sent at once, within a few seconds, waits on disk for the next
report or for the agent: a day at most, a ban taken back a week.

Exit status: 0 sent, waiting, or not to be reported, and it says which; 1
refused by VoIPBL for good, or it could not be written down; 2 usage or
configuration, reporting is off, or what waits could not be listed.`,
		Example: `  voipbl report 198.51.100.7 --count 5
  voipbl report --unban 198.51.100.7
  voipbl report --dry-run 198.51.100.7
  voipbl report --list
(These addresses are for documentation, and never reported: take real ones.)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case list && (len(args) > 0 || opts.Unban || opts.DryRun):
				return badLine(errors.New("--list stands alone"))
			case list:
				return a.listReports(cmd)
			case len(args) != 1:
				return badLine(errors.New("expected one address, or --list"))
			case opts.Count < 0 || opts.Count > maxFailures:
				return badLine(fmt.Errorf("--count %d: expected 0..%d", opts.Count, maxFailures))
			}
			return a.report(cmd, args, opts)
		},
	}
	cmd.Flags().IntVar(&opts.Count, "count", 1, "how many failures led to it")
	cmd.Flags().BoolVar(&opts.Unban, "unban", false, "the address was let go again")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "only say what would be sent, and why")
	cmd.Flags().BoolVar(&list, "list", false, "list what waits to be sent")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) report(cmd *cobra.Command, args []string, opts outbox.Options) error {
	prefixes, err := parseQueries(args, false)
	if err != nil {
		return err
	}
	cfg, err := a.usableConfig(cmd)
	if err != nil {
		return err
	}
	opts.Version = version
	r, err := outbox.ReportAttacker(cmd.Context(), cfg, prefixes[0], opts)
	a.Warnings(r.Warnings)
	if off := (*outbox.ReportingOffError)(nil); errors.As(err, &off) {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	if a.JSON {
		a.PrintJSON(r)
		return nil
	}
	fmt.Fprintf(a.Out, "%s %s\n", r.Addr, screen.Clean(show.Attacker(r, time.Now())))
	if r.DryRun && r.Request != "" {
		fmt.Fprintf(a.Out, "  GET %s\n", screen.Clean(r.Request))
	}
	for _, v := range r.Others {
		fmt.Fprintf(a.Out, "  and %s (%s): %s\n", v.Addr, v.Kind, screen.Clean(v.Words()))
	}
	return nil
}

func (a *app) listReports(cmd *cobra.Command) error {
	cfg, err := a.usableConfig(cmd)
	if err != nil {
		return err
	}
	now := time.Now()
	s := outbox.ReadOutbox(cfg, now)
	if s.Problem != nil {
		return &exit.Error{Code: exit.Usage, Err: s.Problem.Err()}
	}
	if a.JSON {
		a.PrintJSON(s)
		return nil
	}
	if !s.Enabled {
		fmt.Fprintln(a.Out, "reporting is off: report.enabled is false in the configuration")
	}
	fmt.Fprintln(a.Out, show.Reports(s, now))
	if len(s.Queue) == 0 {
		return nil
	}
	t := screen.Table{Right: []int{2, 4}}
	t.Row("address", "kind", "count", "since", "tries")
	for _, e := range s.Queue {
		t.Row(e.Addr.String(), string(e.Kind), strconv.Itoa(e.Count), screen.Ago(e.At, now), strconv.Itoa(e.Tries))
	}
	t.Print(a.Out)
	return nil
}
