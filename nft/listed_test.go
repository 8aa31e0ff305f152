package nft_test

import (
	"maps"
	"os/exec"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/nft"
)

// TestListed compares the counts with what the tools of iptables list, beside chains that
// they leave out for good.
func TestListed(t *testing.T) {
	testns.Enter(t)
	tools := map[nft.Family]string{nft.IPv4: "iptables-nft", nft.IPv6: "ip6tables-nft"}
	for _, tool := range tools {
		for _, args := range []string{
			"-t raw -A PREROUTING -p udp -j ACCEPT", "-t mangle -A OUTPUT -j ACCEPT", "-t nat -A INPUT -j ACCEPT", "-t nat -A POSTROUTING -j ACCEPT",
			"-t security -A FORWARD -j ACCEPT", "-N empty", "-N mine", "-A INPUT -p udp -j mine", "-A mine -j DROP", "-A mine -p tcp -j DROP", "-P FORWARD DROP",
		} {
			if out, err := exec.Command(tool, strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Fatalf("%s %s: %v\n%s", tool, args, err, out)
			}
		}
	}
	testnft.Script(t, `add chain ip filter early { type filter hook input priority -5; }
add rule ip filter early ip saddr 192.0.2.1 drop
add chain ip mangle INPUT2 { type filter hook input priority -150; }
add rule ip mangle INPUT2 drop
add rule ip filter INPUT ip saddr { 192.0.2.1, 192.0.2.2 } drop
add table ip other
add chain ip other c
add rule ip other c drop
`)
	for f, tool := range tools {
		out, err := exec.Command(tool + "-save").Output()
		if err != nil {
			t.Fatal(err)
		}
		want, table := map[string]int{}, ""
		for line := range strings.Lines(string(out)) {
			words := strings.Fields(line)
			switch line[0] {
			case '*':
				table = line[1 : len(line)-1]
			case ':':
				want[table+" "+words[0][1:]] = 0
			case '-':
				want[table+" "+words[1]]++
			}
		}
		listing, err := nft.Listed(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for table, chains := range listing.Tables {
			for chain, c := range chains {
				got[table+" "+chain] = c.Rules
				if c.Drops != (table == "filter" && chain == "FORWARD") {
					t.Errorf("%s: the policy of %s %s: drops is %v", f, table, chain, c.Drops)
				}
			}
		}
		// The tool shows base chains that are not there as empty.
		maps.DeleteFunc(want, func(chain string, n int) bool {
			_, there := got[chain]
			return n == 0 && !there && chain != "filter empty"
		})
		if len(want) != 9 || !maps.Equal(got, want) {
			t.Errorf("%s: %v\nthe tool lists %v", f, got, want)
		}
	}
}
