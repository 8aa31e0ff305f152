package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	machine "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/show"
	"github.com/voipbl/voipbl/takeover"
)

func (a *app) reloadCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the agent reload its configuration",
		Long: `Make the agent reload its configuration, and wait until it is in force. One with
a mistake is refused as a whole, and the old one stays in force. What the new
one takes away (base rules, trunks, networks, lists …) is listed. New base rules
wait for "voipbl firewall apply"; reload says which rules are not in force, and
why.

Exit status: 0 in force; 1 refused by the agent, or no agent is running; 2
usage or configuration; 3 reloaded, but the rules are not as configured, or the
agent reads another file, which says something else.`,
		Example: `  voipbl reload`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			agent, trouble := takeover.ReloadAgent(cmd.Context(), cfg, a.configFile, wait)
			if agent == nil {
				return &exit.Error{Code: exit.NotApplied, Err: trouble}
			}
			show.Followed(a.Screen, agent)
			show.Saved(a.Screen, reach.SavedRenamed(machine.SavedRules("/"), cfg))
			show.Note(a.Screen, rules.DropLogNote(cfg))
			if trouble != nil {
				return &exit.Error{Code: exit.Stale, Err: trouble}
			}
			// Report what status would.
			status, err := blocklist.ReadStatus(reach.AtOneMoment(cmd.Context()), cfg, version, time.Now(), blocklist.File{})
			switch {
			case err != nil:
				return &exit.Error{Code: exit.Stale, Err: err}
			case status.Rules.Problem != nil:
				return &exit.Error{Code: exit.Stale, Err: status.Rules.Problem.Err()}
			case len(status.Families) > 0:
				show.Families(a.Screen, status.Families)
				return &exit.Error{Code: exit.Stale}
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", defaultWait, "how long to wait for the agent")
	return cmd
}
