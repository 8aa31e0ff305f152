package setup

import (
	"context"
	"fmt"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/migrate"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
)

// printScript says that the published voipbl.sh is on this host, and where.
func (s *setup) printScript() {
	if len(s.report.Script) == 0 {
		return
	}
	s.Folded("the published voipbl.sh is still on this host, and voipbl takes its place: it also blocks addresses that voipbl never blocks, from a list that nobody checks. It is:")
	for _, part := range s.report.Script {
		fmt.Fprintln(s.Out, "  - "+screen.Clean(part))
	}
	fmt.Fprintln(s.Out)
}

// agreeMigrate asks whether to remove the script.
func (s *setup) agreeMigrate(ctx context.Context) (err error) {
	if len(s.report.Script) > 0 && !s.Migrate {
		s.Migrate, err = s.asks.Yes(ctx, "Take voipbl.sh out, once voipbl's own rules are in force?", true)
	}
	return err
}

// takeOutScript removes the script, once lists and rules are in force. If voipbl does not protect
// the host then, the script stays and setup says why.
func (s *setup) takeOutScript(ctx context.Context, cfg config.Config) (stays bool) {
	if !s.Migrate || len(s.report.Script) == 0 {
		return false
	}
	done, err := migrate.Migrate(ctx, cfg, s.Version, false)
	s.report.Migrated = done
	if done != nil && !s.JSON {
		show.Migrated(s.Screen, done, false)
	}
	if err != nil {
		s.ShowError(err)
	}
	return err != nil
}

// scriptNext says how to remove the script later. It is empty if there is no script, or if
// migrating was tried.
func (s *setup) scriptNext() string {
	if len(s.report.Script) == 0 || s.report.Migrated != nil {
		return ""
	}
	return `"voipbl migrate" takes the published voipbl.sh out, once voipbl protects this host`
}
