package main

import (
	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/migrate"
	"github.com/voipbl/voipbl/show"
)

func (a *app) migrateCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Take out the published voipbl.sh, once voipbl takes its place",
		Long: `Remove what VoIPBL's published script voipbl.sh has left on this host: the lines
of cron that run it (they become comments), its rule or its chain
BLACKLIST-INPUT, and its sets. Nothing is removed before voipbl's own rules drop
what its lists block, so the host is protected all the time. The script itself
stays, and so do blocklists of other programs. Nothing is removed if something
else would be lost: a line that also runs other programs, a rule of yours that
uses the script's set, a rule in FORWARD where voipbl has none. While the script
runs, its set and rules stay, since it would put them back. Addresses that it
blocks and voipbl does not are counted, with an example.

Exit status: 0 taken out, or there was nothing; 1 not taken out; 2 usage or
configuration.`,
		Example: `  voipbl migrate --dry-run
  voipbl migrate`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.usedConfig(cmd)
			if err != nil {
				return err
			}
			done, err := migrate.Migrate(cmd.Context(), cfg, version, dryRun)
			if done != nil && (err == nil || !done.Nothing()) {
				show.Migrated(a.Screen, done, dryRun)
			}
			if err != nil {
				return &exit.Error{Code: exit.NotApplied, Err: err}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "show what would be taken out")
	a.jsonFlag(cmd)
	return cmd
}
