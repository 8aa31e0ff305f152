package setup

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/screen"
)

// TestSetupKeepsWhatWasEditedMeanwhile: the admin may edit the file in another window while setup
// waits for an answer. Such an edit is not lost.
func TestSetupKeepsWhatWasEditedMeanwhile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "voipbl.yaml")
	const old, edited, proposed = "set: voip_bl\n", "set: voip_bl\nallow: [9.9.9.9]\n", "set: voip_bl\nallow: [8.8.8.8]\n"
	for _, c := range []struct {
		name, was, now string // empty: there is no file
	}{
		{"edited", old, edited}, {"made", "", edited}, {"removed", old, ""},
	} {
		os.Remove(file)
		if c.now != "" {
			if err := os.WriteFile(file, []byte(c.now), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		s := &setup{Screen: screen.New(&out, &out), Options: Options{ConfigFile: file}}
		if c.was != "" {
			s.old = []byte(c.was)
		}
		err := s.putInForce(t.Context(), &advise.Proposal{Changed: true, Text: []byte(proposed), Config: config.Default()})
		if err == nil || err.Error() != file+" was changed meanwhile, so nothing is written" {
			t.Errorf("%s: %v", c.name, err)
		}
		if got, _ := os.ReadFile(file); string(got) != c.now {
			t.Errorf("%s: the file is now %q", c.name, got)
		}
		if found, _ := filepath.Glob(file + ".bak-*"); len(found) > 0 {
			t.Errorf("%s: there are %q", c.name, found)
		}
	}
}

// TestExampleNetwork: the example overlaps none of the known networks.
func TestExampleNetwork(t *testing.T) {
	for _, c := range []struct {
		known []string
		want  string
	}{
		{nil, "192.168.1.0/24"},
		{[]string{"192.168.2.0/24", "fd00::/8"}, "192.168.1.0/24"},
		{[]string{"192.168.1.0/24"}, "10.20.30.0/24"},
		{[]string{"192.168.0.0/16", "10.0.0.0/8"}, "172.20.1.0/24"},
	} {
		var known []netip.Prefix
		for _, text := range c.known {
			known = append(known, netip.MustParsePrefix(text))
		}
		if got := exampleNetwork(known); got != c.want {
			t.Errorf("%v: %s, not %s", c.known, got, c.want)
		}
	}
}
