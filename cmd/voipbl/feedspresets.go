package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/setup"
	"github.com/voipbl/voipbl/show"
)

func (a *app) feedsPresetsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "presets",
		Short: "Show well-known lists that can be added",
		Long: `Show well-known lists that "voipbl feeds add" adds to the configuration: what is
in each, what its publisher asks for, and where it comes from. * marks those
that the configuration has.

Exit status: 0 shown, 2 error.`,
		Example: `  voipbl feeds presets
  voipbl feeds presets --json    for programs; with the text of each feed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.feedsPresets(cmd) },
	}
	a.jsonFlag(cmd)
	return cmd
}

// preset is a preset as it is printed.
type preset struct {
	feeds.Preset
	Configured bool `json:"configured"` // the configuration has a feed of that name
}

func (a *app) feedsPresets(cmd *cobra.Command) error {
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	all := []preset{}
	has := make(map[string]bool)
	for _, f := range cfg.Feeds {
		has[f.Name] = true
	}
	for _, p := range feeds.Presets() {
		all = append(all, preset{p, has[p.Name]})
	}
	if a.JSON {
		a.PrintJSON(all)
		return nil
	}
	show.Presets(a.Screen, feeds.Presets(), has)
	return nil
}

func (a *app) feedsAddCommand() *cobra.Command {
	var opts setup.AddFeedOptions
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a well-known list to the configuration",
		Long: `Add a well-known list, of those that "voipbl feeds presets" shows, to the feeds
of the configuration, with the schedule, format and limits that suit it. A copy
of the old file is kept beside it. A running agent fetches the list; without
one, "voipbl sync" does. The feed is yours to change: an upgrade leaves it
alone.

It can be run again at any time: a feed of that name stays as it is.

Exit status: 0 added, there already, or --dry-run; 1 not added, or the agent
does not take it over; 2 usage or configuration.`,
		Example: `  voipbl feeds add blocklist-de-sip
  voipbl feeds add spamhaus-drop --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Name, opts.ConfigFile = args[0], a.configFile
			report, err := setup.AddFeed(cmd.Context(), opts)
			return a.showAddedFeed(report, err, opts.DryRun)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			for _, p := range feeds.Presets() {
				names = append(names, cobra.CompletionWithDesc(p.Name, p.About))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "change nothing, and show what would be added")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

// showAddedFeed shows the result of add, and returns its error.
func (a *app) showAddedFeed(r *setup.AddedFeed, err error, dry bool) error {
	if a.shown(r, r.Error) {
		return err
	}
	switch {
	case dry:
		fmt.Fprintf(a.Out, "would add to %s:\n\n%s\n", a.configFile, strings.TrimRight("  "+strings.ReplaceAll(r.Text, "\n", "\n  "), " \n"))
	case !r.Added:
		fmt.Fprintf(a.Out, "%s has a feed %s already\n", a.configFile, r.Name)
	case r.Agent:
		fmt.Fprintf(a.Out, "added to %s; the agent fetches it (\"voipbl status\")\n", a.configFile)
	default:
		fmt.Fprintf(a.Out, "added to %s; no agent runs, so fetch it with \"voipbl sync\"\n", a.configFile)
	}
	return err
}
