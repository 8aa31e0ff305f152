package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
)

// exitNoneBlocked is check's answer when nothing asked for is blocked.
const exitNoneBlocked = 1

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check ADDR...",
		Short: "Tell whether addresses are blocked now, where, and why",
		Long: `Tell for each address or prefix where its packets are dropped or rejected now:
by the rules of iptables (both backends), voipbl's own and those of others, such
as fail2ban, ufw or another blocklist, and by the sets that they ask. Then which
feed and line or which ban says so and how long it lasts, and whether it is
exempt and why.

Blocked is what a rule keeps out that asks for the address: all of it, for
certain, on all ports or on those that are named; also what a rule sends past
the one that lets in everybody else. A prefix of which only parts are, or an
address that a rule above lets in on some ports, is "partly" blocked, and does
not count as blocked. What a rule drops by more than can be told from here, such
as a limit or a country, is "perhaps" blocked. What is closed to everybody is
not blocked.

Exit status: 0 an address is blocked; 1 none is; 2 error, or it cannot be told.`,
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
	queries, err := parseQueries(args, true)
	if err != nil {
		return err
	}
	cfg, err := a.usedConfig(cmd)
	if err != nil {
		return err
	}
	reports, warnings, err := blocklist.Check(reach.AtOneMoment(cmd.Context()), cfg, queries)
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
	return checkExit(reports)
}

// checkExit is grep's answer: the words say the same.
func checkExit(reports []blocklist.CheckReport) error {
	code := exitNoneBlocked
	for _, r := range reports {
		switch r.Verdict {
		case reach.Blocked:
			return nil
		case reach.NotKnown, reach.MayBeBlocked:
			code = exitUsage
		}
	}
	return &exitError{code: code}
}

// parseQueries reads addresses and prefixes. Of a name it is told how to let it in, if that
// may be what it was given for.
func parseQueries(args []string, letIn bool) ([]netip.Prefix, error) {
	var queries []netip.Prefix
	for _, arg := range args {
		p, err := blocklist.ParseQuery(arg)
		if host, bad := config.ParseHost(arg); err != nil && bad == nil && host.Name != "" {
			return nil, badLine(&nameGivenError{host.Name, letIn})
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
	letIn bool // who gave it may want it let in
}

func (e *nameGivenError) Error() string {
	return fmt.Sprintf("%q is a name, which may stand for other addresses tomorrow: expected an address, such as 198.51.100.7", e.name)
}

// Remedy says what can be done with names.
func (e *nameGivenError) Remedy() string {
	remedy := fmt.Sprintf("\"getent ahosts %s\" tells its addresses", e.name)
	if e.letIn {
		remedy += fmt.Sprintf("; \"voipbl allow %s\" has whatever it stands for never blocked", e.name)
	}
	return remedy
}

func (a *app) printCheck(r blocklist.CheckReport) {
	is := ""
	if r.Exempt && len(r.Places) > 0 { // of voipbl's sets an agent or a sync takes it out
		is = a.paint("exempt", green) + ", but still "
	}
	switch r.Verdict {
	case reach.Blocked:
		is += a.paint("blocked", red)
	case reach.PartlyBlocked:
		is += a.paint("partly blocked", yellow)
	case reach.MayBeBlocked:
		is += a.paint("perhaps blocked", yellow)
	case reach.NotKnown:
		is += a.paint("perhaps blocked", yellow) + ": not all rules can be read"
	default:
		if r.Entry != nil || r.Fail2ban != "" {
			is += a.paint("not blocked", yellow)
		} else {
			is += a.paint("not blocked", green)
		}
	}
	fmt.Fprintf(a.out, "%s is %s%s\n", r.Query, is, a.checkBecause(r))
	for _, why := range r.Unread {
		fmt.Fprintf(a.out, "  not looked at: %s\n", clean(problem.OneLine(why)))
	}
	for _, p := range r.Places {
		a.printPlace(p)
	}
	if r.Partly > 0 {
		fmt.Fprintf(a.out, "  not as a whole: %s has %s inside it\n", r.Set, plural(r.Partly, "entry", "entries"))
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
		unused := ""
		if !slices.ContainsFunc(r.Places, func(p reach.Place) bool { return p.Set == r.Fail2ban }) {
			unused = ", by which no rule drops"
		}
		fmt.Fprintf(a.out, "  banned by fail2ban: in its set %s as %s%s\n", r.Fail2ban, prefixText(*r.FailEntry), unused)
	}
	if r.Special != "" {
		fmt.Fprintf(a.out, "  never blocked by a list: %s\n", r.Special)
	}
	for _, p := range r.Because {
		fmt.Fprintf(a.out, "  protected by %s: %s\n", prefixText(p.Prefix), strings.Join(p.Reasons, ", "))
	}
	if r.Entry != nil && len(r.Listed) == 0 && len(r.Kept) == 0 && r.Banned == nil {
		fmt.Fprintln(a.out, "  no feed's last good copy lists it")
	}
	a.printLetIn(r)
}

// checkBecause says in the first line what most want to know: by which set, or whose rule.
func (a *app) checkBecause(r blocklist.CheckReport) string {
	inSet := ""
	if r.Entry != nil {
		inSet = fmt.Sprintf("in %s as %s, %s, %s", r.Set, prefixText(*r.Entry), plural(int(r.Packets), "packet", "packets"), plural(int(r.Bytes), "byte", "bytes"))
	}
	places := slices.Clone(r.Places)
	slices.SortStableFunc(places, func(p, q reach.Place) int { return placeWeight(p) - placeWeight(q) })
	if len(places) == 0 || places[0].Kind == reach.ByVoipbl && places[0].Set == r.Set {
		if inSet == "" {
			return ""
		}
		return ": " + inSet
	}
	p := places[0]
	by := "by a rule of others"
	switch {
	case p.Kind == reach.ByFail2ban:
		by = "by fail2ban"
	case p.Kind == reach.ByVoipbl:
		by = "by voipbl"
	case p.By != "":
		by = "by " + p.By
	case p.Set != "":
		by = "by a rule of others that asks the set " + p.Set
	}
	return ": " + by + placeScope(p)
}

// placeWeight orders places by how much they say.
func placeWeight(p reach.Place) int {
	weight := 0
	if !p.Blocks() {
		weight += 8
	}
	if !p.Certain {
		weight += 4
	}
	if len(p.Ports) > 0 {
		weight += 2
	}
	if p.Kind != reach.ByVoipbl {
		weight++
	}
	return weight
}

// placeScope says which packets a place is for, unless it is for all.
func placeScope(p reach.Place) string {
	scope := ""
	if len(p.Ports) > 0 {
		const most = 4
		ports := p.Ports[:min(most, len(p.Ports))]
		scope += ", only " + strings.Join(ports, ", ")
		if more := len(p.Ports) - len(ports); more > 0 {
			scope += fmt.Sprintf(" and %d more", more)
		}
	}
	if p.Interface != "" {
		scope += ", only what comes in by " + p.Interface
	}
	if p.Containers {
		scope += ", only packets for containers"
	}
	return scope
}

func (a *app) printPlace(p reach.Place) {
	does := "dropped"
	if p.Rejected {
		does = "rejected"
	}
	if !p.Certain {
		does = "perhaps " + does
	}
	if p.Part {
		does = "in part " + does
	}
	by := ""
	if p.By != "" {
		by = ", by " + p.By
	}
	if p.Set != "" {
		by += " (set " + clean(p.Set)
		if p.Entry != nil {
			by += " as " + prefixText(*p.Entry)
		}
		by += ")"
	}
	fmt.Fprintf(a.out, "  %s at %s%s%s\n", does, p.Where, clean(by), placeScope(p))
	fmt.Fprintf(a.out, "    %s\n", clean(p.Rule))
	if p.Then != "" {
		fmt.Fprintf(a.out, "    and then dropped by: %s\n", clean(p.Then))
	}
	for _, rule := range p.LetIn {
		fmt.Fprintf(a.out, "    but some packets are let in first: %s\n", clean(rule))
	}
}

// printLetIn says what lets an address in, at each place.
func (a *app) printLetIn(r blocklist.CheckReport) {
	var said []string
	for _, p := range r.Places {
		if p.Certain && !slices.Contains(said, p.Remedy) {
			said = append(said, p.Remedy)
		}
	}
	for i, remedy := range said {
		begin := "to let it in: "
		if i > 0 {
			begin = "and:          "
		}
		fmt.Fprintf(a.out, "  %s%s\n", begin, clean(remedy))
	}
}

func reasonWords(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + clean(reason)
}
