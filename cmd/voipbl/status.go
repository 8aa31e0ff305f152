package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/show"
)

// exitNotProtected is the exit code of status if the host is not protected.
const exitNotProtected = 1

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the host is protected",
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
	s, err := blocklist.ReadStatus(reach.AtOneMoment(cmd.Context()), cfg.Config, version, now, cfg.other())
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	s.Add(cfg.trouble(s.Agent))
	if a.JSON {
		a.PrintJSON(s)
	} else {
		show.Status(a.Screen, s, now)
	}
	switch {
	case !s.Protected:
		return &exit.Error{Code: exitNotProtected}
	case s.Worrying():
		return &exit.Error{Code: exit.Stale}
	}
	return nil
}
