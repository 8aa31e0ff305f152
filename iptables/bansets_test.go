package iptables

import (
	"slices"
	"testing"
)

// TestNamedBanSets reads saved rules, with counters or without, and damaged ones.
func TestNamedBanSets(t *testing.T) {
	for _, test := range []struct {
		name, listing string
		want          []string
	}{
		{"none", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n", []string{}},
		{"counters, twice", "# Generated\n*raw\n[1:2] -A PREROUTING -m set --match-set voip_bl src -j DROP\nCOMMIT\n*filter\n[0:0] -A f2bv-x -p udp -m set --match-set own-x src -j REJECT\n[0:0] -A f2bv-x -p tcp -m set --match-set own-x src -j REJECT\n-A VOIPBL-INPUT -m set --match-set fail2ban-ASTERISK src -j REJECT\n", []string{"fail2ban-ASTERISK", "own-x"}},
		{"a set of somebody else's", "-A INPUT -m set --match-set own-servers src -j ACCEPT\n-A f2bv-x -m set --match-set servers src -j ACCEPT\n", []string{}},
		{"of an older version", "-A INPUT -p udp -m multiport --dports 5060:5061 -m set --match-set fail2ban-UNKNOWN6 src -m comment --comment f2b-x -j REJECT\n", []string{"fail2ban-UNKNOWN6"}},
		{"a chain of another name", "-A f2b-short -p udp -m multiport --dports 5060:5061 -m set --match-set own-short src -j REJECT --reject-with icmp-port-unreachable\n", []string{"own-short"}},
		{"of voipbl-ssh", "-A f2bs-x -p tcp -m multiport --dports 22 -m set --match-set f2bs-x src -m comment --comment \"x/voipbl-ssh\" -j REJECT\n-A fail2ban-ssh -m set --match-set f2bs-x src -m comment --comment f2b-x -j REJECT\n", []string{"f2bs-x"}},
		{"without an end", "-A f2bv-x -m set --match-set", []string{}},
		{"a remark, and a comment of a rule", "# -A f2bv-x --match-set own-no src\n-A f2bv-x -m comment --comment \"--match-set own-no src\" -m set --match-set own-yes src\n", []string{"own-yes"}},
		{"another line end", "-A f2bv-x -m set --match-set own-yes src -j DROP\r\n", []string{"own-yes"}},
		{"no rules", "create own-x hash:ip\n\x00\xff--match-set", []string{}},
	} {
		if got := NamedBanSets([]byte(test.listing)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}
