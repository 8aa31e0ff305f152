package rules

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// TestUses: real connections and tracked flows of both families are uses of listeners; those of
// other ports, and of this host with itself, are not.
func TestUses(t *testing.T) {
	hosts, peers := testvalue.Addrs("203.0.113.1", "2001:db8:1::1"), testvalue.Addrs("45.0.0.1", "2a0a:1::1")
	pair := testns.EnterPair(t, hosts, peers)
	dial := func(from, to netip.AddrPort) {
		t.Helper()
		conn, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	for f, addr := range hosts {
		for _, port := range []uint16{3306, 443} {
			to := netip.AddrPortFrom(addr, port)
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(to))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			pair.Outside(func() { dial(netip.AddrPortFrom(peers[f], 0), to) })
			dial(netip.AddrPortFrom(addr, 0), to)
		}
		if err := testns.Track(false, netip.AddrPortFrom(peers[f], 4000), netip.AddrPortFrom(addr, 1194)); err != nil {
			t.Fatal(err)
		}
	}
	got := fmt.Sprint(usesOf([]host.Listener{{Proto: "tcp", Port: 3306}, {Proto: "udp", Port: 1194}, {Proto: "udp", Port: 443}}))
	const want = "[{tcp 3306 45.0.0.1} {udp 1194 45.0.0.1} {tcp 3306 2a0a:1::1} {udp 1194 2a0a:1::1}]"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
