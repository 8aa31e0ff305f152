package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) allowCommand() *cobra.Command {
	var (
		opts blocklist.AllowOptions
		last string
	)
	cmd := &cobra.Command{
		Use:   "allow {ADDR|NAME}...",
		Short: "Never block these addresses, networks or names",
		Long: `Never block an address, a network or a DNS name on this host: by no list, no ban
and no jail of voipbl's, as if it stood in "allow:" of the configuration. It is
in force at once, outlives reboots, and ends after --for. What is allowed again
gets the new end and reason. Networks may be as wide as in the configuration:
/8, or /19 for IPv6. The list takes 1,000 entries.

It opens no port and lifts no limit of the base rules: for that there are
firewall.trunks and firewall.local_networks of the configuration. An address
that another program blocks, such as fail2ban by its own actions, stays blocked;
voipbl says so, and how to end that.

Without an agent, what was allowed with --for is blocked again only by the first
sync after its end.

Exit status: 0 in force and written down; 3 in force, but it could not be
written down, so that a reboot would lose it, or a name has no address, or
another program still blocks it; 1 nothing has changed, or not in force yet; 2
usage or configuration.`,
		Example: `  voipbl allow 198.51.100.7
  voipbl allow 198.51.100.0/24 --for 7d --reason "phones at the fair"
  voipbl allow home.example.net`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.For, err = parseFor(last); err != nil {
				return badLine(err)
			}
			if err := checkReason(opts.Reason); err != nil {
				return err
			}
			return a.changeAllowed(cmd, args, func(ctx *cobra.Command, cfg config.Config, hosts []config.Host) (*blocklist.AllowReport, error) {
				return blocklist.Allow(ctx.Context(), cfg, hosts, opts)
			}, "allowed")
		},
	}
	cmd.Flags().StringVar(&last, "for", "", "for `TIME`, such as 30m, 24h or 7d; else without an end")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "why, for \"voipbl allowed\"")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) disallowCommand() *cobra.Command {
	var (
		opts blocklist.AllowOptions
		all  bool
	)
	cmd := &cobra.Command{
		Use:   "disallow {ADDR|NAME}... | --all",
		Short: "Take back what was allowed by hand",
		Long: `Take back what "voipbl allow" has allowed, written as it was then. It is in
force at once: what is on a list or banned is blocked again. What the
configuration allows stays allowed, and is listed.

Exit status: 0 taken back; 3 taken back, but that could not be written down, so
that a reboot would bring it back; 1 one of them was not allowed by "voipbl
allow" (the others are taken back), or not in force yet; 2 usage or
configuration.`,
		Example: `  voipbl disallow 198.51.100.7
  voipbl disallow --all`,
		ValidArgsFunction: a.completeAllowed,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return badLine(errors.New("expected addresses, networks or names, or --all"))
			}
			return a.changeAllowed(cmd, args, func(ctx *cobra.Command, cfg config.Config, hosts []config.Host) (*blocklist.AllowReport, error) {
				return blocklist.Disallow(ctx.Context(), cfg, hosts, all, opts)
			}, "no longer allowed")
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "take all of them back")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

// parseHosts parses hosts as the configuration does.
func parseHosts(args []string) ([]config.Host, error) {
	var hosts []config.Host
	for _, arg := range args {
		h, err := config.ParseHost(arg)
		if err != nil {
			return nil, badLine(err)
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// changeAllowed is the shared part of allow and disallow.
func (a *app) changeAllowed(cmd *cobra.Command, args []string, change func(*cobra.Command, config.Config, []config.Host) (*blocklist.AllowReport, error), words string) error {
	if err := checkDashes(cmd, args); err != nil {
		return err
	}
	hosts, err := parseHosts(args)
	if err != nil {
		return err
	}
	cfg, err := a.usableConfig(cmd)
	if err != nil {
		return err
	}
	r, err := change(cmd, cfg, hosts)
	for _, note := range r.Notes {
		fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(note))
	}
	switch {
	case a.JSON:
		a.PrintJSON(r)
	case err == nil:
		a.printAllowedChange(r, words)
	}
	if err != nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	if words != "allowed" && !a.JSON {
		a.showBlocked(cmd.Context(), cfg, prefixesOf(r.Changed), "blocked again")
	}
	return a.showAllowTroubles(r, words)
}

// prefixesOf returns the addresses and networks of removed entries, including the addresses of
// names.
func prefixesOf(changed []blocklist.Allowed) (all []netip.Prefix) {
	for _, c := range changed {
		if p, err := blocklist.ParseQuery(c.Host); err == nil {
			all = append(all, p)
		}
		for _, addr := range c.Addresses {
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	return all
}

// showAllowTroubles shows all problems; the first one decides the exit code.
func (a *app) showAllowTroubles(r *blocklist.AllowReport, words string) error {
	code := exit.OK
	show := func(end int, err error) {
		a.ShowError(err)
		if code == exit.OK {
			code = end
		}
	}
	if !r.Kept && r.Problem != nil {
		show(exit.Stale, &unkeptAllowError{words, r.Problem})
	}
	if len(r.Absent) > 0 {
		show(exit.NotApplied, &notAllowedError{r.Absent})
	}
	if len(r.Unknown) > 0 {
		show(exit.Stale, &nameError{r.Unknown})
	}
	for _, b := range r.Banned {
		if !b.Unused {
			show(exit.Stale, &cutOffError{b})
		}
	}
	if code == exit.OK {
		return nil
	}
	return &exit.Error{Code: code}
}

func (a *app) printAllowedChange(r *blocklist.AllowReport, words string) {
	for _, h := range r.Changed {
		until := ""
		if words == "allowed" && !h.Until.IsZero() {
			until = " until " + h.Until.Local().Format(time.DateTime)
		}
		addresses := ""
		if words == "allowed" && len(h.Addresses) > 0 {
			addresses = " (" + exempt.AddrList(h.Addresses) + ")"
		}
		fmt.Fprintf(a.Out, "%s%s %s%s\n", h.Host, addresses, words, until)
	}
	for _, p := range r.Still {
		fmt.Fprintf(a.Out, "  but %s is never blocked: %s\n", screen.Prefix(p.Prefix), screen.Clean(strings.Join(p.Reasons, ", ")))
	}
	for _, b := range r.Banned {
		if b.Unused {
			fmt.Fprintf(a.Out, "  %s\n    try: %s\n", screen.Clean(b.String()), screen.Clean(b.Remedy()))
		}
	}
	if len(r.Changed) == 0 && len(r.Absent) == 0 {
		fmt.Fprintln(a.Out, "\"voipbl allow\" has allowed nothing")
	}
}

// cutOffError says that an allowed address is still blocked, but not by voipbl.
type cutOffError struct{ reach.ExemptBan }

func (e *cutOffError) Error() string { return e.String() }

// unkeptAllowError says that a change is in force, but not written down.
type unkeptAllowError struct {
	words   string
	problem *problem.Problem
}

func (e *unkeptAllowError) Error() string {
	what := "a reboot would lose it"
	if e.words != "allowed" {
		what = "a reboot would allow it again"
	}
	return "it is in force, but not written down, so that " + what + ": " + e.problem.Error
}

func (e *unkeptAllowError) Remedy() string {
	remedy := e.problem.Remedy
	if remedy != "" {
		remedy += "; then "
	}
	return remedy + "\"voipbl sync\" or the agent writes it down"
}

// notAllowedError says that a host to disallow is not on the list.
type notAllowedError struct{ hosts []string }

func (e *notAllowedError) Error() string {
	return "not allowed by \"voipbl allow\": " + strings.Join(e.hosts, ", ")
}

func (e *notAllowedError) Remedy() string {
	return "\"voipbl allowed\" lists what is; what the configuration allows is changed there"
}

// nameError says that a name has no known address.
type nameError struct{ names []string }

func (e *nameError) Error() string {
	return "no address is known for " + strings.Join(e.names, ", ") + ": until it resolves, nothing is allowed by it"
}

func (e *nameError) Remedy() string { return "allow its address instead, or mend DNS" }

func (a *app) allowedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "allowed",
		Short: "List what is never blocked because you said so",
		Long: `List what "voipbl allow" has allowed, and until when, and what the configuration
allows. "voipbl exempt ADDR" also knows what else is never blocked, such as this
host's own addresses.

Exit status: 0 listed, 2 error.`,
		Example: "  voipbl allowed\n  voipbl allowed --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.usableConfig(cmd)
			if err != nil {
				return err
			}
			hosts, notes, err := blocklist.ReadAllowedHosts(cmd.Context(), cfg)
			if err == nil {
				for _, note := range notes {
					fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(note))
				}
			}
			switch {
			case a.JSON:
				a.PrintJSON(hosts)
			case err == nil || len(hosts) > 0:
				a.printAllowed(hosts)
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

func (a *app) printAllowed(hosts []blocklist.Allowed) {
	if len(hosts) == 0 {
		fmt.Fprintln(a.Out, "nothing is allowed, by hand or by the configuration")
		return
	}
	var t screen.Table
	t.Row("host", "source", "until", "reason")
	for _, h := range hosts {
		until := "no end"
		if !h.Until.IsZero() {
			until = h.Until.Local().Format(time.DateTime)
		}
		t.Row(screen.Shorten(h.Host, 40), h.Source, until)
	}
	left := screen.Columns
	for _, width := range t.Widths()[:3] {
		left -= width + 2
	}
	for i, h := range hosts {
		reason := screen.Clean(h.Reason)
		if reason == "" && len(h.Addresses) > 0 {
			reason = exempt.AddrList(h.Addresses)
		}
		t.Rows[i+1] = append(t.Rows[i+1], screen.Shorten(reason, max(10, left)))
	}
	t.Print(a.Out)
}

// completeAllowed completes hosts that "voipbl allow" has allowed.
func (a *app) completeAllowed(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const nothingElse = cobra.ShellCompDirectiveNoFileComp
	cfg, _, err := a.configInForce(cmd)
	if err != nil {
		return nil, nothingElse
	}
	hosts, _, err := blocklist.ReadAllowedHosts(cmd.Context(), cfg)
	if err != nil {
		return nil, nothingElse
	}
	given := make(map[string]bool)
	for _, arg := range args {
		given[arg] = true
	}
	var words []cobra.Completion
	for _, h := range hosts {
		if h.Source == exempt.ByHand && !given[h.Host] {
			words = append(words, cobra.CompletionWithDesc(h.Host, screen.Clean(h.Reason)))
		}
	}
	return words, nothingElse
}
