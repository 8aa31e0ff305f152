package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/member"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) fleetRunCommand() *cobra.Command {
	var (
		runDir  string
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Take part in the fleet, as voipbl-fleet.service does",
		Long: `Tell the hub of this host's bans, and the agent of those of others that count
here. It needs no rights but to reach the agent's socket, from which it also has
its settings and its credentials; it keeps no file. Without the agent it waits.
Without the hub it tries again, and bans stay until their end. When the settings
change, it begins anew at once. The socket is in run_dir of the configuration,
if it may read that and --run-dir does not say where.

Exit status: 0 ended by a signal; 1 failed; 2 usage.`,
		Example: `  systemctl enable --now voipbl-fleet    as a service`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			memory.ForWatcher()
			if !cmd.Flags().Changed("run-dir") {
				if text, err := os.ReadFile(a.configFile); err == nil { // it may be for root only
					runDir = config.RunDir(text)
				}
			}
			m := &member.Member{Log: screen.NewLog(a.Err, verbose), Agent: &member.Socket{RunDir: runDir}, Alive: aliveTo(systemd), Version: version}
			err := m.Run(cmd.Context())
			for errors.Is(err, member.ErrSettings) {
				m.Log.Info("the settings have changed: begins anew")
				err = m.Run(cmd.Context())
			}
			switch {
			case err == nil, errors.Is(err, context.Canceled):
				return nil
			}
			return &exit.Error{Code: exit.NotApplied, Err: err}
		},
	}
	cmd.Flags().StringVar(&runDir, "run-dir", config.Default().RunDir, "the agent's run_dir, a `FOLDER`")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	return cmd
}
