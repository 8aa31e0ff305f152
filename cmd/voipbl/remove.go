package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/agent"
)

func (a *app) removeCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Take the sets out of the kernel",
		Long: `Take the sets out of the kernel. Rules that use them are taken out first, by
whoever put them in: while there is one, nothing is removed. The copies of the
feeds stay in the state folder.

Exit status: 0 removed, or there was nothing; 1 not removed; 2 usage or
configuration.`,
		Example: "  voipbl remove",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			removed, foreign, err := agent.Remove(cmd.Context(), cfg, wait)
			for _, f := range foreign {
				fmt.Fprintln(a.err, "voipbl: "+f)
			}
			for _, name := range removed {
				fmt.Fprintln(a.out, "removed set "+name)
			}
			if err != nil {
				return &exitError{exitNotApplied, err}
			}
			if len(removed) == 0 {
				fmt.Fprintln(a.out, "there is nothing to remove")
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", defaultWait, "how long to wait for another voipbl to finish")
	return cmd
}
