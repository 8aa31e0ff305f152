package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/show"
	"github.com/voipbl/voipbl/worth"
)

func (a *app) feedsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "feeds",
		Short: "Show what each feed is worth, or add well-known lists",
		Long: `Show what each feed is worth: what only it has and what it shares with which
other feed, how many packets its entries have stopped since when, and what of it
is exempt and so not blocked, which is a false alarm of the feed. It compares
the last good copies. An entry that several feeds have counts for each of them.

Exit status: 0 shown, 2 error.`,
		Example: `  voipbl feeds
  voipbl feeds --json    for programs; with all that feeds share
  voipbl feeds presets   well-known lists that "voipbl feeds add" adds`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.feeds(cmd) },
	}
	a.jsonFlag(cmd)
	cmd.AddCommand(a.feedsPresetsCommand(), a.feedsAddCommand())
	return cmd
}

func (a *app) feeds(cmd *cobra.Command) error {
	cfg, err := a.inForce(cmd)
	if err != nil {
		return err
	}
	now := time.Now()
	status, err := blocklist.ReadStatus(reach.AtOneMoment(cmd.Context()), cfg.Config, version, now, cfg.other())
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	r, err := worth.Read(cmd.Context(), cfg.Config, status)
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	a.Warnings(r.Warnings)
	if a.JSON {
		a.PrintJSON(r)
	} else {
		show.Feeds(a.Screen, status, r, now)
	}
	return nil
}
