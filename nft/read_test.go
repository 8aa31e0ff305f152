package nft

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
)

// loaded puts rules into the test's own network namespace by nft(8), and reads them.
func loaded(t *testing.T, files ...string) *Ruleset {
	t.Helper()
	testns.Enter(t)
	for _, name := range files {
		apply(t, name)
	}
	return read(t, Options{Elements: true})
}

func apply(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("nft", "-f", "testdata/"+name).CombinedOutput(); err != nil {
		t.Fatalf("nft -f %s: %v\n%s", name, err, out)
	}
}

// script gives nft commands.
func script(t *testing.T, text string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

func read(t *testing.T, o Options) *Ruleset {
	t.Helper()
	r, err := Read(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReadNothing is a namespace without rules.
func TestReadNothing(t *testing.T) {
	if r := loaded(t); len(r.Tables) != 0 || len(r.Owners()) != 0 || len(r.Fate(Packet{}).Drops) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestReadText compares rules with what nft(8) says of them. Where nft writes more, ours is
// given.
func TestReadText(t *testing.T) {
	r := loaded(t, "filter.nft", "odd.nft")
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

// TestReadHooks is what is known of base chains.
func TestReadHooks(t *testing.T) {
	r := loaded(t, "filter.nft", "odd.nft", "fail2ban.nft")
	for _, want := range []struct {
		table, chain string
		hook         Hook
		priority     int32
		drops        bool
		device       string
	}{
		{"inet filter", "input", Input, 0, true, ""},
		{"inet filter", "forward", Forward, 0, true, ""},
		{"inet filter", "output", "output", 0, false, ""},
		{"inet filter", "ssh", "", 0, false, ""},
		{"inet odd", "early", Prerouting, -300, false, ""},
		{"inet odd", "nat", Prerouting, -100, false, ""},
		{"netdev edge", "in", Ingress, 0, false, "lo"},
		{"bridge frames", "in", Input, 0, false, ""},
		{"inet f2b-table", "f2b-chain", Input, -1, false, ""},
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

// TestReadIPTables leaves out what the tools of iptables have made, but where it is
// asked for.
func TestReadIPTables(t *testing.T) {
	testns.Enter(t)
	if out, err := exec.Command("iptables-nft", "-A", "INPUT", "-s", "45.95.0.1", "-j", "DROP").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := read(t, Options{}); len(r.Tables) != 0 {
		t.Errorf("%v", r.Tables)
	}
	r := read(t, Options{IPTables: func(f Family, name string) bool { return f == IPv4 && name == "filter" }})
	if d := r.Fate(from("45.95.0.1")).Drops; len(d) != 1 || !d[0].All() || !d[0].BySource {
		t.Errorf("%+v", d)
	}
}

// TestReadBesideIPTables reads the chains that an admin has in a table of iptables' name, as
// the example of nftables itself has it: the tools of iptables show only their own chains
// there.
func TestReadBesideIPTables(t *testing.T) {
	testns.Enter(t)
	script(t, `table ip filter {
		set bad { type ipv4_addr; elements = { 45.95.0.2 } }
		chain sink { drop; }
		chain input { type filter hook input priority filter; policy drop; ip saddr @bad jump sink; ip saddr 45.95.0.3 accept; }
	}`)
	if out, err := exec.Command("iptables-nft", "-A", "INPUT", "-s", "45.95.0.3", "-j", "DROP").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := read(t, Options{Elements: true})
	o := slices.DeleteFunc(r.Owners(), func(o Owner) bool { return !o.Closes })
	if len(o) != 1 || o[0].Name != "nftables (ip filter input)" || !o[0].Closes {
		t.Errorf("%+v", o)
	}
	if d := r.Fate(from("45.95.0.2")).BySource(); len(d) != 1 || !d[0].Certain || d[0].Set != "bad" {
		t.Errorf("%+v", d)
	}
	if d := r.Fate(from("45.95.0.3")).BySource(); len(d) != 0 {
		t.Errorf("what iptables shows is counted here too: %+v", d)
	}
}

// TestReadWithoutPermission is an error that says what to do.
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
	_, err := Read(context.Background(), Options{})
	var denied *PermissionError
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

// TestReadWhileItChanges reads rules that another program changes all the time: each
// reading is of one moment. Of the two rules there is always exactly one.
func TestReadWhileItChanges(t *testing.T) {
	loaded(t)
	script(t, "table inet t { chain c { type filter hook input priority 0; ip saddr 10.0.0.1 drop; }; chain d { type filter hook input priority 1; }; }")
	cmd := exec.Command("sh", "-c", `for i in $(seq 30); do
		nft 'flush chain inet t c; add rule inet t d ip saddr 10.0.0.1 drop'
		nft 'flush chain inet t d; add rule inet t c ip saddr 10.0.0.1 drop'
	done`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	generations := map[uint32]bool{}
	for ended := false; !ended; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			ended = true
		default:
		}
		r, err := Read(context.Background(), Options{})
		if errors.Is(err, ErrChanging) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		generations[r.Generation] = true
		if d := r.Fate(from("10.0.0.1")).Drops; len(d) != 1 {
			t.Fatalf("%+v", d)
		}
	}
	if len(generations) < 2 {
		t.Errorf("nothing has changed: %v", generations)
	}
}

// TestReadHuge reads a set as a list of blocked networks is, and looks up many addresses:
// what is quadratic in either would not end.
func TestReadHuge(t *testing.T) {
	testskip.UnlessRoot(t) // for nft's large buffers
	loaded(t)
	const n = 30_000
	var text strings.Builder
	text.WriteString("table inet t { set s { type ipv4_addr; flags interval; elements = {")
	for i := range n {
		fmt.Fprintf(&text, "%d.%d.%d.0/25,\n", 20+i>>16, i>>8&255, i&255)
	}
	text.WriteString("}; }; chain c { type filter hook input priority 0; ip saddr @s drop; }; }\n")
	script(t, text.String())
	r := read(t, Options{Elements: true})
	if got := r.Tables[0].Sets["s"].Len(); got != n {
		t.Fatalf("%d elements", got)
	}
	for i := range n {
		a := netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), byte(i % 256)})
		if f := r.Fate(Packet{Source: netip.PrefixFrom(a, 32)}); f.Dropped != (i%256 < 128) {
			t.Fatalf("%s: %+v", a, f)
		}
	}
}
