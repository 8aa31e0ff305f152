package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/setnames"
)

func (a *app) removeCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Remove rules and sets from the kernel",
		Long: `Remove voipbl's rules and chains from the kernel, and then its sets. Rules,
chains and sets of others stay as they are; while one of them uses a set or
chain of voipbl's, nothing is removed. The copies of the feeds stay in the state
folder. Sets with names that were configured earlier since the host booted are
removed, too. If the configuration has a mistake, the one that was in force last
is used.

Exit status: 0 removed, or there was nothing; 3 removed, but sets stay that may
be voipbl's, since the names that were configured before are lost (it names
them); 1 not removed; 2 usage or configuration.`,
		Example: "  voipbl remove",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig(cmd)
			if errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err != nil {
				// An admin who removes voipbl will not repair its configuration first.
				a.ShowError(err)
				by := "the last good configuration"
				if cfg, err = a.lastGoodConfig(); err != nil {
					cfg, by = setnames.LastConfig(), "the defaults"
				}
				fmt.Fprintf(a.Err, "voipbl: going by %s, and the sets %s, %s, %s and %s\n", by, cfg.SetName(0), cfg.SetName(1), cfg.BanSetName(0), cfg.BanSetName(1))
			}
			removed, err := blocklist.Remove(cmd.Context(), cfg, wait)
			if removed != nil {
				a.printRemoved(removed)
			}
			if err != nil {
				return &exit.Error{Code: exit.NotApplied, Err: err}
			}
			for _, s := range removed.Saved {
				fmt.Fprintf(a.Err, "voipbl: %s\n  try: %s\n", screen.Clean(s.String()), screen.Clean(s.Remedy()))
			}
			if removed.Unknown != nil {
				return &exit.Error{Code: exit.Stale, Err: removed.Unknown}
			}
			if removed.Nothing() {
				fmt.Fprintln(a.Out, "there is nothing to remove")
			}
			return nil
		},
	}
	waitFlag(cmd, &wait)
	return cmd
}

func (a *app) printRemoved(r *blocklist.Removed) {
	for _, s := range slices.Concat(r.Stays, r.Notes) {
		fmt.Fprintln(a.Err, "voipbl: "+s)
	}
	if n := len(r.Rules); n > 0 {
		fmt.Fprintf(a.Out, "removed %s\n", screen.Plural(n, "rule or chain", "rules and chains"))
	}
	for _, name := range r.Chains {
		fmt.Fprintln(a.Out, "removed chain "+name)
	}
	for _, name := range r.Sets {
		fmt.Fprintln(a.Out, "removed set "+name)
	}
}
