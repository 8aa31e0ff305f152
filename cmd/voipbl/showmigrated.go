package main

import (
	"fmt"

	"github.com/voipbl/voipbl/migrate"
)

// printMigrated shows what was taken out of the published voipbl.sh, or would be.
func (on *Screen) printMigrated(done *migrate.Migrated, dryRun bool) {
	if on.json {
		on.printJSON(done)
		return
	}
	if done.Nothing() {
		fmt.Fprintln(on.out, "nothing of voipbl.sh is on this host")
		return
	}
	if l := done.Lost; l != nil {
		fmt.Fprintf(on.err, "voipbl: %s\n  try: %s\n", clean(l.Words()), clean(l.Remedy()))
	}
	for _, s := range done.Saved {
		fmt.Fprintf(on.err, "voipbl: %s\n  try: %s\n", clean(s.String()), clean(s.Remedy()))
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
			fmt.Fprintf(on.out, "%s: %s %s\n", verb, part.what, clean(one))
		}
	}
}
