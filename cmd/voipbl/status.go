package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/state"
)

// exitNotProtected is status's answer when nothing protects the host.
const exitNotProtected = 1

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how things stand",
		Long: `Tell whether the host is protected and if not why, what the sets hold, where
their members are dropped, how often and since when, how old the feeds are and
when each is due, and what was repaired. It asks the kernel, the last good
copies and, if one is running, the agent.

Exit status: 0 protected; 3 protected, but a feed is stale or in trouble, the
rules or sets are not as they should be, or the agent is in trouble; 1 not
protected, such as by sets that block nobody; 2 error.`,
		Example: `  voipbl status
  voipbl status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd) },
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) status(cmd *cobra.Command) error {
	cfg, err := a.inForce(cmd)
	if err != nil {
		return err
	}
	now := time.Now()
	s, err := blocklist.ReadStatus(reach.AtOneMoment(cmd.Context()), cfg.Config, version, now, cfg.mistake)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	s.Add(cfg.trouble(s.Agent))
	if a.json {
		a.printJSON(s)
	} else {
		a.printStatus(s, now)
	}
	switch {
	case !s.Protected:
		return &exitError{code: exitNotProtected}
	case s.Worrying():
		return &exitError{code: exitStale}
	}
	return nil
}

func (a *app) printStatus(s *blocklist.Status, now time.Time) {
	if s.Protected {
		fmt.Fprintln(a.out, a.paint("protected", green))
	} else {
		fmt.Fprintln(a.out, a.paint("not protected", red))
	}
	for _, p := range s.Problems {
		for line := range strings.SplitSeq(p, "\n") {
			fmt.Fprintln(a.out, "  "+a.paint(clean(line), yellow))
		}
		if remedy := s.Remedy(p); remedy != "" {
			fmt.Fprintln(a.out, "    try: "+clean(remedy))
		}
	}
	if rest := s.Rules.Rest; rest != nil && s.Protected {
		a.folded("  " + rest.Words(s.On()))
	}
	if p := s.DropLog; p != nil {
		a.folded("  " + clean(p.Error))
		a.folded("    try: " + clean(p.Remedy))
	}
	fmt.Fprintln(a.out)
	a.printAgent(s, now)
	sets := table{right: []int{1, 2, 3, 4, 5}}
	sets.row("set", "entries", "lengths", "memory", "rules", "counted")
	for _, set := range slices.Concat(s.Sets, s.BanSets) {
		if !set.Exists {
			sets.row(set.Name, "none", "", "", "", "")
			continue
		}
		sets.row(set.Name, count(set.Entries), strconv.Itoa(len(set.Lengths)), humanize.IBytes(uint64(set.Memory)), strconv.Itoa(set.References), count(set.Packets))
	}
	sets.print(a.out)
	fmt.Fprintln(a.out)
	a.printRulesStatus(s.Rules)
	if s.IPv6Left {
		fmt.Fprintln(a.out, "IPv6 is left alone (firewall.ipv6: off), and this host has IPv6 addresses:\nnobody is blocked over IPv6")
		fmt.Fprintln(a.out)
	}
	feeds := table{right: []int{1, 2}}
	feeds.row("feed", "entries", "rejected", "last success", "next", "state")
	for _, f := range s.Feeds {
		feeds.row(shorten(f.Name, 24), count(f.Entries), count(f.Rejects), ago(f.LastSuccess, now), nextWords(f, s.Agent, now), feedWords(f))
	}
	feeds.print(a.out)
	if s.MaxEntries.Auto {
		fmt.Fprintf(a.out, "one list may have %s\n", s.MaxEntries.Words())
	}
	a.printNames(s)
}

// printAgent shows what is known of the agent, and what it has counted.
func (a *app) printAgent(s *blocklist.Status, now time.Time) {
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
	t.print(a.out)
	fmt.Fprintln(a.out)
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

// span is a time to come, to the minute where that matters.
func span(d time.Duration) string {
	d = d.Round(time.Minute)
	switch hours := int(d.Hours()); {
	case hours >= 48:
		return fmt.Sprintf("%d days", hours/24)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d min", max(1, int(d.Minutes())))
}

func times(n int) string { return plural(n, "time", "times") }

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
