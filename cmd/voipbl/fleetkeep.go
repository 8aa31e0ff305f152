package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) fleetKeepCommand() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "keep",
		Short: "Keep the hub as it should be, as voipbl-hub.service does",
		Long: `Make the streams in which the hub's server has the bans of all hosts, their
heartbeats and their lists, and mend them, once a minute and after each restart
of the server. Take out what revoked hosts have said, which a store from a
backup may have. Make the readers that hosts ask for: without this process, a
host that comes hears nothing. It needs no rights but the key that "voipbl fleet
init" has written for it.

Exit status: 0 ended by a signal; 1 failed; 2 usage.`,
		Example: `  systemctl enable --now voipbl-hub    as a service`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			memory.ForWatcher()
			k, err := enroll.ReadKeeper()
			if err != nil {
				return &exit.Error{Code: exit.NotApplied, Err: err}
			}
			aliveTo(systemd)() // it is ready: it waits for the server as long as it takes
			err = hub.Keep(cmd.Context(), hub.KeeperOptions{URLs: k.Hubs, Creds: []byte(k.Creds), Revoked: k.Revoked, Log: screen.NewLog(a.Err, verbose)})
			if err == nil || errors.Is(err, context.Canceled) {
				return nil
			}
			return &exit.Error{Code: exit.NotApplied, Err: err}
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	return cmd
}
