package asterisk

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestRealAsterisk compares what is read from a configuration with the ports that a real Asterisk
// then opens, and with its warnings about lines that it does not understand.
func TestRealAsterisk(t *testing.T) {
	const wss = "[wss]\ntype = transport\nprotocol = wss\nbind = 0.0.0.0\n"
	for name, files := range map[string]map[string]string{
		"defaults": {"iax.conf": "[general]\n", "http.conf": "[general]\nenabled = yes\nbindaddr = 0.0.0.0\n"},
		"ports": {
			"iax.conf":  "[general]\nbindport = 4600\nbindaddr = 0.0.0.0\nbindport = 4601\nbindaddr = 127.0.0.1\nbindaddr = 127.0.0.2:4602\n",
			"http.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 9000\n",
		},
		"no address": {"iax.conf": "[general]\nbindport = 80\n", "http.conf": "[general]\nenabled = yes\n"},
		"a directive": {
			"iax.conf": "[general]\n#if something\nno sign\n= no name\nbindport = 4650\n#include\n;-- an open comment\n", "http.conf": "[general]\n#exec /bin/true\nenabled = yes\nbindaddr = 0.0.0.0\nbindport = 9001\n",
		},
		"a cut include": {
			"iax.conf": "[general]\n#include iax_more.conf\nbindport = 4660\n", "iax_more.conf": "[general](+)\n[half\nbindport = 4661\n", "http.conf": "[general]\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			testns.Enter(t)
			files = maps.Clone(files)
			files["pjsip.conf"] = testasterisk.Transports + wss
			files["extensions.conf"] = testasterisk.Extensions
			testasterisk.Start(t, files)
			root := t.TempDir()
			etc := filepath.Join(root, "etc/asterisk")
			if err := os.MkdirAll(etc, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			l := probe.New(t.Context(), root)
			found := Look(l)
			for _, u := range l.Unknowns() {
				if name != "a cut include" && strings.Contains(u.What, "etc/asterisk") {
					t.Errorf("%+v: Asterisk takes the file", u)
				}
			}
			var want, got []host.Port
			for _, at := range host.FindWays(l).Listeners {
				if at.Program == "asterisk" && at.Port != 5060 {
					want = append(want, host.Port{Proto: at.Proto, Port: at.Port})
				}
			}
			got = append(got, found.IAX2.Ports...)
			for _, w := range found.WebSockets {
				got = append(got, host.Port{Proto: "tcp", Port: w.Port})
			}
			order := func(a, b host.Port) int { return int(a.Port) - int(b.Port) }
			slices.SortFunc(want, order)
			slices.SortFunc(got, order)
			if d := cmp.Diff(slices.Compact(want), got); d != "" || len(want) == 0 {
				t.Errorf("(-Asterisk +read): %s", d)
			}
		})
	}
}
