package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/screen"
)

// Until is " until" and the end of a ban, or empty if it has no end.
func Until(b bans.Ban) string {
	if b.Until.IsZero() {
		return ""
	}
	return " until " + b.Until.Local().Format(time.DateTime)
}

// Check shows whether an address is blocked, where, and why.
func Check(on *screen.Screen, r blocklist.CheckReport) {
	is := ""
	switch { // the agent or a sync removes it from voipbl's own sets
	case len(r.Places) == 0:
	case r.Exempt:
		is = on.Paint("exempt", screen.Green) + ", but still "
	case r.ByNoList && r.Entry != nil:
		is = on.Paint("exempt from lists", screen.Green) + ", but still "
	}
	switch r.Verdict {
	case reach.Blocked:
		is += on.Paint("blocked", screen.Red)
	case reach.PartlyBlocked:
		is += on.Paint("partly blocked", screen.Yellow)
	case reach.MayBeBlocked:
		is += on.Paint("perhaps blocked", screen.Yellow)
	case reach.NotKnown:
		is += on.Paint("perhaps blocked", screen.Yellow) + ": not all rules can be read"
	default:
		if r.Entry != nil || r.Fail2ban != "" {
			is += on.Paint("not blocked", screen.Yellow)
		} else {
			is += on.Paint("not blocked", screen.Green)
		}
	}
	fmt.Fprintf(on.Out, "%s is %s%s\n", r.Query, is, Because(on, r))
	for _, why := range r.Unread {
		fmt.Fprintf(on.Out, "  not looked at: %s\n", screen.Clean(problem.OneLine(why)))
	}
	for _, p := range r.Places {
		printPlace(on, p)
	}
	if r.Partly > 0 {
		fmt.Fprintf(on.Out, "  not as a whole: voipbl's sets have %s inside it\n", screen.Plural(r.Partly, "entry", "entries"))
	}
	if r.Note != "" {
		fmt.Fprintf(on.Out, "  but: %s\n", r.Note)
	}
	for _, l := range r.Listed {
		note := ""
		if l.Mirror != "" {
			note = ", " + feeds.Via(l.Mirror)
		}
		if l.Reject != "" {
			note += " (not in force: " + l.Reject + ")"
		}
		fmt.Fprintf(on.Out, "  listed by %s, %s line %d: %q%s\n", l.Feed, screen.Clean(l.File), l.Line, screen.Shorten(l.Text, 60), note)
	}
	for _, k := range r.Kept {
		fmt.Fprintf(on.Out, "  kept from a lost copy of feed %s since %s, until %s at the latest\n", k.Feed, k.Since.Local().Format(time.DateTime), k.Until.Local().Format(time.DateTime))
	}
	for _, b := range r.Bans {
		fmt.Fprintf(on.Out, "  banned here: %s%s%s\n", screen.Prefix(b.Prefix), Until(b), Reason(b.Why()))
	}
	if i := slices.IndexFunc(r.Bans, func(b bans.Ban) bool { return b.Reason == bans.FleetReason }); i >= 0 {
		fmt.Fprintf(on.Out, "  \"voipbl unban %s\" ends that here, and keeps the fleet off it for a day\n", screen.Prefix(r.Bans[i].Prefix))
	}
	if r.BanSet != "" {
		left := "without an end"
		if r.BanEnds != nil {
			left = "for " + (time.Duration(*r.BanEnds) * time.Second).String() + " from now"
		}
		fmt.Fprintf(on.Out, "  in the set of bans %s, %s\n", r.BanSet, left)
	}
	if r.Fail2ban != "" {
		unused := ""
		if !slices.ContainsFunc(r.Places, func(p reach.Place) bool { return p.Set == r.Fail2ban }) {
			unused = ", by which no rule drops"
		}
		fmt.Fprintf(on.Out, "  banned by fail2ban: in its set %s as %s%s\n", r.Fail2ban, screen.Prefix(*r.FailEntry), unused)
	}
	if r.Special != "" {
		fmt.Fprintf(on.Out, "  never blocked by a list: %s\n", r.Special)
	}
	for _, p := range r.Because {
		fmt.Fprintf(on.Out, "  exempt as %s: %s\n", screen.Prefix(p.Prefix), strings.Join(p.Reasons, ", "))
	}
	Unlisted(on, r.Unlisted)
	if r.Entry != nil && len(r.Listed) == 0 && len(r.Kept) == 0 && r.Banned == nil {
		fmt.Fprintln(on.Out, "  no feed's last good copy lists it")
	}
	printLetIn(on, r)
}

// Unlisted shows addresses that no list blocks, but a ban does.
func Unlisted(on *screen.Screen, all []exempt.Protected) {
	for i, p := range all {
		if i == shownExempt {
			fmt.Fprintf(on.Out, "  exempt from lists, not from bans: %d more, see --json\n", len(all)-i)
			break
		}
		fmt.Fprintf(on.Out, "  exempt from lists, not from bans, as %s: %s\n", screen.Prefix(p.Prefix), screen.Clean(strings.Join(p.Reasons, ", ")))
	}
}

// Because ends the line that says whether an address is blocked: it names the set, or the owner of
// the rule.
func Because(on *screen.Screen, r blocklist.CheckReport) string {
	inSet := ""
	if r.Entry != nil {
		inSet = fmt.Sprintf("in %s as %s, %s, %s", r.Set, screen.Prefix(*r.Entry), screen.Plural(int(r.Packets), "packet", "packets"), screen.Plural(int(r.Bytes), "byte", "bytes"))
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

// placeWeight orders places: the one that says most comes first.
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

// placeScope says which packets a place applies to; it is empty if that is all of them.
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

func printPlace(on *screen.Screen, p reach.Place) {
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
		by += " (set " + screen.Clean(p.Set)
		if p.Entry != nil {
			by += " as " + screen.Prefix(*p.Entry)
		}
		by += ")"
	}
	fmt.Fprintf(on.Out, "  %s at %s%s%s\n", does, p.Where, screen.Clean(by), placeScope(p))
	fmt.Fprintf(on.Out, "    %s\n", screen.Clean(p.Rule))
	if p.Then != "" {
		fmt.Fprintf(on.Out, "    and then dropped by: %s\n", screen.Clean(p.Then))
	}
	for _, rule := range p.LetIn {
		fmt.Fprintf(on.Out, "    but some packets are let in first: %s\n", screen.Clean(rule))
	}
}

// printLetIn prints what lets the address in, for each place that blocks it.
func printLetIn(on *screen.Screen, r blocklist.CheckReport) {
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
		fmt.Fprintf(on.Out, "  %s%s\n", begin, screen.Clean(remedy))
	}
}

// Reason is ": " and the reason of a ban, or empty if it has none.
func Reason(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + screen.Clean(reason)
}
