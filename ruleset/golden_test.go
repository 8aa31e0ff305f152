package ruleset_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
)

var update = flag.Bool("update", false, "write the golden files anew")

const goldenFolder = "testdata/rules"

// goldenFile returns the name of the file with a configuration's rules, such as "base.ipv6".
func goldenFile(configuration string, f iptables.Family) string {
	return filepath.Join(goldenFolder, configuration+"."+strings.ToLower(f.String()))
}

// TestGolden compares all that is restored into an empty kernel with files.
func TestGolden(t *testing.T) {
	golden := make(map[string]bool)
	for name, s := range testrules.Configurations() {
		for _, f := range iptables.Families {
			file := goldenFile(name, f)
			golden[file] = true
			t.Run(filepath.Base(file), func(t *testing.T) {
				got := firewall.NewPlan(s.Tables(f), testrules.Empty(t, f), nil).Text
				if *update {
					if err := errors.Join(os.MkdirAll(goldenFolder, 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatalf("%v: write it with -update, and read it", err)
				}
				if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
					t.Errorf("not as in %s (-want +got):\n%s", file, diff)
				}
			})
		}
	}
	err := filepath.WalkDir(goldenFolder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !golden[path] {
			t.Errorf("%s is of no configuration", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
