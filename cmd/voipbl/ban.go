package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/outbox"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
)

// maxReason is the longest --reason in bytes, so that it fits on a line of "voipbl bans".
const maxReason = 100

func (a *app) banCommand() *cobra.Command {
	var (
		opts bans.Options
		last string
	)
	cmd := &cobra.Command{
		Use:   "ban ADDR...",
		Short: "Block addresses on this host",
		Long: `Block addresses or networks on this host, beside what the feeds list. A ban is
in force at once and outlives reboots. It never blocks what is exempt: if part
of a network is exempt, only the rest is blocked. An address can be banned for
several reasons, and is free when the last of these bans ends. Banning it again
for the same reason replaces the end of that ban.

The list takes 65,536 bans. When it is full, the ban that ends soonest makes
room.

Exit status: 0 in force and written down; 3 in force, but it could not be
written down, so that a reboot would lose it, or other bans of a damaged list
may be lost; 1 refused, and nothing was banned, or not in force yet; 2 usage or
configuration.`,
		Example: `  voipbl ban 198.51.100.7
  voipbl ban 198.51.100.7 --for 24h --reason "guessing passwords"
  voipbl ban 2001:db8::/48 --for 7d`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.For, err = parseFor(last); err != nil {
				return badLine(err)
			}
			if err := checkReason(opts.Reason); err != nil {
				return err
			}
			if opts.Reason == bans.FleetReason {
				return badLine(fmt.Errorf("--reason %s: that is the reason of bans that other hosts of the fleet have made: expected another one", opts.Reason))
			}
			if err := checkDashes(cmd, args); err != nil {
				return err
			}
			if err := checkHostBits(args); err != nil {
				return err
			}
			return a.changeBans(cmd, args, func(ctx context.Context, cfg config.Config, prefixes []netip.Prefix) (*bans.Report, error) {
				return bans.Add(ctx, cfg, prefixes, opts)
			}, banned)
		},
	}
	cmd.Flags().StringVar(&last, "for", "", "for `TIME`, such as 30m, 24h or 7d; else without an end")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for \"voipbl bans\"")
	cmd.Flags().BoolVar(&opts.Widen, "widen", false, "for IPv6 ban the network around it: bans.ipv6_prefix")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) unbanCommand() *cobra.Command {
	var (
		opts bans.Options
		all  bool
	)
	cmd := &cobra.Command{
		Use:   "unban {ADDR... | --all}",
		Short: "Take bans back",
		Long: `Take back bans made by "voipbl ban", whatever their reason. Write each as it was
written then. What a feed also lists stays blocked: see "voipbl check".
A report to VoIPBL of an attacker that the PBX has seen is taken back, too.

In a fleet, other hosts may go on banning the address. Their bans of it are not
made here for a day, or until "voipbl ban" bans it.

With --reason only bans with exactly that reason are taken back, and it is no
error if there are none: so a program takes back only what it has banned itself.

Exit status: 0 taken back; 3 taken back, but that could not be written down, so
that a reboot would bring it back, or other bans of a damaged list may be lost;
1 one of them is not banned (the others are taken back), or not in force yet; 2
usage or configuration.`,
		Example: `  voipbl unban 198.51.100.7
  voipbl unban --all
  voipbl unban --all --reason "fail2ban voipbl-asterisk"`,
		ValidArgsFunction: a.completeBans,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return badLine(errors.New("expected addresses, or --all"))
			}
			if cmd.Flags().Changed("reason") && opts.Reason == "" {
				return badLine(errors.New(`--reason "": expected the reason of the bans to take back`))
			}
			if err := checkDashes(cmd, args); err != nil {
				return err
			}
			if err := checkReason(opts.Reason); err != nil {
				return err
			}
			return a.changeBans(cmd, args, func(ctx context.Context, cfg config.Config, prefixes []netip.Prefix) (*bans.Report, error) {
				r, err := bans.Remove(ctx, cfg, prefixes, all, opts)
				a.takeReportsBack(ctx, cfg, r)
				return r, err
			}, "no longer banned")
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "take all of them back")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "only bans with this reason, if there are any")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

// takeReportsBack takes reports to VoIPBL back of attackers that the PBX has seen and an admin has
// unbanned. The end of such a ban takes nothing back: the attacker is still one.
func (a *app) takeReportsBack(ctx context.Context, cfg config.Config, r *bans.Report) {
	var unbanned []outbox.Attacker
	for _, b := range r.Changed {
		if b.Reason != bans.SeenReason {
			continue
		}
		addr := b.Prefix.Addr()
		if b.Address.IsValid() {
			addr = b.Address.Addr()
		}
		unbanned = append(unbanned, outbox.Attacker{Addr: addr, Unban: true})
	}
	warn := func(words string) { fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(words)) }
	err := outbox.WriteDown(ctx, cfg, "voipbl unban", unbanned, func(v outbox.Verdict) {
		if v.Outcome == outbox.Dropped {
			warn(fmt.Sprintf("%s (%s): %s", v.Addr, v.Kind, v.Words()))
		}
	}, warn)
	if err != nil {
		warn("VoIPBL is not told of the unban: " + err.Error())
	}
}

// checkReason refuses a reason that no ban may have.
func checkReason(reason string) error {
	if len(reason) > maxReason || screen.Clean(reason) != reason {
		return badLine(fmt.Errorf("--reason %s: expected at most %d bytes of printable text", screen.Clean(screen.Shorten(reason, 40)), maxReason))
	}
	return nil
}

// checkHostBits refuses "1.2.3.4/8", as the configuration and "voipbl allow" do: if the one address
// was meant, the ban would block 16 million.
func checkHostBits(args []string) error {
	for _, arg := range args {
		p, err := blocklist.ParseQuery(arg)
		if err != nil {
			continue // the parser reports it
		}
		text, _, _ := strings.Cut(strings.Fields(arg)[0], "/")
		if addr, err := netip.ParseAddr(text); err == nil && p.Addr() != addr.Unmap() {
			return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("network with host bits set (%q): expected %q, or \"%s\" for the one address", arg, p, addr)}
		}
	}
	return nil
}

// changeBans is the shared part of ban and unban.
func (a *app) changeBans(cmd *cobra.Command, args []string, change func(context.Context, config.Config, []netip.Prefix) (*bans.Report, error), words string) error {
	prefixes, err := parseQueries(args, cmd.Name() == "unban")
	if err != nil {
		return err
	}
	cfg, err := a.usableConfig(cmd)
	if err != nil {
		return err
	}
	r, err := change(cmd.Context(), cfg, prefixes)
	if a.JSON {
		a.PrintJSON(r)
	} else {
		a.printChanged(r, words)
		for _, p := range r.Spared {
			fmt.Fprintf(a.Out, "  but not %s: %s\n", screen.Prefix(p.Prefix), strings.Join(p.Reasons, ", "))
		}
	}
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	if words != banned && !a.JSON && !cmd.Flags().Changed("reason") { // with --reason the caller is a program, which does not read this
		a.showBlocked(cmd.Context(), cfg, prefixes, "still blocked")
	}
	if !r.Kept {
		return &exit.Error{Code: exit.Stale, Err: &unkeptError{words, r.Problem}}
	}
	if r.Lost != nil && len(r.Absent) == 0 {
		return &exit.Error{Code: exit.Stale, Err: r.Lost.Err()}
	}
	if len(r.Absent) > 0 {
		var names []string
		for _, p := range r.Absent {
			names = append(names, screen.Prefix(p))
		}
		return &exit.Error{Code: exit.NotApplied, Err: &absentError{names}}
	}
	return nil
}

// printChanged prints what was banned or unbanned. An address that is also banned for another
// reason stays blocked.
func (a *app) printChanged(r *bans.Report, words string) {
	said := make(map[string]bool)
	for _, b := range r.Changed {
		line := fmt.Sprintf("%s %s", screen.Prefix(b.Prefix), words)
		if words == banned {
			line += show.Until(b)
		}
		if r.InForce && !said[line] {
			fmt.Fprintln(a.Out, line)
			said[line] = true
		}
	}
	for _, b := range r.Evicted {
		fmt.Fprintf(a.Out, "  %s is not banned any more: the list is full, and it ended soonest\n", screen.Prefix(b.Prefix))
	}
	for _, note := range r.Notes {
		fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(note))
	}
}

// banned is the word for what ban does to an address.
const banned = "banned"

// unkeptError says that a change of bans is in force, but not written down.
type unkeptError struct {
	words   string
	problem *problem.Problem
}

func (e *unkeptError) Error() string {
	if e.words == banned {
		return "it is in force, but not written down, so that a reboot would lose it: " + e.problem.Error
	}
	return "it is in force, but not written down, so that a reboot would bring the ban back: " + e.problem.Error
}

func (e *unkeptError) Remedy() string {
	remedy := e.problem.Remedy
	if remedy != "" {
		remedy += "; then "
	}
	return remedy + "\"voipbl sync\" or the agent writes it down"
}

// absentError says that an address to unban is not banned.
type absentError struct{ names []string }

func (e *absentError) Error() string { return "not banned: " + strings.Join(e.names, ", ") }

func (e *absentError) Remedy() string {
	return "\"voipbl bans\" lists the bans, \"voipbl check\" says what else blocks an address"
}

func (a *app) bansCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "bans",
		Short:   "List the bans of this host",
		Long:    "List what \"voipbl ban\" has blocked, and until when. Bans that other hosts of\nthe fleet have made begin with \"fleet\" and their names.\n\nExit status: 0 listed, 2 error.",
		Example: "  voipbl bans\n  voipbl bans --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.usableConfig(cmd)
			if err != nil {
				return err
			}
			now := time.Now()
			bans, notes, err := bans.Read(cfg)
			for _, note := range notes {
				fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(note))
			}
			switch {
			case a.JSON:
				a.PrintJSON(bans)
			case err == nil || len(bans) > 0:
				a.printBans(bans, now)
			}
			if err != nil {
				return &exit.Error{Code: exit.Usage, Err: err}
			}
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) printBans(bans []bans.Ban, now time.Time) {
	if len(bans) == 0 {
		fmt.Fprintln(a.Out, "this host has no bans of its own")
		return
	}
	var t screen.Table
	t.Row("address", "banned", "until", "reason")
	for _, b := range bans {
		until := "no end"
		if !b.Until.IsZero() {
			until = b.Until.Local().Format(time.DateTime)
		}
		t.Row(screen.Prefix(b.Prefix), screen.Ago(b.At, now), until)
	}
	room := 0
	if a.Out.Terminal {
		left := screen.Columns
		for _, width := range t.Widths()[:3] {
			left -= width + 2
		}
		room = max(16, left)
	}
	rows := t.Rows
	t.Rows = [][]string{rows[0]}
	for i, b := range bans {
		why := []string{screen.Clean(b.Why())}
		if room > 0 { // so that the lines of the terminal keep to the columns
			why = screen.Wrap(why[0], room)
		}
		t.Row(append(rows[i+1], why[0])...)
		for _, more := range why[1:] {
			t.Row("", "", "", more)
		}
	}
	t.Print(a.Out)
}
