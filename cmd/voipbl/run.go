package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/agent"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/memory"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) runCommand() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent, which keeps the host protected",
		Long: `Apply the last good copies and the rules, and keep running: fetch each feed on
its schedule, read local files as soon as they change, and repair what others do
to sets and rules. It tells systemd that it is ready once the host is protected,
which needs no network. SIGHUP reloads the configuration. SIGTERM ends the
agent, and sets and rules stay in force. If the configuration has a mistake, it
uses the one that was in force last.

Exit status: 0 ended by a signal, 1 the host could not be protected, 2 usage or
configuration.`,
		Example: `  systemctl enable --now voipbl    as a service
  voipbl run                       here, until Ctrl-C`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAgent(cmd, verbose) },
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")
	return cmd
}

func (a *app) runAgent(cmd *cobra.Command, verbose bool) error {
	memory.ForAgent()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	_, err := os.Stat(a.configFile)
	there := !errors.Is(err, fs.ErrNotExist)
	file := a.configFile
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	err = agent.Run(cmd.Context(), agent.RunOptions{
		Version: version, ConfigFile: file, Reload: hangup, Log: screen.NewLog(a.Err, verbose),
		Load: func() (config.Config, error) {
			// If a file that existed goes away, the defaults must not replace it.
			if _, err := os.Stat(a.configFile); there && err != nil {
				return config.Config{}, fmt.Errorf("the configuration is gone: %w", err)
			}
			return a.loadConfig(cmd)
		},
		LastGood: a.lastGoodConfig,
	})
	if exit := (*exit.Error)(nil); errors.As(err, &exit) {
		return exit // no configuration to start with
	}
	if err != nil && cmd.Context().Err() == nil {
		return &exit.Error{Code: exit.NotApplied, Err: err}
	}
	return nil
}
