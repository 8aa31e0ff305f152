package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/state"
)

// printNames tells what is noteworthy about names of allow and trunks and is no problem.
func (on *Screen) printNames(s *blocklist.Status) {
	for _, n := range s.Names {
		if n.Warning != "" && !slices.Contains(s.Problems, n.Warning) {
			fmt.Fprintln(on.out, "  "+strings.Join(wrap(clean(n.Warning), columns-4), "\n    "))
		}
	}
}

// printStatus shows what status has found.
func (on *Screen) printStatus(s *blocklist.Status, now time.Time) {
	if s.Protected {
		fmt.Fprintln(on.out, on.paint("protected", green))
	} else {
		fmt.Fprintln(on.out, on.paint("not protected", red))
	}
	for _, p := range s.Problems {
		for line := range strings.SplitSeq(p, "\n") {
			fmt.Fprintln(on.out, "  "+on.paint(clean(line), yellow))
		}
		if remedy := s.Remedy(p); remedy != "" {
			fmt.Fprintln(on.out, "    try: "+clean(remedy))
		}
	}
	if rest := s.Rules.Rest; rest != nil && s.Protected {
		on.folded("  " + rest.Words(s.On()))
	}
	if p := s.DropLog; p != nil {
		on.folded("  " + clean(p.Error))
		on.folded("    try: " + clean(p.Remedy))
	}
	fmt.Fprintln(on.out)
	on.printAgent(s, now)
	sets := table{right: []int{1, 2, 3, 4, 5}}
	sets.row("set", "entries", "lengths", "memory", "rules", "counted")
	for _, set := range slices.Concat(s.Sets, s.BanSets) {
		if !set.Exists {
			sets.row(set.Name, "none", "", "", "", "")
			continue
		}
		sets.row(set.Name, count(set.Entries), strconv.Itoa(len(set.Lengths)), humanize.IBytes(uint64(set.Memory)), strconv.Itoa(set.References), count(set.Packets))
	}
	sets.print(on.out)
	fmt.Fprintln(on.out)
	on.printRulesStatus(s.Rules)
	if s.IPv6Left {
		fmt.Fprintln(on.out, "IPv6 is left alone (firewall.ipv6: off), and this host has IPv6 addresses:\nnobody is blocked over IPv6")
		fmt.Fprintln(on.out)
	}
	feeds := table{right: []int{1, 2}}
	feeds.row("feed", "entries", "rejected", "last success", "next", "state")
	for _, f := range s.Feeds {
		feeds.row(shorten(f.Name, 24), count(f.Entries), count(f.Rejects), ago(f.LastSuccess, now), nextWords(f, s.Agent, now), feedWords(f))
	}
	feeds.print(on.out)
	if s.MaxEntries.Auto {
		fmt.Fprintf(on.out, "one list may have %s\n", s.MaxEntries.Words())
	}
	on.printNames(s)
}

// printAgent shows what is known of the agent, and what it has counted.
func (on *Screen) printAgent(s *blocklist.Status, now time.Time) {
	t := table{}
	switch g := s.Agent; {
	case g != nil:
		t.row("agent", fmt.Sprintf("version %s, running since %s (process %d)", g.Version, g.Since.Local().Format(time.DateTime), g.PID))
		if n := g.Repairs.Rules + g.Repairs.Sets; n > 0 {
			last := g.Repairs.Last[0]
			t.row("repaired", fmt.Sprintf("rules %s, sets %s, which others had changed; the last %s:", times(g.Repairs.Rules), times(g.Repairs.Sets), ago(last.At, now)))
			for _, found := range last.Found[:min(len(last.Found), shownOthers)] {
				t.row("", shorten(clean(found), 68))
			}
		}
	case s.AgentError != nil:
		t.row("agent", "in trouble: see above")
	default:
		t.row("agent", "none is running: lists are renewed by \"voipbl sync\" only")
	}
	t.row("dropped", droppedWords(s))
	if s.Bans > 0 {
		t.row("bans", fmt.Sprintf("%s of this host: see \"voipbl bans\"", plural(s.Bans, "ban", "bans")))
	}
	if r := s.Reports; r != nil {
		t.row("reports", reportsWords(r, now))
	}
	t.print(on.out)
	fmt.Fprintln(on.out)
}

// droppedWords tells how much the rules have dropped, since when, and how fast.
func droppedWords(s *blocklist.Status) string {
	var packets, bytes uint64
	for _, d := range s.Rules.Drops {
		packets += d.Packets
		bytes += d.Bytes
	}
	words := fmt.Sprintf("%s (%s)", plural(int(packets), "packet", "packets"), humanize.IBytes(bytes))
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
	return "in " + span(f.Next.Sub(now))
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
		return "ok"
	}
	return strings.Join(words, ", ")
}
