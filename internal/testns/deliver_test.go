package testns

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// TestDeliver: what nothing drops has arrived when Deliver returns, however busy the machine
// is, and what is dropped has not.
func TestDeliver(t *testing.T) {
	four, six := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:1::1")
	star := EnterStar(t, four, six)
	h := star.Join(netip.MustParsePrefix("45.0.0.1/8"), netip.MustParsePrefix("2a0a:1::1/32"))
	var stop atomic.Bool
	defer stop.Store(true)
	for range 8 {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	for _, side := range []struct{ from, to netip.Addr }{{netip.MustParseAddr("45.1.0.1"), four}, {netip.MustParseAddr("2a0a:1::5"), six}} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(side.to, 5060)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// Rules that also drop what hosts look for each other by.
		load := func(rules string) {
			t.Helper()
			cmd := exec.Command("nft", "-f", "-")
			cmd.Stdin = strings.NewReader("flush ruleset\n" + rules)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("nft: %v: %s", err, out)
			}
		}
		load("table inet t {\nchain in {\ntype filter hook prerouting priority -300; policy drop;\n}\n}\ntable arp a {\nchain in {\ntype filter hook input priority 0; policy drop;\n}\n}\n")
		if star.Deliver(h, side.from, conn, "before anything else") {
			t.Error("arrived, and all is dropped")
		}
		load("")
		lost := 0
		for i := range 100 {
			if !star.Deliver(h, side.from, conn, fmt.Sprint("packet ", i)) {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%d of 100 from %s are said to be dropped", lost, side.from)
		}
		for _, verdict := range []string{"drop", "reject", "limit rate over 1/hour burst 1 packets drop"} {
			load(fmt.Sprintf("table inet t {\nchain in {\ntype filter hook input priority 0;\nudp dport 5060 %s\n}\n}\n", verdict))
			for i := range 3 {
				want := i == 0 && verdict[0] == 'l' // one is within the limit
				if got := star.Deliver(h, side.from, conn, fmt.Sprint(verdict, i)); got != want {
					t.Errorf("%s: packet %d has arrived: %v", verdict, i, got)
				}
			}
			load("")
		}
	}
}
