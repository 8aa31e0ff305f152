package nftwalk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/nft"
)

// TestReadNothing is a namespace without rules.
func TestReadNothing(t *testing.T) {
	if r := testnft.Loaded(t); len(r.Tables) != 0 || len(Owners(r)) != 0 || len(FateOf(r, Packet{}).Drops) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestReadIPTables leaves out what the tools of iptables have made, unless it is asked for.
func TestReadIPTables(t *testing.T) {
	testns.Enter(t)
	if out, err := exec.Command("iptables-nft", "-A", "INPUT", "-s", "45.95.0.1", "-j", "DROP").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := testnft.Read(t, nft.Options{}); len(r.Tables) != 0 {
		t.Errorf("%v", r.Tables)
	}
	r := testnft.Read(t, nft.Options{IPTables: func(f nft.Family, name string) bool { return f == nft.IPv4 && name == "filter" }})
	if d := FateOf(r, from("45.95.0.1")).Drops; len(d) != 1 || !d[0].all() || !d[0].BySource {
		t.Errorf("%+v", d)
	}
}

// TestReadBesideIPTables reads the chains that an admin has in a table with a name of iptables', as
// in the example of nftables itself. The tools of iptables show only their own chains there.
func TestReadBesideIPTables(t *testing.T) {
	testns.Enter(t)
	testnft.Script(t, `table ip filter {
		set bad { type ipv4_addr; elements = { 45.95.0.2 } }
		chain sink { drop; }
		chain input { type filter hook input priority filter; policy drop; ip saddr @bad jump sink; ip saddr 45.95.0.3 accept; }
	}`)
	if out, err := exec.Command("iptables-nft", "-A", "INPUT", "-s", "45.95.0.3", "-j", "DROP").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := testnft.Read(t, nft.Options{Elements: true})
	o := slices.DeleteFunc(Owners(r), func(o Owner) bool { return !o.Closes })
	if len(o) != 1 || o[0].Name != "nftables (ip filter input)" || !o[0].Closes {
		t.Errorf("%+v", o)
	}
	if d := FateOf(r, from("45.95.0.2")).bySource(); len(d) != 1 || !d[0].Certain || d[0].Set != "bad" {
		t.Errorf("%+v", d)
	}
	if d := FateOf(r, from("45.95.0.3")).bySource(); len(d) != 0 {
		t.Errorf("what iptables shows is counted here too: %+v", d)
	}
}

// TestReadWhileItChanges reads rules that another program keeps changing: each result shows one
// moment. Exactly one of the two rules is always there.
func TestReadWhileItChanges(t *testing.T) {
	testnft.Loaded(t)
	testnft.Script(t, "table inet t { chain c { type filter hook input priority 0; ip saddr 10.0.0.1 drop; }; chain d { type filter hook input priority 1; }; }")
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
		r, err := nft.Read(context.Background(), nft.Options{})
		if errors.Is(err, nft.ErrChanging) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		generations[r.Generation] = true
		if d := FateOf(r, from("10.0.0.1")).Drops; len(d) != 1 {
			t.Fatalf("%+v", d)
		}
	}
	if len(generations) < 2 {
		t.Errorf("nothing has changed: %v", generations)
	}
}

// TestReadHuge reads a set as large as a blocklist, and looks up many addresses. If either took
// quadratic time, the test would not end.
func TestReadHuge(t *testing.T) {
	testskip.UnlessRoot(t) // for nft's large buffers
	testnft.Loaded(t)
	const n = 30_000
	var text strings.Builder
	text.WriteString("table inet t { set s { type ipv4_addr; flags interval; elements = {")
	for i := range n {
		fmt.Fprintf(&text, "%d.%d.%d.0/25,\n", 20+i>>16, i>>8&255, i&255)
	}
	text.WriteString("}; }; chain c { type filter hook input priority 0; ip saddr @s drop; }; }\n")
	testnft.Script(t, text.String())
	r := testnft.Read(t, nft.Options{Elements: true})
	if got := r.Tables[0].Sets["s"].Len(); got != n {
		t.Fatalf("%d elements", got)
	}
	for i := range n {
		a := netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), byte(i % 256)})
		if f := FateOf(r, Packet{Source: netip.PrefixFrom(a, 32)}); f.Dropped != (i%256 < 128) {
			t.Fatalf("%s: %+v", a, f)
		}
	}
}
