package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	machine "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/screen"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check or show the configuration",
		Long: `Check or show the configuration, which is /etc/voipbl/voipbl.yaml unless
--config names another. Without that file the defaults apply. For a commented
file with every key and its default see /usr/share/voipbl/voipbl.yaml.`,
		Example: `  voipbl config check
  voipbl config show`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Tell whether the configuration is valid",
		Long: `Tell whether the configuration is valid. All its mistakes are shown, with line
and column. Nothing is changed.

Exit status: 0 valid, 2 not.`,
		Example: "  voipbl config check\n  voipbl --config new.yaml config check",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.configCheck(cmd) },
	}, &cobra.Command{
		Use:   "show",
		Short: "Print the configuration, defaults included",
		Long: `Print the configuration with all keys, in the form of the file. Keys that the
file does not set have their defaults.

Exit status: 0 printed, 2 the configuration has a mistake.`,
		Example: "  voipbl config show",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.configShow(cmd) },
	})
	return cmd
}

func (a *app) configCheck(cmd *cobra.Command) error {
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	if _, err := os.Stat(a.configFile); err != nil {
		fmt.Fprintf(a.Out, "there is no %s: the defaults hold\n", a.configFile)
		return nil
	}
	fmt.Fprintf(a.Out, "%s is valid: %s\n", a.configFile, screen.Plural(len(cfg.Feeds), "feed", "feeds"))
	a.warnSecret(cfg)
	return nil
}

func (a *app) configShow(cmd *cobra.Command) error {
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	a.warnSecret(cfg)
	if _, err = a.Out.Write(cfg.Redacted().YAML()); err == nil && cfg.Limits.MaxEntries == config.EntriesAuto {
		fmt.Fprintf(a.Out, "# one list may have %s\n", feeds.EntriesHere(cfg).Words())
	}
	return err
}

// secretFile returns the configuration file if it has a secret in it and every user of this host
// may read it, otherwise "".
func secretFile(cfg config.Config, file string) string {
	if !cfg.HasSecret() || !machine.ReadableByAll(file) {
		return ""
	}
	return file
}

// warnSecret warns on stderr if every user may read a secret in the configuration.
func (a *app) warnSecret(cfg config.Config) {
	if file := secretFile(cfg, a.configFile); file != "" {
		f := advise.SecretShown(file)
		fmt.Fprintf(a.Err, "voipbl: %s\n  try: %s\n", screen.Clean(f.Text), screen.Clean(f.Remedy))
	}
}
