package blocklist

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/genfeed"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/iptables"
)

// TestToolRuns counts the tools that a sync runs, which cost it more than anything else besides the entries
// themselves. Rules that nobody changes are listed once, a kernel without tables not at all, and only legacy
// tools are asked to test.
func TestToolRuns(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		for _, base := range []bool{false, true} {
			t.Run(fmt.Sprint(backend, " ", base), func(t *testing.T) {
				testns.Enter(t)
				log := logTools(t, backend)
				dir := t.TempDir()
				var many bytes.Buffer // so that a tool that is stopped unasked has written its name before
				if _, err := genfeed.Write(&many, genfeed.Default(50_000)); err != nil {
					t.Fatal(err)
				}
				write := func(text string) {
					if err := os.WriteFile(dir+"/list", append(many.Bytes(), text...), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				cfg, err := config.Parse("test.yaml", fmt.Appendf(nil, `
state_dir: %[1]s/state
run_dir: %[1]s/run
feeds: [{name: list, path: %[1]s/list}]
firewall: {backend: %[2]s, base: %[3]v, local_networks: [192.168.1.0/24]}
`, dir, backend, base))
				if err != nil {
					t.Fatal(err)
				}
				runs := func(what string, want ...string) {
					t.Helper()
					if err := os.WriteFile(log, nil, 0o600); err != nil {
						t.Fatal(err)
					}
					report, err := Sync(t.Context(), cfg, feeds.Options{Version: "test"})
					if err != nil || report.Outcome != InForce {
						t.Fatalf("%s: %s %v %v", what, report.Outcome, err, report.Warnings)
					}
					text, err := os.ReadFile(log)
					if err != nil {
						t.Fatal(err)
					}
					got := strings.Fields(string(text))
					slices.Sort(got)
					var both []string
					for _, w := range want {
						both = append(both, "iptables-"+w, "ip6tables-"+w)
					}
					slices.Sort(both)
					if !slices.Equal(got, both) {
						t.Errorf("%s: it ran\n%s, not\n%s", what, strings.Join(got, " "), strings.Join(both, " "))
					}
				}
				write("20.0.0.1\n")
				if backend == "nft" {
					runs("at first", "restore", "save")
				} else {
					runs("at first", "save", "test", "restore", "save")
				}
				runs("nothing has changed", "save")
				write("20.0.0.2\n")
				runs("the list has changed", "save")
				if out, err := exec.Command("iptables-"+backend, "-A", "FORWARD", "-s", "198.51.100.7", "-j", "DROP").CombinedOutput(); err != nil {
					t.Fatalf("%s: %v", out, err)
				}
				runs("another program's rule", "save")
				if out, err := exec.Command("iptables-"+backend, "-F").CombinedOutput(); err != nil {
					t.Fatalf("%s: %v", out, err)
				}
				report, err := Sync(t.Context(), cfg, feeds.Options{Version: "test"})
				if err != nil || len(report.Rules.Changes) == 0 {
					t.Errorf("flushed rules: %v", err)
				}
			})
		}
	}
}

// logTools has the tools that list and restore rules write their names into a file.
func logTools(t *testing.T, backend string) (log string) {
	t.Helper()
	dir := t.TempDir()
	log = filepath.Join(dir, "log")
	for _, f := range iptables.Families {
		for _, verb := range []string{"save", "restore"} {
			name := f.Command() + "-" + backend + "-" + verb
			program, err := exec.LookPath(name)
			if err != nil {
				t.Fatal(err)
			}
			script := fmt.Sprintf("#!/bin/sh\nverb=%s\ncase \"$*\" in *--test*) verb=test;; esac\necho %s-$verb >>%s\nexec %s \"$@\"\n", verb, f.Command(), log, program)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return log
}
