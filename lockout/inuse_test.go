package lockout

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
)

// TestInUse: who uses a closed listener is named, unless that address would be let in again.
func TestInUse(t *testing.T) {
	closed := Find(base, [2]*iptables.Saved{}, []host.Listener{
		listener("tcp", "0.0.0.0", 22, "sshd", ""), listener("tcp", "::", 6379, "redis-server", ""),
		listener("udp", "0.0.0.0", 1194, "openvpn", "openvpn"), listener("tcp", "0.0.0.0", 1194, "openvpn", "openvpn"),
		listener("tcp", "0.0.0.0", 3306, "mysqld", ""),
	})
	var uses []Use
	use := func(proto string, port uint16, from string) {
		uses = append(uses, Use{proto, port, netip.MustParseAddr(from)})
	}
	use("tcp", 22, "192.168.1.7") // is let in again
	use("tcp", 22, "203.0.113.7")
	use("tcp", 22, "2001:db8::7") // by another listener
	use("tcp", 6379, "2001:db8::7")
	use("tcp", 6379, "127.0.0.1")
	use("tcp", 6379, "203.0.113.9")
	use("udp", 1194, "203.0.113.8")
	use("udp", 1194, "203.0.113.8")
	from := netip.MustParseAddr("45.0.0.9")
	for range maxUsers + 2 {
		uses = append(uses, Use{"tcp", 3306, from})
		from = from.Prev()
	}
	InUse(closed, uses)
	var got []string
	for _, c := range closed {
		got = append(got, c.UsersWords())
	}
	want := []string{
		"tcp 22 is in use now by 203.0.113.7", "tcp 6379 is in use now by 203.0.113.9, 2001:db8::7", "udp 1194 is in use now by 203.0.113.8", "",
		"tcp 3306 is in use now by 45.0.0.0, 45.0.0.1, 45.0.0.2, 45.0.0.3, 45.0.0.4, 45.0.0.5, 45.0.0.6, 45.0.0.7 and 2 more",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
