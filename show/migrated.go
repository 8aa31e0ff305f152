package show

import (
	"fmt"

	"github.com/voipbl/voipbl/migrate"
	"github.com/voipbl/voipbl/screen"
)

// Migrated shows what was removed of the published voipbl.sh, or would be.
func Migrated(on *screen.Screen, done *migrate.Migrated, dryRun bool) {
	if on.JSON {
		on.PrintJSON(done)
		return
	}
	if done.Nothing() {
		fmt.Fprintln(on.Out, "nothing of voipbl.sh is on this host")
		return
	}
	if l := done.Lost; l != nil {
		fmt.Fprintf(on.Err, "voipbl: %s\n  try: %s\n", screen.Clean(l.Words()), screen.Clean(l.Remedy()))
	}
	for _, s := range done.Saved {
		fmt.Fprintf(on.Err, "voipbl: %s\n  try: %s\n", screen.Clean(s.String()), screen.Clean(s.Remedy()))
	}
	verb := "taken out"
	if dryRun {
		verb = "would be taken out"
	}
	for _, part := range []struct {
		what string
		all  []string
	}{{"cron", done.Lines}, {"rule", done.Rules}, {"set", done.Sets}} {
		for _, one := range part.all {
			fmt.Fprintf(on.Out, "%s: %s %s\n", verb, part.what, screen.Clean(one))
		}
	}
}
