package advise

import (
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/packaging"
)

// TestInFleet: joining can be repeated and taken back, whatever the file says besides.
func TestInFleet(t *testing.T) {
	hubs, others := []string{"tls://hub.example.net:4222", "tls://192.0.2.7:4222"}, []string{"tls://other.example.net:4222"}
	for name, text := range map[string]string{
		"commented":    string(packaging.Config),
		"empty":        "",
		"older":        "firewall:\n  log_drops: \"off\"\n",
		"with a key":   "fleet:\n  accept: false # for now\n",
		"other values": "fleet:\n  hub: [\"tls://mine.example.net:4222\"] # mine\n  agree: 3\n",
	} {
		before, err := config.Parse("", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		now := []byte(text)
		for _, want := range [][]string{hubs, hubs, others, nil, nil} {
			next, cfg, err := InFleet(now, want)
			if err != nil || !slices.Equal(cfg.Fleet.Hubs, want) {
				t.Errorf("%s: %q: %v\n%s", name, want, err, next)
			}
			if again, _, err := InFleet(next, want); err != nil || string(again) != string(next) {
				t.Errorf("%s: %q again: %v\n%s", name, want, err, again)
			}
			rest := cfg
			rest.Fleet.Hubs = before.Fleet.Hubs
			if !rest.Equal(before) {
				t.Errorf("%s: %q: something else is changed:\n%s", name, want, next)
			}
			now = next
		}
	}
	if _, _, err := InFleet([]byte("fleet: {hub: []}\n"), others); err == nil || !strings.Contains(err.Error(), `set fleet.hub to ["tls://other.example.net:4222"] by hand`) {
		t.Errorf("a flow mapping: %v", err)
	}
	for _, bad := range []string{"nats://hub.example.net:4222", `tls://a"], agree: 1, creds: "/x`, ""} {
		if text, _, err := InFleet(nil, []string{bad}); err == nil {
			t.Errorf("%q is written: %s", bad, text)
		}
	}
}
