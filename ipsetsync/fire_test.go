package ipsetsync

import (
	"encoding/binary"
	"maps"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestSwapsUnderFire swaps a set a thousand times between two lists. Meanwhile a
// blocked address sends as fast as it can, and an unblocked one sends and is answered.
// No packet of the first passes the rule, and each one of the second does. What counts is the
// kernel's own count before and after the rule: a busy machine loses packets on the wire.
func TestSwapsUnderFire(t *testing.T) {
	const swaps = 1000
	host, blocked, clean := netip.MustParseAddr("8.0.0.1"), netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("8.0.0.2")
	pair := testns.EnterPair(t, []netip.Addr{host}, []netip.Addr{blocked, clean})
	k, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	var lists [2]cidr.Set
	for i := range lists {
		var b cidr.Builder
		for p := range randomSet(cidr.IPv4, 200+100*i).All() {
			b.Add(p)
		}
		b.Add(cidr.MustParsePrefix(blocked.String()))
		lists[i] = b.Sets()[cidr.IPv4].Subtract(cidr.SetOf(cidr.MustParsePrefix("8.0.0.0/24"))[cidr.IPv4])
	}
	apply(t, k, "voip_bl", cidr.IPv4, lists[0])
	iptables(t, "-A", "INPUT", "-m", "set", "--match-set", "voip_bl", "src", "-j", "DROP")
	for _, from := range []netip.Addr{blocked, clean} {
		iptables(t, "-t", "raw", "-A", "PREROUTING", "-s", from.String(), "-j", "ACCEPT") // count packets that arrive
		iptables(t, "-A", "INPUT", "-s", from.String(), "-j", "ACCEPT")                   // and those that get through
	}

	const port = 5060
	server, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, port)))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go echo(server)
	dial := func(from netip.Addr) (c *net.UDPConn) {
		pair.Outside(func() {
			c, err = net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, port)))
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	attacker, phone := dial(blocked), dial(clean)

	var stop atomic.Bool
	var fired, answered, lost atomic.Int64
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for !stop.Load() {
			if _, err := attacker.Write([]byte("INVITE")); err == nil {
				fired.Add(1)
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for n := uint64(0); !stop.Load(); n++ {
			if ask(phone, n) {
				answered.Add(1)
			} else {
				lost.Add(1)
			}
		}
	}()
	under := func() bool { return fired.Load() >= swaps && answered.Load() >= swaps }
	for i := 0; i < swaps || !under() && i < 100*swaps; i++ { // on a busy machine few packets are sent
		if p := apply(t, k, "voip_bl", cidr.IPv4, lists[(i+1)%2]); p.Unchanged() {
			t.Fatalf("swap %d changed nothing", i)
		}
	}
	stop.Store(true)
	<-done
	<-done

	t.Logf("at least %d swaps; %d packets from the blocked address; %d questions of the clean one answered, %d lost", swaps, fired.Load(), answered.Load(), lost.Load())
	if !under() {
		t.Errorf("too little fire to prove anything")
	}
	came, passed := accepted(t, "raw", "PREROUTING"), accepted(t, "filter", "INPUT")
	if came[blocked] == 0 || passed[blocked] != 0 {
		t.Errorf("%d of %d packets of the blocked address came through", passed[blocked], came[blocked])
	}
	if came[clean] < swaps || passed[clean] != came[clean] {
		t.Errorf("%d of %d packets of the clean address came through", passed[clean], came[clean])
	}
}

// accepted returns how many packets of each source the rules of a chain have accepted. The
// kernel may still be handling packets, so it reads the counters until they stop moving.
func accepted(t *testing.T, table, chain string) (packets map[netip.Addr]int) {
	t.Helper()
	read := func() map[netip.Addr]int {
		out, err := exec.Command("iptables-nft", "-t", table, "-L", chain, "-nvx").Output()
		if err != nil {
			t.Fatal(err)
		}
		of := map[netip.Addr]int{}
		for line := range strings.Lines(string(out)) {
			if fields := strings.Fields(line); len(fields) > 7 && fields[2] == "ACCEPT" {
				of[netip.MustParseAddr(fields[7])], _ = strconv.Atoi(fields[0])
			}
		}
		return of
	}
	testpoll.Until(time.Minute, func() bool {
		before := packets
		packets = read()
		return maps.Equal(before, packets)
	})
	return packets
}

// echo sends every packet back.
func echo(c *net.UDPConn) {
	buf := make([]byte, 64)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		c.WriteToUDPAddrPort(buf[:n], from)
	}
}

// ask sends a number and waits for it to come back, but not long: it may be lost.
func ask(c *net.UDPConn, n uint64) bool {
	var question, answer [8]byte
	binary.BigEndian.PutUint64(question[:], n)
	c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := c.Write(question[:]); err != nil {
		return false
	}
	for { // late answers to others may come first
		if _, err := c.Read(answer[:]); err != nil || answer == question {
			return err == nil
		}
	}
}
