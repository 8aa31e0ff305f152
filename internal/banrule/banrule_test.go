package banrule

import (
	"strings"
	"testing"
)

// TestIs: a rule is recognized by its chain, or by its form in a chain of any name. Rules of
// other programs are not, even if they use such a set.
func TestIs(t *testing.T) {
	const form = " -p udp -m multiport --dports 5060:5061 -m set --match-set own-x src -j "
	for rule, want := range map[string]bool{
		"-A f2bv-x" + form + "REJECT --reject-with icmp-port-unreachable":                                        true,
		"-A f2b-short" + form + "REJECT --reject-with icmp-port-unreachable":                                     true,
		"[1:2] -A anything" + form + "DROP":                                                                      true,
		"-A f2bv-x -m set --match-set own-x src -j DROP":                                                         true,
		"-A anything" + form + "ACCEPT":                                                                          false,
		"-A anything" + strings.Replace(form, "own-", "servers-", 1) + "REJECT":                                  false,
		"-A INPUT -m set --match-set own-x src -j DROP":                                                          false,
		"-A INPUT -p udp -m multiport --dports 53 -m set ! --match-set own-x src -j DROP":                        false,
		"-I anything" + form + "REJECT":                                                                          false,
		"-A anything -p udp -m multiport --dports 53 -m set --match-set own-x src -j":                            false,
		"-A f2b-short" + strings.Replace(form, "-j ", "-m comment --comment \"x/voipbl-set\" -j ", 1) + "REJECT": true,
		"-A f2b-short" + strings.Replace(form, "-j ", "-m comment --comment \"x/voipbl-set\" -j ", 1) + "ACCEPT": false,
		"-A f2bs-x -p tcp -m multiport --dports 22 -m set --match-set f2bs-x src -j REJECT":                      true,
		"-A fail2ban-ssh -m set --match-set f2bs-x src -m comment --comment f2b-x -j REJECT":                     true,
		"-A fail2ban-ssh -s 8.8.8.8/32 -j REJECT":                                                                false,
		"-A": false,
		"":   false,
	} {
		if got := isOurs(strings.Fields(rule)); got != want {
			t.Errorf("%q: %v, not %v", rule, got, want)
		}
	}
}
