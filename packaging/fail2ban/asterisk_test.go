package fail2ban_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testsip"
)

// TestFilterWithAsterisk attacks a real Asterisk, also with lines that the attacker breaks. The filter
// finds the attacker and nobody else: not phones with the right password, and not a trunk.
func TestFilterWithAsterisk(t *testing.T) {
	testns.Enter(t)
	a := testasterisk.Start(t, testasterisk.Files(netip.MustParsePrefix("127.0.0.9/32")))
	for _, family := range []struct{ name, server, mark, attacker, friend, trunk string }{
		{"IPv4", "127.0.0.1:5060", "127.0.0.5:0", "127.0.0.66:0", "127.0.0.7:0", "127.0.0.9:0"},
		{"IPv6", "[::1]:5060", "[::1]:0", "[::1]:0", "[::1]:0", ""},
	} {
		dial := func(from string) *testsip.Client {
			return testsip.MustDial(t, "udp", netip.MustParseAddrPort(from), netip.MustParseAddrPort(family.server))
		}
		mark := dial(family.mark)
		find := func(deed testasterisk.Deed, from, writes string) []string {
			log := a.LogOf(mark, func() { deed.Do(dial(from)) })
			if !strings.Contains(log, writes) {
				t.Errorf("%s, %s: %q is not in what Asterisk writes: %s", family.name, deed.Name, writes, log)
			}
			if log == "" {
				return nil
			}
			return slices.DeleteFunc(found(t, logOf(t, strings.Split(strings.TrimSuffix(log, "\n"), "\n")...), ""),
				func(addr string) bool { return addr == "" })
		}
		for _, deed := range testasterisk.Attacks {
			attacker, _ := netip.ParseAddrPort(family.attacker)
			got := find(deed, family.attacker, "")
			if !slices.Contains(got, attacker.Addr().String()) {
				t.Errorf("%s, %s: the attacker is not found", family.name, deed.Name)
			}
			for _, addr := range got {
				if addr != attacker.Addr().String() {
					t.Errorf("%s, %s: found %s", family.name, deed.Name, addr)
				}
			}
		}
		if family.trunk != "" {
			wrong := testasterisk.Deed{Name: "a wrong number of a trunk", Do: func(c *testsip.Client) {
				if answer := c.Do(testasterisk.Call(c, "caller", "999")); answer.Status != 404 {
					t.Errorf("a wrong number of a trunk: %d, not 404", answer.Status)
				}
			}}
			if got := find(wrong, family.trunk, testasterisk.WrongNumber); len(got) > 0 {
				t.Errorf("%s, %s: found %v", family.name, wrong.Name, got)
			}
		}
		for _, deed := range testasterisk.Friendly {
			if got := find(deed.Deed, family.friend, deed.Writes); len(got) > 0 {
				t.Errorf("%s, %s: found %v", family.name, deed.Name, got)
			}
		}
	}
}
