package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/agent"
)

// exitNotProtected is status's answer when nothing protects the host.
const exitNotProtected = 1

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how things stand",
		Long: `Tell from the kernel and the last good copies whether the host is protected,
what the sets hold, where their members are dropped and how old the feeds are.

Exit status: 0 protected; 3 protected, but a feed is stale or in trouble, or the
rules are not as they should be; 1 not protected; 2 error.`,
		Example: `  voipbl status
  voipbl status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd) },
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) status(cmd *cobra.Command) error {
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	now := time.Now()
	s, err := agent.ReadStatus(cmd.Context(), cfg, version, now)
	if err != nil {
		return &exitError{exitUsage, err}
	}
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

func (a *app) printStatus(s *agent.Status, now time.Time) {
	if s.Protected {
		fmt.Fprintln(a.out, a.paint("protected", green))
	} else {
		fmt.Fprintln(a.out, a.paint("not protected", red))
	}
	for _, p := range s.Problems {
		fmt.Fprintln(a.out, "  "+clean(p))
		if rules := s.Rules.Problem; rules != nil && rules.Error == p && rules.Remedy != "" {
			fmt.Fprintln(a.out, "    try: "+clean(rules.Remedy))
		}
	}
	fmt.Fprintln(a.out)
	sets := table{right: []int{1, 2, 3, 4, 5}}
	sets.row("set", "entries", "lengths", "memory", "rules", "dropped")
	for _, set := range s.Sets {
		if !set.Exists {
			sets.row(set.Name, "none", "", "", "", "")
			continue
		}
		sets.row(set.Name, count(set.Entries), strconv.Itoa(len(set.Lengths)), humanize.IBytes(uint64(set.Memory)), strconv.Itoa(set.References), count(set.Packets))
	}
	sets.print(a.out)
	fmt.Fprintln(a.out)
	a.printRulesStatus(s.Rules)
	feeds := table{right: []int{1}}
	feeds.row("feed", "entries", "last success", "failures", "state")
	for _, f := range s.Feeds {
		feeds.row(shorten(f.Name, 24), count(f.Entries), ago(f.LastSuccess, now), strconv.Itoa(f.Failures), feedWords(f))
	}
	feeds.print(a.out)
	for _, f := range s.Feeds {
		if f.Problem != nil {
			fmt.Fprintf(a.out, "  %s: %s\n", f.Name, clean(f.Problem.Error))
			if f.Problem.Remedy != "" {
				fmt.Fprintf(a.out, "    try: %s\n", clean(f.Problem.Remedy))
			}
		}
	}
}

func feedWords(f agent.FeedStatus) string {
	var words []string
	if f.Stale {
		words = append(words, "STALE")
	}
	if f.Held != nil {
		words = append(words, "held back")
	}
	if f.Problem != nil {
		words = append(words, f.Problem.Reason)
	}
	if len(words) == 0 {
		return "ok"
	}
	return strings.Join(words, ", ")
}
