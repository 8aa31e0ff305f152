package survey

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what was found on the made-up machines")

// TestMadeUpMachines looks at machines whose files are in testdata, with the expected result beside
// each. Processes and sockets are those of the real machine, so they are not compared.
func TestMadeUpMachines(t *testing.T) {
	for _, name := range []string{"plain", "freepbx", "broken", "syntax", "routers"} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join("testdata", name)
			f := Look(t.Context(), Options{Root: root})
			for i := range f.PBXs {
				f.PBXs[i].Running = false
			}
			f.Networks, f.Listeners, f.Tunnels, f.XTRecent, f.Docker = nil, nil, nil, nil, nil
			got, err := json.MarshalIndent(f, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := root + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestEmptyMachine looks at a machine without any files: no field is null in JSON.
func TestEmptyMachine(t *testing.T) {
	f := Look(t.Context(), Options{Root: t.TempDir()})
	if f.Asterisk != nil || f.Fail2ban != nil || len(f.PBXs) > 0 {
		t.Errorf("there are %+v", f)
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("%s", text)
	}
}
