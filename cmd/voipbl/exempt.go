package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/configfile"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
	"github.com/voipbl/voipbl/state"
)

// exitNotExempt is the exit code of exempt if an address is not exempt.
const exitNotExempt = 1

func (a *app) exemptCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "exempt ADDR...",
		Short: "Tell whether addresses are never blocked, and why",
		Long: `Tell for each address or prefix whether it is exempt: never blocked on this
host, by no list, no ban and no jail of voipbl's. Exempt are allow, trunks and
local_networks, this host's own addresses, its gateways and DNS servers,
logged-in SSH sessions, the servers that lists come from, the hubs of the
fleet, and whom its operator allows ("voipbl fleet document"). A registered
phone is not: no list blocks it, but a ban does, and it says so.

It is for programs that ask before they ban, and quick: it reads no list and no
set. It needs no agent. DNS names stand for the addresses that they last
resolved to. While the configuration file is missing, empty or has a mistake,
the last good one counts.

Exit status: 0 all are exempt; 1 one is not; 2 error, and nothing is known.`,
		Example: `  voipbl exempt 198.51.100.7
  voipbl exempt --quiet 198.51.100.7 || echo "may be banned"
  voipbl exempt --json 192.168.1.0/24 2001:db8::1`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.exempt(cmd, args, quiet) },
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print nothing: the exit status answers")
	a.jsonFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("quiet", "json")
	return cmd
}

func (a *app) exempt(cmd *cobra.Command, args []string, quiet bool) error {
	queries, err := parseQueries(args, true)
	if err != nil {
		return err
	}
	report, err := a.findExempt(cmd, queries, quiet)
	if err != nil {
		return err
	}
	if !quiet {
		a.printExempt(report)
	}
	for _, e := range report.Exemptions {
		if !e.Exempt {
			return &exit.Error{Code: exitNotExempt}
		}
	}
	return nil
}

func (a *app) findExempt(cmd *cobra.Command, queries []netip.Prefix, quiet bool) (*exempt.Report, error) {
	cfg, refused, err := a.exemptConfig(cmd)
	if err != nil {
		return nil, err
	}
	if refused != nil && !quiet {
		fmt.Fprintln(a.Err, "voipbl: the last good configuration is used: "+screen.Clean(problem.OneLine(refused.Error())))
	}
	report, err := exempt.Ask(cmd.Context(), state.WithAgentsFriends(cmd.Context(), cfg), queries, !quiet)
	if err != nil {
		return nil, &exit.Error{Code: exit.Usage, Err: err}
	}
	return report, nil
}

// exemptConfig is configInForce for callers that must not mistake a friend for a stranger while the
// file is missing or half written. In that case the agent's configuration counts, or the one that
// was in force last.
func (a *app) exemptConfig(cmd *cobra.Command) (cfg config.Config, refused, err error) {
	text, err := os.ReadFile(a.configFile)
	absent := errors.Is(err, fs.ErrNotExist)
	if !absent && (err != nil || !configfile.IsBlank(text)) {
		return a.configInForce(cmd)
	}
	refused = fmt.Errorf("%s is empty", a.configFile)
	if absent {
		refused = fmt.Errorf("there is no %s", a.configFile)
	}
	if cfg, err = state.AgentConfig(cmd.Context(), config.RunDir(text)); err == nil {
		return cfg, refused, nil
	}
	if cfg, _, err = state.LastGoodConfig(text); err == nil {
		return cfg, refused, nil
	}
	cfg, err = a.loadConfig(cmd)
	return cfg, nil, err
}

func (a *app) printExempt(r *exempt.Report) {
	for _, name := range r.Unresolved {
		fmt.Fprintf(a.Err, "voipbl: the addresses of %s are not known, so it exempts none\n", screen.Clean(name))
	}
	if p := r.PhonesUnread; p != nil {
		fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(p.Error))
	}
	if a.JSON {
		a.PrintJSON(r.Exemptions)
		return
	}
	for _, e := range r.Exemptions {
		switch {
		case e.Exempt:
			fmt.Fprintf(a.Out, "%s is %s: it is never blocked\n", e.Query, a.Paint("exempt", screen.Green))
		case len(e.Because) > 0:
			fmt.Fprintf(a.Out, "%s is not exempt as a whole\n", e.Query)
		default:
			fmt.Fprintf(a.Out, "%s is not exempt\n", e.Query)
		}
		switch {
		case e.Exempt || e.Special == "":
		case e.NeverBanned:
			fmt.Fprintf(a.Out, "  never blocked by a list or a ban: %s\n", e.Special)
		default:
			fmt.Fprintf(a.Out, "  never blocked by a list, but by a ban: %s\n", e.Special)
		}
		for _, p := range e.Because {
			fmt.Fprintf(a.Out, "  %s: %s\n", screen.Prefix(p.Prefix), strings.Join(p.Reasons, ", "))
		}
		if !e.Exempt {
			show.Unlisted(a.Screen, e.Unlisted)
		}
	}
}
