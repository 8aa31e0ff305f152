package nft_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/nft"
)

// TestReadText compares rules with the output of nft(8). If nft writes more, our text is given.
func TestReadText(t *testing.T) {
	r := testnft.Loaded(t, "filter.nft", "odd.nft")
	want := map[string][]string{
		"inet filter input": {
			`ct state vmap {…}`, `iif "lo" accept`, `ip saddr @blocked drop`, `ip saddr @trusted accept`, `tcp dport vmap @ports`,
			`ip saddr . udp dport @pairs accept`, `meta l4proto {…} accept`, `udp dport 10000-20000 accept`,
		},
		"inet filter ssh": {`ip saddr != 88.0.0.0/8 drop`, `accept`},
		"inet odd early": {
			`ip saddr 45.1.0.1 (ip ttl) drop`, `ip saddr 45.1.0.2 (limit) drop`, `ip saddr 45.1.0.3 (socket) (socket) drop`,
			`ip saddr 45.1.0.4 meta l4proto tcp (tcp flags) drop`, `ip saddr 45.1.0.5 (ct key 3) drop`, `ip saddr 45.1.0.6 (numgen) drop`,
			`ip saddr and 0x000000ff 0.0.0.77 drop`, `ip saddr 45.1.1.0-45.1.1.99 udp dport != 53 drop`, `ip saddr 250.0.0.0-255.255.255.255 drop`,
			`meta nfproto ipv4 udp dport {…} goto sink`, `meta nfproto ipv4 update @seen`, `iifname "ppp*" drop`,
		},
		"inet odd nat": {`udp dport @where dnat to …`, `udp dport 5099 redirect`},
	}
	for _, table := range r.Tables {
		for _, c := range table.Chains {
			lines, ok := want[table.String()+" "+c.Name]
			if !ok {
				continue
			}
			delete(want, table.String()+" "+c.Name)
			for i, rule := range c.Rules {
				if i >= len(lines) || rule.String() != lines[i] {
					t.Errorf("%s %s, rule %d: %q", &table, c.Name, i, rule)
				}
			}
		}
	}
	for name := range want {
		t.Errorf("no chain %s", name)
	}
}

// TestReadHooks: the hook, priority and policy of base chains.
func TestReadHooks(t *testing.T) {
	r := testnft.Loaded(t, "filter.nft", "odd.nft", "fail2ban.nft")
	for _, want := range []struct {
		table, chain string
		hook         nft.Hook
		priority     int32
		drops        bool
		device       string
	}{
		{"inet filter", "input", nft.Input, 0, true, ""},
		{"inet filter", "forward", nft.Forward, 0, true, ""},
		{"inet filter", "output", "output", 0, false, ""},
		{"inet filter", "ssh", "", 0, false, ""},
		{"inet odd", "early", nft.Prerouting, -300, false, ""},
		{"inet odd", "nat", nft.Prerouting, -100, false, ""},
		{"netdev edge", "in", nft.Ingress, 0, false, "lo"},
		{"bridge frames", "in", nft.Input, 0, false, ""},
		{"inet f2b-table", "f2b-chain", nft.Input, -1, false, ""},
	} {
		found := false
		for i := range r.Tables {
			c := r.Tables[i].Chain(want.chain)
			if r.Tables[i].String() != want.table || c == nil {
				continue
			}
			found = true
			if c.Hook != want.hook || c.Priority != want.priority || c.Drops != want.drops || strings.Join(c.Devices, ",") != want.device {
				t.Errorf("%s %s: %+v", want.table, want.chain, c)
			}
		}
		if !found {
			t.Errorf("no chain %s %s", want.table, want.chain)
		}
	}
}

// TestReadWithoutPermission: the error says what to do.
func TestReadWithoutPermission(t *testing.T) {
	testskip.UnlessRoot(t)
	testns.Enter(t)
	if os.Getenv("NFT_TEST_NOBODY") == "" {
		cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.Args[0], "-test.run=TestReadAsNobody")
		exe := t.TempDir() + "/nft.test"
		copyFile(t, os.Args[0], exe)
		cmd.Args[4], cmd.Env = exe, append(os.Environ(), "NFT_TEST_NOBODY=1")
		if err := os.Chmod(strings.TrimSuffix(exe, "/nft.test"), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "remedy: run it as root") {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestReadAsNobody is run by TestReadWithoutPermission.
func TestReadAsNobody(t *testing.T) {
	if os.Getenv("NFT_TEST_NOBODY") == "" {
		return
	}
	_, err := nft.Read(context.Background(), nft.Options{})
	var denied interface{ Remedy() string }
	if !errors.As(err, &denied) {
		t.Fatal(err)
	}
	os.Stdout.WriteString(err.Error() + "; remedy: " + denied.Remedy() + "\n")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
