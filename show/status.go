package show

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/state"
)

// printNames prints notes about names in allow and trunks that are not problems.
func printNames(on *screen.Screen, s *blocklist.Status) {
	for _, n := range s.Names {
		if n.Warning != "" && !slices.Contains(s.Problems, n.Warning) {
			fmt.Fprintln(on.Out, "  "+strings.Join(screen.Wrap(screen.Clean(n.Warning), screen.Columns-4), "\n    "))
		}
	}
}

// Status shows the result of status.
func Status(on *screen.Screen, s *blocklist.Status, now time.Time) {
	if s.Protected {
		fmt.Fprintln(on.Out, on.Paint("protected", screen.Green))
	} else {
		fmt.Fprintln(on.Out, on.Paint("not protected", screen.Red))
	}
	for _, p := range s.Problems {
		for line := range strings.SplitSeq(p, "\n") {
			fmt.Fprintln(on.Out, "  "+on.Paint(screen.Clean(line), screen.Yellow))
		}
		if remedy := s.Remedy(p); remedy != "" {
			fmt.Fprintln(on.Out, "    try: "+screen.Clean(remedy))
		}
	}
	for _, account := range s.Spread {
		on.Folded("  " + screen.Clean(account.String()))
	}
	for _, text := range s.WatchTells(now) {
		on.Folded("  " + screen.Clean(text))
	}
	if rest := s.Rules.Rest; rest != nil && s.Protected {
		on.Folded("  " + rest.Words(s.On()))
	}
	if s.Rules.Unfollowed {
		on.Folded("  " + rules.UnfollowedWords)
	}
	if p := s.DropLog; p != nil {
		on.Folded("  " + screen.Clean(p.Error))
		on.Folded("    try: " + screen.Clean(p.Remedy))
	}
	printPastCutOff(on, s, now)
	printSpared(on, s.Spared)
	fmt.Fprintln(on.Out)
	printAgent(on, s, now)
	sets := screen.Table{Right: []int{1, 2, 3, 4, 5}}
	sets.Row("set", "entries", "lengths", "memory", "rules", "counted")
	for _, set := range slices.Concat(s.Sets, s.BanSets) {
		if !set.Exists {
			sets.Row(set.Name, "none", "", "", "", "")
			continue
		}
		sets.Row(set.Name, screen.Count(set.Entries), strconv.Itoa(len(set.Lengths)), humanize.IBytes(uint64(set.Memory)), strconv.Itoa(set.References), screen.Count(set.Packets))
	}
	sets.Print(on.Out)
	for _, set := range s.Sets {
		if words := Shape(set.Entries, set.KernelEntries, set.Lengths, set.KernelLengths); words != "" && !set.Changed {
			on.Folded("  " + set.Name + ": " + words)
		}
	}
	fmt.Fprintln(on.Out)
	printRulesStatus(on, s.Rules)
	if s.IPv6Left {
		fmt.Fprintln(on.Out, "IPv6 is left alone (firewall.ipv6: off), and this host has IPv6 addresses:\nnobody is blocked over IPv6")
		fmt.Fprintln(on.Out)
	}
	printFeeds(on, s, now)
	if s.MaxEntries.Auto {
		fmt.Fprintf(on.Out, "one list may have %s\n", s.MaxEntries.Words())
	}
	printNames(on, s)
}

// printPastCutOff shows whom the lists have cut off while this host talked with them.
func printPastCutOff(on *screen.Screen, s *blocklist.Status, now time.Time) {
	for i, c := range s.CutOff {
		if i == shownCutOff {
			fmt.Fprintf(on.Out, "  cut off: %d more, see --json\n", len(s.CutOff)-i)
			break
		}
		on.Folded(fmt.Sprintf("  cut off %s: %s", screen.Ago(c.At, now), c.Words()))
	}
	if len(s.CutOff) > 0 {
		fmt.Fprintln(on.Out, "    if one is a friend: "+s.CutOff[0].Remedy())
	}
}

// printSpared shows who is on a list and not blocked, since a call goes on.
func printSpared(on *screen.Screen, spared []impact.Spared) {
	for i, c := range spared {
		if i == shownCutOff {
			fmt.Fprintf(on.Out, "  spared: %d more, see --json\n", len(spared)-i)
			break
		}
		on.Folded(fmt.Sprintf("  spared for its call until %s: %s", c.Until().Local().Format("15:04"), c.Words()))
	}
	if len(spared) > 0 {
		fmt.Fprintf(on.Out, "    if one is an attacker: voipbl ban %s\n", spared[0].Address)
		fmt.Fprintln(on.Out, "    if one is a friend: "+spared[0].Remedy())
	}
}

// printFeeds shows the state of each feed.
func printFeeds(on *screen.Screen, s *blocklist.Status, now time.Time) {
	feeds := screen.Table{Right: []int{1, 2}}
	feeds.Row("feed", "entries", "rejected", "last success", "next", "state")
	for _, f := range s.Feeds {
		feeds.Row(screen.Shorten(f.Name, 24), screen.Count(f.Entries), screen.Count(f.Rejects), screen.Ago(f.LastSuccess, now), nextWords(f, s.Agent, now), feedWords(f))
	}
	feeds.Print(on.Out)
}

// printAgent shows what is known about the agent, and its counters.
func printAgent(on *screen.Screen, s *blocklist.Status, now time.Time) {
	t := screen.Table{}
	switch g := s.Agent; {
	case g != nil:
		t.Row("agent", fmt.Sprintf("version %s, running since %s (process %d)", g.Version, g.Since.Local().Format(time.DateTime), g.PID))
		if n := g.Repairs.Rules + g.Repairs.Sets; n > 0 {
			last := g.Repairs.Last[0]
			t.Row("repaired", fmt.Sprintf("rules %s, sets %s, which others had changed; the last %s:", screen.Times(g.Repairs.Rules), screen.Times(g.Repairs.Sets), screen.Ago(last.At, now)))
			for _, found := range last.Found[:min(len(last.Found), shownOthers)] {
				t.Row("", screen.Shorten(screen.Clean(found), 68))
			}
		}
	case s.AgentError != nil:
		t.Row("agent", "in trouble: see above")
	default:
		t.Row("agent", "none is running: lists are renewed by \"voipbl sync\" only")
	}
	t.Row("dropped", droppedWords(s))
	if s.Bans > 0 {
		t.Row("bans", banWords(s)+": see \"voipbl bans\"")
	}
	if s.Phones > 0 {
		t.Row("phones", fmt.Sprintf("%s: see \"voipbl phones\"", screen.Plural(s.Phones, "registered phone", "registered phones")))
	}
	if s.Trunks > 0 {
		t.Row("trunks", fmt.Sprintf("%s of the PBX: see \"voipbl phones\"", screen.Plural(s.Trunks, "trunk", "trunks")))
	}
	if words := s.WatchWords(); words != "" {
		t.Row("PBX", words)
	}
	if f := s.Fleet; f != nil {
		t.Row("fleet", screen.Clean(f.Words()))
	}
	if d := s.FleetDocument; d != nil {
		t.Row("document", documentWords(d))
	}
	if r := s.Reports; r != nil {
		t.Row("reports", Reports(r, now))
	}
	t.Print(on.Out)
	fmt.Fprintln(on.Out)
}

// banWords says how many bans are in force, and how many of them others of the fleet have made.
func banWords(s *blocklist.Status) string {
	all := screen.Plural(s.Bans, "ban", "bans")
	switch {
	case s.Fleet == nil || s.Fleet.Bans == 0:
		return all + " of this host"
	case s.Fleet.Bans >= s.Bans:
		return all + ", of the fleet"
	}
	return fmt.Sprintf("%s, of which %d of the fleet", all, s.Fleet.Bans)
}

// documentWords says what the operator's document of the fleet allows.
func documentWords(d *blocklist.DocumentStatus) string {
	if d.Serial == 0 {
		return "none of the fleet's operator has come yet"
	}
	return fmt.Sprintf("of the fleet's operator, serial %d of %s: %s and %s exempt", d.Serial, d.At.Local().Format(time.DateTime),
		screen.Plural(d.Allow, "host", "hosts"), screen.Plural(d.Trunks, "trunk", "trunks"))
}

// droppedWords says how many packets the rules have dropped, since when, and how fast.
func droppedWords(s *blocklist.Status) string {
	var packets, bytes uint64
	for _, set := range slices.Concat(s.Sets, s.BanSets) {
		p, b := s.Rules.Dropped(set.Name)
		packets, bytes = packets+p, bytes+b
	}
	words := fmt.Sprintf("%s (%s)", screen.Plural(int(packets), "packet", "packets"), humanize.IBytes(bytes))
	if since := s.Rules.Since; !since.IsZero() {
		words += " since " + since.Local().Format(time.DateTime)
	}
	if s.Agent != nil && s.Agent.Drops != nil {
		words += fmt.Sprintf(", lately %.3g a second", s.Agent.Drops.PerSecond)
	}
	return words
}

func nextWords(f feeds.Status, running *state.AgentStatus, now time.Time) string {
	switch {
	case f.Fetching:
		return "under way"
	case running == nil:
		return "-"
	case f.Next.IsZero():
		return "when it changes"
	case !f.Next.After(now):
		return "now"
	}
	return "in " + screen.Span(f.Next.Sub(now))
}

func feedWords(f feeds.Status) string {
	var words []string
	if f.LastSuccess.IsZero() && f.Problem != nil {
		words = append(words, "missing")
	} else if f.Stale {
		words = append(words, "STALE")
	}
	if f.Held != nil {
		words = append(words, fmt.Sprintf("held back (%d of %d)", f.Held.Agreed, feeds.Agreeing))
	} else if f.Problem != nil && !f.Untried() {
		words = append(words, f.Problem.Reason)
	}
	if f.Frozen {
		words = append(words, "frozen")
	}
	if len(words) == 0 {
		words = append(words, "ok")
	}
	if f.Mirror != "" {
		words = append(words, feeds.Via(f.Mirror))
	}
	return strings.Join(words, ", ")
}
