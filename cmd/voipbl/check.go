package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
)

// exitNoneBlocked is the exit code of check if none of the addresses is blocked.
const exitNoneBlocked = 1

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check ADDR...",
		Short: "Tell whether addresses are blocked now, where, and why",
		Long: `Show where packets from each address or prefix are dropped or rejected now: by
which iptables rules (both backends), of voipbl or of other programs such as
fail2ban, ufw or another blocklist, and by which sets. Then show which feed and
line or which ban is the reason and how long it lasts, and whether the address
is exempt and why.

An address is "blocked" if a rule that matches it certainly drops all its
packets, on all ports or on those that are shown; also if a rule makes them skip
the rule that lets in everybody else. It is "partly" blocked, which does not
count as blocked, if that holds for parts of a prefix only, or if an earlier
rule lets it in on some ports. It is "perhaps" blocked if the rule also depends
on something unknown here, such as a rate limit or a country. An address is not
blocked by what is closed to everybody.

Exit status: 0 an address is blocked; 1 none is; 2 error, or it is unknown.`,
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
	queries, bad := parseQueries(args, true)
	named := (*nameGivenError)(nil)
	if bad != nil && !errors.As(bad, &named) {
		return bad
	}
	cfg, err := a.usedConfig(cmd)
	if err != nil {
		return cmp.Or(bad, err)
	}
	if named != nil {
		named.now, named.exempt = exempt.NameNow(cmd.Context(), cfg, named.name)
		return bad
	}
	reports, warnings, err := blocklist.Check(reach.AtOneMoment(cmd.Context()), cfg, queries)
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	for _, w := range warnings {
		fmt.Fprintln(a.Err, "voipbl: "+screen.Clean(w))
	}
	if a.JSON {
		a.PrintJSON(reports)
	} else {
		for _, r := range reports {
			show.Check(a.Screen, r)
		}
	}
	return checkExit(reports)
}

// checkExit returns the exit code, like grep's; the output says the same.
func checkExit(reports []blocklist.CheckReport) error {
	code := exitNoneBlocked
	for _, r := range reports {
		switch r.Verdict {
		case reach.Blocked:
			return nil
		case reach.NotKnown, reach.MayBeBlocked:
			code = exit.Usage
		}
	}
	return &exit.Error{Code: code}
}

// parseQueries parses addresses and prefixes. If it is given a name, its error says how to exempt
// that name, if letIn is true.
func parseQueries(args []string, letIn bool) ([]netip.Prefix, error) {
	var queries []netip.Prefix
	for _, arg := range args {
		p, err := blocklist.ParseQuery(arg)
		if host, bad := config.ParseHost(arg); err != nil && bad == nil && host.Name != "" {
			return nil, badLine(&nameGivenError{name: host.Name, letIn: letIn})
		}
		if err != nil {
			return nil, badLine(fmt.Errorf("%w, such as 198.51.100.7", err))
		}
		queries = append(queries, p)
	}
	return queries, nil
}

// nameGivenError is a name where only an address makes sense.
type nameGivenError struct {
	name  string
	letIn bool // the caller may want to exempt the name

	exempt bool // the name's addresses are exempt; now is what is known about it
	now    exempt.NameStatus
}

func (e *nameGivenError) Error() string {
	return fmt.Sprintf("%q is a name, which may stand for other addresses tomorrow: expected an address, such as 198.51.100.7", e.name)
}

// Remedy says what to do with a name.
func (e *nameGivenError) Remedy() string {
	switch {
	case e.exempt && len(e.now.Addresses) == 0:
		return fmt.Sprintf("\"voipbl sync\" asks what it stands for, which is never blocked then: it is in %s", e.now.Of())
	case e.exempt:
		return fmt.Sprintf("\"voipbl check %s\" asks about what it stands for, which is never blocked: it is in %s", firstAddresses(e.now), e.now.Of())
	}
	remedy := fmt.Sprintf("\"getent ahosts %s\" tells its addresses", e.name)
	if e.letIn {
		remedy += fmt.Sprintf("; \"voipbl allow %s\" has whatever it stands for never blocked", e.name)
	}
	return remedy
}

// firstAddresses returns the first few addresses of a name.
func firstAddresses(n exempt.NameStatus) string {
	var all []string
	for _, a := range n.Addresses[:min(len(n.Addresses), 4)] {
		all = append(all, a.Addr.String())
	}
	return strings.Join(all, " ")
}
