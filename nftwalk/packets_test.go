package nftwalk

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/voipbl/voipbl/internal/testnft"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/nft"
)

// TestFateIsWhatHappens sends packets through rules in the kernel, and compares the outcome with
// the fate: certain drops do not arrive, packets without a drop do, and for the rest, and for
// ports of containers, nothing is claimed.
func TestFateIsWhatHappens(t *testing.T) {
	ports := []uint16{22, 53, 5060, 5061, 5062, 7000, 7150, 7151, 12000}
	sources := []string{
		"8.8.8.8", "45.95.1.2", "45.95.1.3", "45.96.1.2", "45.97.0.9", "45.97.0.10", "45.80.0.9", "45.1.1.50", "9.9.9.77", "192.168.7.5",
		"88.20.0.5", "88.20.1.5", "88.30.0.1", "88.10.0.7", "88.40.3.3", "88.41.0.1", "217.10.68.150", "2a0a:1::5", "2a03:88::7", "2a00:1::1",
	}
	for _, rules := range []string{"filter.nft", "firewalld.nft", "freepbx.nft", "fail2ban.nft", "odd.nft", "docker.nft", "netavark.nft"} {
		t.Run(rules, func(t *testing.T) {
			four, six := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:1::1")
			star := testns.EnterStar(t, four, six)
			var networks []netip.Prefix
			for _, n := range []string{"8.8.8.1/24", "45.0.0.1/8", "9.9.9.1/24", "192.168.7.1/24", "88.0.0.1/8", "217.10.68.1/24", "2a0a:1::1/32", "2a03:88::1/32", "2a00:1::f/64"} {
				networks = append(networks, netip.MustParsePrefix(n))
			}
			outside := star.Join(networks...)
			sent := 0
			arrives := func(source, to netip.Addr, port uint16) bool {
				t.Helper()
				in, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, port)))
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				sent++
				return star.Deliver(outside, source, in, fmt.Sprintf("packet %d", sent))
			}
			for _, port := range ports { // without the rules, to show that all of them arrive
				for _, source := range sources[:1] {
					if !arrives(netip.MustParseAddr(source), four, port) {
						t.Fatalf("without rules nothing arrives at port %d", port)
					}
				}
			}
			testnft.Apply(t, rules)
			r := testnft.Read(t, nft.Options{Elements: true})
			dropped, passed := 0, 0
			for _, source := range sources {
				to := four
				if from(source).is6() {
					to = six
				}
				for _, port := range ports {
					p := from(source).to("udp", port).by("host1").at(four.String(), six.String())
					f := FateOf(r, p)
					if !f.Dropped && len(f.Drops) > 0 || p.published(r) {
						continue
					}
					if got := arrives(netip.MustParseAddr(source), to, port); got == f.Dropped {
						t.Errorf("%s, udp %d: said to be dropped: %v, arrived: %v (%s)", source, port, f.Dropped, got, short(f))
					}
					if f.Dropped {
						dropped++
					} else {
						passed++
					}
				}
			}
			t.Logf("%d dropped, %d passed, of %d", dropped, passed, len(sources)*len(ports))
			if dropped+passed == 0 {
				t.Error("nothing was compared")
			}
		})
	}
}

// published reports whether packets are sent on to a container.
func (p Packet) published(r *nft.Ruleset) bool {
	for _, o := range PublishedPorts(r, p.is6()) {
		if o.Proto == p.Proto && o.Ports.First <= p.Port && p.Port <= o.Ports.Last {
			return true
		}
	}
	return false
}
