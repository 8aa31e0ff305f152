package reach

import (
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/internal/steps"
	"github.com/voipbl/voipbl/iptables"
)

// TestCutShort limits a search to each number of steps that is too small. What it reports then,
// the whole search reports too, and "not known" is never reported as "nothing".
func TestCutShort(t *testing.T) {
	cfg := config.Default()
	cfg.Firewall.Base = true
	for name, listing := range map[string]string{
		"a turned port that another rule opens": "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 5060 -j REDIRECT --to-ports 5080\nCOMMIT\n" +
			"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:VOIPBL-INPUT - [0:0]\n-A INPUT -p udp -m udp --dport 5080 -j ACCEPT\n-A INPUT -j VOIPBL-INPUT\nCOMMIT\n",
		"a turned port that is closed, and a drop": "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 5060 -j REDIRECT --to-ports 5999\nCOMMIT\n" +
			"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:VOIPBL-INPUT - [0:0]\n-A INPUT -p udp -m udp --dport 5061 -j DROP\n-A INPUT -j VOIPBL-INPUT\nCOMMIT\n",
		"an ACCEPT above the drop": "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 5060 -j ACCEPT\n-A INPUT -m set --match-set voip_bl src -j DROP\nCOMMIT\n",
	} {
		var saved [2]*iptables.Saved
		for f, text := range []string{listing, ""} {
			s, err := iptables.ParseSaved(iptables.Family(f), []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			saved[f] = s
		}
		rules := []KernelRules{{Backend: firewall.NFT, Used: true, Saved: saved}}
		whole := 0
		search := func(most int) (told map[string]bool, taken int, reached []string, err error) {
			p := Passed{Rules: rules, Left: steps.New(t.Context(), most)}
			told = make(map[string]bool)
			obstacles, cut := Obstacles(cfg, nil, p)
			for _, o := range obstacles {
				told[o.Error+": "+o.Remedy] = true
			}
			if cut == nil && whole > 0 && len(told) != whole {
				t.Fatalf("%s: with %d steps it says %v, and that it is all", name, most, told)
			}
			taken = p.Left.Taken()
			reached, err = p.Filters(iptables.IPv4, Nobody).Reached(cfg, "voip_bl", nil, true)
			return told, taken, reached, err
		}
		all, taken, reached, err := search(maxSteps)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole = len(all)
		for most := 1; most <= taken; most++ {
			told, _, some, err := search(most)
			for o := range told {
				if !all[o] {
					t.Fatalf("%s: with %d of %d steps it says %s", name, most, taken, o)
				}
			}
			if err == nil && len(some) != len(reached) {
				t.Fatalf("%s: with %d of %d steps members reach %q, not %q", name, most, taken, some, reached)
			}
		}
	}
}
