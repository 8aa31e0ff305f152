package takeover

import (
	"slices"
	"testing"

	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestTakenAway tells what a change takes out from what it only leaves alone.
func TestTakenAway(t *testing.T) {
	const lists = "feeds: [{name: a, path: /a}]\n"
	base := testvalue.Config(t, lists+"allow: [9.8.7.6]\nfirewall: {base: true, local_networks: [192.168.7.0/24]}\n")
	for _, test := range []struct {
		name, new string
		want      []string
	}{
		{"nothing", lists + "allow: [9.8.7.6]\nfirewall: {base: true, local_networks: [192.168.7.0/24]}\n", nil},
		{"base rules", lists + "allow: [9.8.7.6]\nfirewall: {local_networks: [192.168.7.0/24]}\n", []string{"the base rules"}},
		{"all rules are another program's", lists + "allow: [9.8.7.6]\nfirewall: {drop_at: none, local_networks: [192.168.7.0/24]}\n", nil},
		{"an address beside that", lists + "firewall: {drop_at: none, local_networks: [192.168.7.0/24]}\n", []string{"9.8.7.6 of allow"}},
	} {
		newer := testvalue.Config(t, test.new)
		if got := TakenAway(base, newer); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		// The agent takes neither over by itself.
		if refused := lessProtection(base, newer, 0) != nil; refused != (test.name != "nothing") {
			t.Errorf("%s: refused: %v", test.name, refused)
		}
	}
}
