package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/agent"
)

// exitNoneBlocked is check's answer when nothing asked for is blocked.
const exitNoneBlocked = 1

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check ADDR...",
		Short: "Tell whether addresses are blocked now, and why",
		Long: `Tell for each address or prefix whether one of the kernel's sets blocks it now,
which feed and line or which ban says so and how long it lasts, and whether it
is protected and why.

Exit status: 0 an address is blocked, or banned by fail2ban; 1 none is; 2 error.`,
		Example: `  voipbl check 198.51.100.7
  voipbl check 198.51.100.0/24 2001:db8::1
  voipbl check --json 198.51.100.7`,
		Args: cobra.MinimumNArgs(1),
		RunE: a.check,
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) check(cmd *cobra.Command, args []string) error {
	queries, err := parseQueries(args)
	if err != nil {
		return err
	}
	cfg, err := a.usableConfig(cmd)
	if err != nil {
		return err
	}
	reports, warnings, err := agent.Check(cmd.Context(), cfg, queries)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	for _, w := range warnings {
		fmt.Fprintln(a.err, "voipbl: "+clean(w))
	}
	if a.json {
		a.printJSON(reports)
	} else {
		for _, r := range reports {
			a.printCheck(r)
		}
	}
	for _, r := range reports {
		if r.Blocked || r.Fail2ban != "" {
			return nil
		}
	}
	return &exitError{code: exitNoneBlocked}
}

// parseQueries reads addresses and prefixes.
func parseQueries(args []string) ([]netip.Prefix, error) {
	var queries []netip.Prefix
	for _, arg := range args {
		p, err := agent.ParseQuery(arg)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("%w, such as 198.51.100.7", err)}
		}
		queries = append(queries, p)
	}
	return queries, nil
}

func (a *app) printCheck(r agent.CheckReport) {
	switch {
	case r.Exempt && r.Fail2ban != "":
		fmt.Fprintf(a.out, "%s is %s, but %s by fail2ban (set %s): its packets are rejected\n", r.Query, a.paint("exempt", green), a.paint("banned", red), r.Fail2ban)
	case r.Blocked:
		is := ""
		if r.Exempt { // since a moment: the agent or a sync takes it out
			is = a.paint("exempt", green) + ", but still "
		}
		fmt.Fprintf(a.out, "%s is %s%s: in %s as %s, %s, %s\n", r.Query, is, a.paint("blocked", red), r.Set, prefixText(*r.Entry),
			plural(int(r.Packets), "packet", "packets"), plural(int(r.Bytes), "byte", "bytes"))
	case r.Partly > 0:
		fmt.Fprintf(a.out, "%s is not blocked as a whole: %s has %s inside it\n", r.Query, r.Set, plural(r.Partly, "entry", "entries"))
	case r.Fail2ban != "":
		fmt.Fprintf(a.out, "%s is not blocked by voipbl, but %s by fail2ban (set %s)\n", r.Query, a.paint("banned", red), r.Fail2ban)
	default:
		fmt.Fprintf(a.out, "%s is %s\n", r.Query, a.paint("not blocked", green))
	}
	if r.Note != "" {
		fmt.Fprintf(a.out, "  but: %s\n", r.Note)
	}
	for _, l := range r.Listed {
		note := ""
		if l.Reject != "" {
			note = " (not in force: " + l.Reject + ")"
		}
		fmt.Fprintf(a.out, "  listed by %s, %s line %d: %q%s\n", l.Feed, clean(l.File), l.Line, shorten(l.Text, 60), note)
	}
	for _, k := range r.Kept {
		fmt.Fprintf(a.out, "  kept from a lost copy of feed %s since %s, until %s at the latest\n", k.Feed, k.Since.Local().Format(time.DateTime), k.Until.Local().Format(time.DateTime))
	}
	for _, b := range r.Bans {
		fmt.Fprintf(a.out, "  banned here: %s%s%s\n", prefixText(b.Prefix), untilWords(b, "banned"), reasonWords(b.Reason))
	}
	if r.BanSet != "" {
		left := "without an end"
		if r.BanEnds != nil {
			left = "for " + (time.Duration(*r.BanEnds) * time.Second).String() + " from now"
		}
		fmt.Fprintf(a.out, "  in the set of bans %s, %s\n", r.BanSet, left)
	}
	if r.Fail2ban != "" {
		entry := prefixText(*r.FailEntry)
		fmt.Fprintf(a.out, "  banned by fail2ban (set %s); to end that: fail2ban-client unban %s; if it stays: ipset del %[1]s %[2]s\n", r.Fail2ban, entry)
	}
	if r.Special != "" {
		fmt.Fprintf(a.out, "  never blocked by a list: %s\n", r.Special)
	}
	for _, p := range r.Protected {
		fmt.Fprintf(a.out, "  protected by %s: %s\n", prefixText(p.Prefix), strings.Join(p.Reasons, ", "))
	}
	if r.Blocked && len(r.Listed) == 0 && len(r.Kept) == 0 && r.Banned == nil {
		fmt.Fprintln(a.out, "  no feed's last good copy lists it")
	}
}

func reasonWords(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + clean(reason)
}
