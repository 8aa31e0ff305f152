package flows

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testvalue"
)

var ports = Ports{SIP: []portrange.Range{{First: 5060, Last: 5061}}, RTP: []portrange.Range{{First: 10000, Last: 20000}}}

// talking returns who talks now, in words.
func talking(t *testing.T) (all []string) {
	t.Helper()
	var talkers Talkers
	if seen := Ask()(func(f Flow) { talkers.Add(f, ports.Use(f)) }); seen.Err != nil {
		t.Fatal(seen.Err)
	}
	for _, talker := range talkers.First(100) {
		all = append(all, fmt.Sprint(talker.Address, " ", talker.Flows))
	}
	return all
}

// TestRealFlows: calls, signalling and connections of both families are seen, each by the address of
// the other side; what nobody answers is not.
func TestRealFlows(t *testing.T) {
	hosts, peers := testvalue.Addrs("203.0.113.1", "2001:db8:1::1"), testvalue.Addrs("45.0.0.1", "2a0a:1::1", "45.0.0.9")
	pair := testns.EnterPair(t, hosts, peers)
	for _, tool := range []string{"iptables-nft", "ip6tables-nft"} { // the kernel tracks flows where a rule wants to know them
		if out, err := exec.Command(tool, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if got := talking(t); got != nil {
		t.Fatalf("before anything was sent: %v", got)
	}
	udp := func(addr netip.Addr, port uint16) *net.UDPConn {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	type side struct {
		from *net.UDPConn
		to   netip.AddrPort
	}
	var sends, answers []side
	for f, host := range hosts {
		for _, port := range []uint16{5060, 12000, 4000} {
			here, to := udp(host, port), netip.AddrPortFrom(host, port)
			pair.Outside(func() {
				there := udp(peers[f], 40000+port)
				sends = append(sends, side{there, to})
				answers = append(answers, side{here, there.LocalAddr().(*net.UDPAddr).AddrPort()})
			})
		}
	}
	pair.Outside(func() { sends = append(sends, side{udp(peers[2], 5060), netip.AddrPortFrom(hosts[0], 5060)}) }) // unanswered
	var kept []io.Closer
	for f, host := range hosts {
		for _, port := range []uint16{5061, 22} {
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, port)))
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, l)
			pair.Outside(func() {
				from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(peers[f], 50000+port))
				conn, err := net.DialTCP("tcp", from, l.Addr().(*net.TCPAddr))
				if err != nil {
					t.Fatal(err)
				}
				kept = append(kept, conn)
			})
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, conn)
		}
	}
	defer func() {
		for _, c := range kept {
			c.Close()
		}
	}()
	want := []string{
		"45.0.0.1 [{call udp 12000 52000} {tcp tcp 22 50022} {sip tcp 5061 55061} {sip udp 5060 45060}]",
		"2a0a:1::1 [{call udp 12000 52000} {tcp tcp 22 50022} {sip tcp 5061 55061} {sip udp 5060 45060}]",
	}
	var got []string
	if !testpoll.Until(time.Minute, func() bool {
		for _, s := range slices.Concat(sends, answers) {
			if _, err := s.from.WriteToUDPAddrPort([]byte("voice"), s.to); err != nil && !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
		got = talking(t)
		return slices.Equal(got, want)
	}) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// TestManyFlows: a table full of an attacker's flows costs bounded memory, and displaces no call.
func TestManyFlows(t *testing.T) {
	testns.Enter(t)
	host, host6 := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:1::1")
	track := func(tcp bool, from netip.Addr, port uint16) {
		to := host
		if from.Is6() {
			to = host6
		}
		if err := testns.Track(tcp, netip.AddrPortFrom(from, 40000), netip.AddrPortFrom(to, port)); err != nil {
			t.Fatal(err)
		}
	}
	const many = 2 * maxTalkers
	from, from6 := netip.MustParseAddr("45.0.0.1"), netip.MustParseAddr("2a0a:1::1")
	if seen := Ask()(func(f Flow) { t.Errorf("saw %+v", f) }); seen.Err != nil || seen.Tracked != 0 {
		t.Fatalf("%+v", seen)
	}
	for range many / 2 {
		track(false, from, 5060)
		track(true, from6, 5061)
		from, from6 = from.Next(), from6.Next()
	}
	track(false, from, 5060)
	track(true, from6, 5061)
	track(false, netip.MustParseAddr("77.0.0.1"), 15000)
	track(true, netip.MustParseAddr("77.0.0.2"), 443) // forwarded, since no socket of this host has it
	var talkers Talkers
	seen := Ask()(func(f Flow) { talkers.Add(f, ports.Use(f)) })
	if seen.Err != nil || seen.Tracked != many+4 {
		t.Fatalf("%+v", seen)
	}
	first := talkers.First(2)
	if talkers.Len() != 2*maxTalkers+1 || !talkers.Full || len(first) != 2 ||
		first[0].Address != netip.MustParseAddr("77.0.0.1") || first[0].Flows[0].Use != Call || first[1].Flows[0].Use != SIP {
		t.Errorf("%d talkers, full %v, first %v", talkers.Len(), talkers.Full, first)
	}
	// Whom somebody asks for is found all the same.
	early := Begin(ports)
	for range 2 { // whom the first look has kept, and whom it has not
		among, seen := early.Among(func(a netip.Addr) bool { return a == from || a == from6 })
		if among.Len() != 2 || among.Full || seen.Err != nil {
			t.Errorf("%v, full %v, %+v", among.First(9), among.Full, seen)
		}
		from, from6 = netip.MustParseAddr("45.0.0.1"), netip.MustParseAddr("2a0a:1::1")
	}
}

// TestBounded: of more addresses than are kept, those with calls are kept.
func TestBounded(t *testing.T) {
	var talkers Talkers
	addr := netip.MustParseAddr("2a0a:1::1")
	for range maxTalkers {
		talkers.Add(Flow{Peer: addr, Port: 5060}, SIP)
		addr = addr.Next()
	}
	if talkers.Full || talkers.Len() != maxTalkers {
		t.Errorf("full %v with %d", talkers.Full, talkers.Len())
	}
	talkers.Add(Flow{Peer: addr, Port: 5060}, SIP)
	talkers.Add(Flow{Peer: addr, Port: 10000}, Call)
	talkers.Add(Flow{Peer: addr, Port: 4000}, "")
	if first := talkers.First(1); !talkers.Full || talkers.Len() != maxTalkers+1 || first[0].Address != addr || len(first[0].Flows) != 1 {
		t.Errorf("full %v, %d, first %v", talkers.Full, talkers.Len(), first)
	}
	if got := len(talkers.First(maxTalkers * 2)); got != maxTalkers+1 {
		t.Errorf("%d in all", got)
	}
}

// TestLowest: of several flows of one kind the lowest port is kept, in whatever order they come.
func TestLowest(t *testing.T) {
	peer := netip.MustParseAddr("45.0.0.1")
	all := []Flow{{Peer: peer, Port: 5061, TCP: true}, {Peer: peer, Port: 5060, PeerPort: 9}, {Peer: peer, Port: 5060, PeerPort: 8}, {Peer: peer, Port: 5060, PeerPort: 8, TCP: true}}
	for range 2 {
		var talkers Talkers
		for _, f := range all {
			talkers.Add(f, SIP)
		}
		if got := fmt.Sprint(talkers.First(9)); got != "[{45.0.0.1 [{sip tcp 5060 8} {sip udp 5060 8}]}]" {
			t.Error(got)
		}
		slices.Reverse(all)
	}
}

// TestRefused: without the right to list flows, that is an error; connections are seen all the same.
func TestRefused(t *testing.T) {
	testns.Enter(t)
	if err := testns.Track(false, netip.MustParseAddrPort("45.0.0.1:5060"), netip.MustParseAddrPort("203.0.113.1:5060")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, from := range []string{"127.0.0.2", "127.0.0.1"} { // the second has an end on both sides
		conn, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(from)}, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	// For this thread, which testns has locked to the test and which ends with it.
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		t.Fatal(err)
	}
	own := 0
	seen := Ask()(func(f Flow) {
		if !f.TCP || !f.Own {
			t.Errorf("saw %+v", f)
		}
		own++
	})
	if !errors.Is(seen.Err, fs.ErrPermission) || seen.Tracked != 1 || own != 2 {
		t.Errorf("%+v, and %d connections", seen, own)
	}
}

// TestParse: whatever is cut off or lies about its length is an error, or no flow.
func TestParse(t *testing.T) {
	if got, err := parseEstablished("Tcp: RtoAlgorithm CurrEstab\nTcp: 1 7\n"); got != 7 || err != nil {
		t.Error(got, err)
	}
	for _, snmp := range []string{"", "Tcp: CurrEstab\n", "Tcp: a CurrEstab\nTcp: 1\n", "Tcp: a b\nTcp: 1 2\n", "Tcp: a CurrEstab\nTcp: 1 x\n"} {
		if _, err := parseEstablished(snmp); err == nil {
			t.Errorf("%q: no error", snmp)
		}
	}
}

// FuzzTracked: no message makes the parser fail or read beyond it, and what counts has addresses.
func FuzzTracked(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 8, 0, 3, 0, 0, 0, 0, 14})
	f.Add([]byte{2, 0, 0, 0, 3, 0, 1, 0})
	f.Add([]byte{2, 0, 0, 0, 28, 0, 1, 128, 24, 0, 1, 128, 8, 0, 1, 0, 45, 0, 0, 1, 8, 0, 2, 0, 203, 0, 113, 1})
	f.Add([]byte{2, 0, 0, 0, 16, 0, 1, 128, 12, 0, 2, 128, 5, 0, 1, 0, 17, 0, 0, 0})
	f.Fuzz(func(t *testing.T, msg []byte) {
		flow, counts, err := parseTracked(msg)
		if err != nil || !counts {
			return
		}
		flow.each(func(f Flow) {
			if !f.Peer.IsValid() {
				t.Errorf("%v: %+v", msg, f)
			}
		})
	})
}
