package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
)

// defaultWait is how long a command waits for another one: longer than a sync with one slow feed
// takes.
const defaultWait = 2 * time.Minute

func (a *app) syncCommand() *cobra.Command {
	var opts feeds.Options
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Fetch the feeds and apply them",
		Long: `Fetch every feed, screen and aggregate what it lists, make the kernel's sets
hold exactly that, by one atomic swap each, and see to it that the firewall's
rules drop their members. A feed that fails keeps its last good copy in force.
It names whom the lists newly block while this host talks with them: a friend
perhaps, with a call. on_impact in the configuration says what becomes of such
a list.

Exit status: 0 in force and every feed fresh; 3 in force, but a feed is stale,
held back or missing, its copy could not be kept, newer lists wait (on_impact:
hold), a folder is full, no list has anything to block (status then says "not
protected", unless bans are in force), a name in allow or trunks was never
resolved, the base rules are not installed as configured, the agent hangs or
has died, or rules saved for the next boot name a set of an old name; 1 not
applied, the kernel is as it was, or (it says so) only its rules are; 2 usage
or configuration. With --dry-run 0 and 3 say the same of what would be.`,
		Example: `  voipbl sync               fetch and apply
  voipbl sync --dry-run     show what would change
  voipbl sync --offline     apply the last good copies, without a network
  voipbl sync --sets-only   leave the rules as they are
  voipbl sync --force       believe a list that differs much from before, and
                            apply it whoever is cut off`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sync(cmd, opts) },
	}
	cmd.Flags().BoolVarP(&opts.DryRun, "dry-run", "n", false, "show what would change, and leave the kernel alone")
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "use the last good copies instead of the network")
	cmd.Flags().BoolVar(&opts.SetsOnly, "sets-only", false, "leave the rules as they are")
	cmd.Flags().BoolVar(&opts.Force, "force", false, "apply lists that are held back, whoever is cut off")
	waitFlag(cmd, &opts.Wait)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) sync(cmd *cobra.Command, opts feeds.Options) error {
	cfg, err := a.loadConfig(cmd)
	if err != nil && opts.SetsOnly && opts.Offline {
		// sync runs at boot, when perhaps nobody can fix the file.
		a.ShowError(err)
		cfg, err = a.orLastGood(cfg, err)
	}
	if err != nil {
		return err
	}
	opts.Version, opts.ConfigFile, opts.Waiting = version, a.configFile, a.ShowWaiting
	progress := screen.NewProgress(a.Err)
	opts.Progress = progress.Show
	report, err := blocklist.Sync(cmd.Context(), cfg, opts)
	progress.Clear()
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: the kernel is as it was")
		if report.Outcome == blocklist.RulesFailed {
			err = errors.New("interrupted: the sets hold the new lists, the rules are as they were")
		}
	}
	show.Troubles(a.Screen, report)
	if a.JSON {
		a.PrintJSON(report)
	} else if err == nil {
		show.Sync(a.Screen, report)
	}
	switch {
	case err != nil:
		return &exit.Error{Code: exit.NotApplied, Err: err}
	case report.Troubled():
		return &exit.Error{Code: exit.Stale}
	}
	return nil
}

// orLastGood returns the last good configuration, or the mistake if there is none.
func (a *app) orLastGood(cfg config.Config, mistake error) (config.Config, error) {
	if good, err := a.lastGoodConfig(); err == nil {
		fmt.Fprintln(a.Err, "voipbl: the last good configuration is used instead")
		return good, nil
	}
	return cfg, mistake
}
