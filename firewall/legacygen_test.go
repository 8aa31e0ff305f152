package firewall

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/iptables"
)

// TestGenerationMoves: the generation changes with each change of a rule, by anybody, and with nothing
// else.
func TestGenerationMoves(t *testing.T) {
	for _, backend := range []Backend{NFT, Legacy} {
		t.Run(string(backend), func(t *testing.T) {
			testns.Enter(t)
			fw, err := Open(string(backend))
			if err != nil {
				t.Fatal(err)
			}
			do := func(args ...string) {
				t.Helper()
				if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %v: %s", args, err, out)
				}
			}
			ip4, ip6 := "iptables-"+string(backend), "ip6tables-"+string(backend)
			last := fw.Generation()
			if last == "" {
				t.Fatal("there is none")
			}
			if backend == Legacy {
				for _, f := range iptables.Families {
					if names, err := os.ReadFile(legacyNames(f)); err == nil && len(names) > 0 {
						t.Errorf("asking has made tables: %s", names)
					}
				}
			}
			do("ipset", "create", "a", "hash:net")
			for _, change := range [][]string{
				{ip4, "-A", "INPUT", "-s", "127.0.0.0/8", "-j", "ACCEPT"},
				{ip4, "-A", "INPUT", "-m", "limit", "--limit", "1/s", "-j", "ACCEPT"},
				{ip4, "-A", "INPUT", "-m", "recent", "--set", "--name", "x"},
				{ip4, "-A", "INPUT", "-p", "udp", "-m", "hashlimit", "--hashlimit-upto", "6/sec", "--hashlimit-name", "y", "-j", "ACCEPT"},
				{ip4, "-A", "INPUT", "-m", "string", "--string", "z", "--algo", "bm", "-j", "ACCEPT"},
				{ip4, "-A", "INPUT", "-m", "set", "--match-set", "a", "src", "-j", "DROP"},
				{ip4, "-R", "INPUT", "1", "-s", "127.0.0.0/9", "-j", "ACCEPT"}, // of the same length
				{ip4, "-N", "mine"},
				{ip4, "-P", "FORWARD", "DROP"},
				{ip4, "-t", "raw", "-A", "PREROUTING", "-s", "9.9.9.9", "-j", "DROP"},
				{ip6, "-A", "INPUT", "-s", "2a00::/16", "-j", "DROP"},
				{ip6, "-t", "raw", "-A", "PREROUTING", "-j", "ACCEPT"},
				{ip6, "-D", "INPUT", "1"},
				{ip4, "-F", "INPUT"},
				{ip4, "-A", "INPUT", "-s", "127.0.0.0/8", "-m", "limit", "--limit", "1/s", "-j", "ACCEPT"},
			} {
				do(change...)
				now := fw.Generation()
				if now == last {
					t.Errorf("it does not move with %v", change)
				}
				last = now
				// Counters and members of sets are not changes of rules.
				conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060})
				if err != nil {
					t.Fatal(err)
				}
				conn.Write([]byte("x")) // it may be dropped
				conn.Close()
				do("ipset", "flush", "a")
				if now := fw.Generation(); now != last {
					t.Errorf("after %v it moves with what rules count", change)
				}
			}
		})
	}
}

// TestUnknownForm: a table of an unknown form is an error.
func TestUnknownForm(t *testing.T) {
	form := entryForms[iptables.IPv4]
	for name, rules := range map[string][]byte{
		"cut":      make([]byte, form.length-1),
		"no next":  make([]byte, form.length),
		"too long": append(make([]byte, form.next), append([]byte{0xff, 0x7f}, make([]byte, form.length)...)...),
	} {
		if err := zeroCounters(rules, form); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
