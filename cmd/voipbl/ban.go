package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/agent"
	"github.com/voipbl/voipbl/config"
)

// maxBanFor bounds --for: beyond ten years a ban without an end says the same.
const maxBanFor = 10 * 365 * 24 * time.Hour

// maxReason bounds --reason in bytes, so that ten thousand of them fit in a file.
const maxReason = 100

func (a *app) banCommand() *cobra.Command {
	var (
		opts agent.BanOptions
		last string
	)
	cmd := &cobra.Command{
		Use:   "ban ADDR...",
		Short: "Block addresses on this host",
		Long: `Block addresses or networks on this host, beside what the feeds list. A ban is
in force when the command returns, and outlives reboots. It never blocks what
is protected: of a network all but the protected part is blocked. One that is
banned already gets the new end and reason.

Exit status: 0 in force; 1 refused, and nothing was banned, or not in force
yet; 2 usage or configuration.`,
		Example: `  voipbl ban 198.51.100.7
  voipbl ban 198.51.100.7 --for 24h --reason "guessing passwords"
  voipbl ban 2001:db8::/48 --for 7d
(These addresses are for documentation, and never blocked: take real ones.)`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.For, err = parseFor(last); err != nil {
				return &exitError{exitUsage, err}
			}
			if err := checkReason(opts.Reason); err != nil {
				return err
			}
			return a.changeBans(cmd, args, func(ctx context.Context, cfg config.Config, prefixes []netip.Prefix) (*agent.BanReport, error) {
				return agent.AddBans(ctx, cfg, prefixes, opts)
			}, "banned")
		},
	}
	cmd.Flags().StringVar(&last, "for", "", "for `TIME`, such as 30m, 24h or 7d; else without an end")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for whoever looks later")
	cmd.Flags().DurationVar(&opts.Wait, "wait", defaultWait, "how long to wait for another voipbl")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) unbanCommand() *cobra.Command {
	var (
		opts agent.BanOptions
		all  bool
	)
	cmd := &cobra.Command{
		Use:   "unban {ADDR... | --all}",
		Short: "Take bans back",
		Long: `Take back what "voipbl ban" has blocked, written as it was then. What a feed
lists as well stays blocked: "voipbl check" tells.

With --reason only bans with exactly that reason are taken back, and it is no
mistake if there are none: so a program takes back what it has banned itself,
and nothing that somebody else has.

Exit status: 0 taken back and in force; 1 one of them is not banned (the others
are taken back), or not in force yet; 2 usage or configuration.`,
		Example: `  voipbl unban 198.51.100.7
  voipbl unban --all
  voipbl unban --all --reason "fail2ban voipbl-asterisk"`,
		ValidArgsFunction: a.completeBans,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return &exitError{exitUsage, errors.New("expected addresses, or --all")}
			}
			if cmd.Flags().Changed("reason") && opts.Reason == "" {
				return &exitError{exitUsage, errors.New(`--reason "": expected the reason of the bans to take back`)}
			}
			if err := checkReason(opts.Reason); err != nil {
				return err
			}
			return a.changeBans(cmd, args, func(ctx context.Context, cfg config.Config, prefixes []netip.Prefix) (*agent.BanReport, error) {
				return agent.RemoveBans(ctx, cfg, prefixes, all, opts)
			}, "no longer banned")
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "take all of them back")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "only bans with this reason, if there are any")
	cmd.Flags().DurationVar(&opts.Wait, "wait", defaultWait, "how long to wait for another voipbl")
	a.jsonFlag(cmd)
	return cmd
}

// checkReason refuses a reason that no ban can have.
func checkReason(reason string) error {
	if len(reason) > maxReason || clean(reason) != reason {
		return &exitError{exitUsage, fmt.Errorf("--reason %s: expected at most %d bytes of printable text", clean(shorten(reason, 40)), maxReason)}
	}
	return nil
}

// changeBans is what ban and unban share.
func (a *app) changeBans(cmd *cobra.Command, args []string, change func(context.Context, config.Config, []netip.Prefix) (*agent.BanReport, error), words string) error {
	prefixes, err := parseQueries(args)
	if err != nil {
		return err
	}
	cfg, err := a.usableConfig(cmd)
	if err != nil {
		return err
	}
	r, err := change(cmd.Context(), cfg, prefixes)
	if a.json {
		a.printJSON(r)
	} else {
		for _, b := range r.Changed {
			if err == nil {
				fmt.Fprintf(a.out, "%s %s%s\n", prefixText(b.Prefix), words, untilWords(b, words))
			}
		}
		for _, p := range r.Spared {
			fmt.Fprintf(a.out, "  but not %s: %s\n", prefixText(p.Prefix), strings.Join(p.Reasons, ", "))
		}
	}
	if err != nil {
		return &exitError{exitNotApplied, err}
	}
	if len(r.Absent) > 0 {
		var names []string
		for _, p := range r.Absent {
			names = append(names, prefixText(p))
		}
		return &exitError{exitNotApplied, &absentError{names}}
	}
	return nil
}

// absentError is an unban of what is not banned.
type absentError struct{ names []string }

func (e *absentError) Error() string { return "not banned: " + strings.Join(e.names, ", ") }

func (e *absentError) Remedy() string {
	return "\"voipbl bans\" lists the bans, \"voipbl check\" says what else blocks an address"
}

func untilWords(b agent.Ban, words string) string {
	if b.Until.IsZero() || words != "banned" {
		return ""
	}
	return " until " + b.Until.Local().Format(time.DateTime)
}

// parseFor reads how long a ban lasts: a duration of Go, or days.
func parseFor(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	var (
		d   time.Duration
		err error
	)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * 24 * float64(time.Hour))
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d < time.Second || d > maxBanFor {
		return 0, fmt.Errorf("--for %q: expected a time from 1s to 3650d, such as 30m, 24h or 7d", s)
	}
	return d, nil
}

func (a *app) bansCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bans",
		Short:   "List the bans of this host",
		Long:    "List what \"voipbl ban\" has blocked, and until when.\n\nExit status: 0 listed, 2 error.",
		Example: "  voipbl bans\n  voipbl bans --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.usableConfig(cmd)
			if err != nil {
				return err
			}
			now := time.Now()
			bans, err := agent.ReadBans(cfg, now)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if a.json {
				a.printJSON(bans)
				return nil
			}
			a.printBans(bans, now)
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) printBans(bans []agent.Ban, now time.Time) {
	if len(bans) == 0 {
		fmt.Fprintln(a.out, "this host has no bans of its own")
		return
	}
	var t table
	t.row("address", "banned", "until", "reason")
	for _, b := range bans {
		until := "no end"
		if !b.Until.IsZero() {
			until = b.Until.Local().Format(time.DateTime)
		}
		t.row(prefixText(b.Prefix), ago(b.At, now), until, shorten(clean(b.Reason), 30))
	}
	t.print(a.out)
}
