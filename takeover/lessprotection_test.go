package takeover

import (
	"net/url"
	"slices"
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/state"
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

// TestLosesDocument: a command about the fleet may take the operator's document away, and nothing else.
func TestLosesDocument(t *testing.T) {
	old := testvalue.Config(t, "allow: [9.8.7.6]\n")
	old.Fleet.Hubs, old.Fleet.Key = []string{"tls://hub.example.net:4222"}, config.DocumentKey{1}
	none := old
	none.Fleet.Hubs, none.Fleet.Key = nil, config.DocumentKey{}
	less, rules := none, none
	less.Allow = nil
	rules.Firewall.DropAt = "none"
	for name, test := range map[string]struct {
		new     config.Config
		may     state.MayLose
		refused bool
	}{
		"the document":               {none, state.LoseDocument, false},
		"nothing":                    {none, state.LoseNothing, true},
		"by a command about rules":   {none, state.LoseRules, true},
		"by an admin's reload":       {none, state.LoseAny, false},
		"with an address":            {less, state.LoseDocument, true},
		"with the rules":             {rules, state.LoseDocument, true},
		"with both, and by an admin": {rules, state.LoseAny, false},
	} {
		if err := lessProtection(old, test.new, test.may); (err != nil) != test.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	for may, word := range state.Gentle {
		if got := state.ParseMayLose(url.Values{state.Gently: {word}}); got != may {
			t.Errorf("%d is read as %d", may, got)
		}
	}
}
