package takeover

import (
	"slices"
	"testing"

	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestTakenAway: rules that a change removes are listed, rules that it only leaves
// alone are not.
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
		// The agent takes over neither by itself.
		if refused := lessProtection(base, newer, 0) != nil; refused != (test.name != "nothing") {
			t.Errorf("%s: refused: %v", test.name, refused)
		}
	}
}
