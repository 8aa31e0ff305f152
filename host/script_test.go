package host

import (
	"os"
	"path/filepath"
	"testing"
)

// What runs the published script, whether that can be taken out, and whether it ran.
func TestScriptLines(t *testing.T) {
	const inCrond, ofUser = "etc/cron.d/voipbl", "var/spool/cron/crontabs/root"
	for _, c := range []struct {
		file, line      string
		alone, neverRan bool
	}{
		{inCrond, "0 */4 * * * root /usr/local/bin/voipbl.sh", true, false},
		{inCrond, "@daily root /usr/local/bin/voipbl.sh", true, false},
		{inCrond, "0 */4 * * * root /usr/local/bin/voipbl.sh && /usr/bin/backup", false, false},
		{inCrond, "0 */4 * * * * root /usr/local/bin/voipbl.sh", true, true}, // as published
		{inCrond, "0 */4 * * *\t*\troot\t/usr/local/bin/voipbl.sh >/dev/null 2>&1", true, true},
		{inCrond, "0 */4 * * * * root /usr/local/bin/voipbl.sh && /usr/bin/backup", false, true},
		{ofUser, "0 */4 * * * /usr/local/bin/voipbl.sh", true, false},
		{ofUser, "0 */4 * * * * /usr/local/bin/voipbl.sh", true, true},
		{ofUser, "0 */4 * * * * root /usr/local/bin/voipbl.sh", true, true},
		{"etc/anacrontab", "1 5 voipbl /usr/local/bin/voipbl.sh", true, false},
	} {
		root := t.TempDir()
		file := filepath.Join(root, c.file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("# update blacklist\n"+c.line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		want := ScriptLine{File: "/" + c.file, Line: 2, Text: c.line, Alone: c.alone, NeverRan: c.neverRan}
		if got := ScriptLines(root); len(got) != 1 || got[0] != want {
			t.Errorf("%s, %q: %+v, want %+v", c.file, c.line, got, want)
		}
	}
}
