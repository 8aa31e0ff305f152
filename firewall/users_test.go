package firewall

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
)

func TestMatchSet(t *testing.T) {
	save := `*filter
:INPUT ACCEPT [0:0]
-A INPUT -m set --match-set voip_bl src -j DROP
-A INPUT -m set ! --match-set voip_bl6 src -j ACCEPT
-A INPUT -m comment --comment "voip_bl" -j ACCEPT
-A INPUT -p tcp -j SET --add-set voip_bl src
COMMIT
`
	want := []string{"-A INPUT -m set --match-set voip_bl src -j DROP", "-A INPUT -p tcp -j SET --add-set voip_bl src"}
	if got := matchSet([]byte(save), "voip_bl"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDrops(t *testing.T) {
	for rule, want := range map[string]bool{
		"iptables-nft: -A INPUT -m set --match-set a src -j DROP":         true,
		"iptables-legacy: -A PREROUTING -m set --match-set a src -j DROP": true,
		"iptables-nft: -A OUTPUT -m set --match-set a src -j ACCEPT":      false,
		"iptables-nft: -A INPUT -m set --match-set a src -j ACCEPT":       false,
		"iptables-nft: -A INPUT -m set ! --match-set a src -j DROP":       false,
		"iptables-nft: -A INPUT -m set --match-set a dst -j DROP":         false,
		"iptables-nft: -A INPUT -p tcp -m set --match-set a src -j DROP":  false,
		"iptables-nft: -A NOWHERE -m set --match-set a src -j DROP":       false,
		"iptables-nft: -A INPUT -m set --match-set b src -j DROP":         false,
	} {
		if got := Drops([]string{rule}, "a"); got != want {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

// TestRulesWithSet finds the rules of both backends and both families, and does
// not create the legacy tables where there are none.
func TestRulesWithSet(t *testing.T) {
	testns.Enter(t)
	run := func(command string) {
		t.Helper()
		args := strings.Fields(command)
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	run("ipset create a hash:net")
	run("ipset create a6 hash:net family inet6")
	if got := RulesWithSet(t.Context(), "a"); len(got) != 0 {
		t.Errorf("no rules: %q", got)
	}
	if tables := listers(); len(tables) != 2 {
		t.Errorf("asking created tables: %q", tables)
	}
	rules := map[string][]string{
		"a":  {"iptables-legacy: -A INPUT -m set --match-set a src -j DROP", "iptables-nft: -A INPUT -m set --match-set a src -j DROP"},
		"a6": {"ip6tables-nft: -A FORWARD -m set --match-set a6 src -j DROP"},
	}
	run("iptables-nft -A INPUT -m set --match-set a src -j DROP")
	run("iptables-legacy -A INPUT -m set --match-set a src -j DROP")
	run("ip6tables-nft -A FORWARD -m set --match-set a6 src -j DROP")
	for set, want := range rules {
		got := RulesWithSet(t.Context(), set)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", set, got, want)
		}
	}
}
