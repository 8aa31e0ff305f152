package host

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
)

func TestParseResolvConf(t *testing.T) {
	text := "# c\nnameserver 192.0.2.53\nsearch example.net\nnameserver  fe80::1%eth0\nnameserver\nnameserver x\n nameserver 2001:db8::53 # c\nnameserver ::ffff:192.0.2.54\n"
	if got, want := parseResolvConf([]byte(text)), testvalue.Addrs("192.0.2.53", "fe80::1", "2001:db8::53", "192.0.2.54"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOwnAddressesAndGateways(t *testing.T) {
	testns.Enter(t)
	for _, args := range []string{
		"link add v0 type veth peer name v1", "link set v0 up", "link set v1 up",
		"addr add 198.51.100.2/24 dev v0", "addr add 2001:db8::2/64 dev v0 nodad",
		"route add default via 198.51.100.1", "-6 route add default via 2001:db8::1",
		"route add 192.0.2.0/24 via 198.51.100.99", "route add default via 198.51.100.3 table 100", "-6 route add 2000::/3 via 2001:db8::9",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	own, err := OwnAddresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range testvalue.Addrs("127.0.0.1", "::1", "198.51.100.2", "2001:db8::2") {
		if !slices.Contains(own, a) {
			t.Errorf("%s is not among %v", a, own)
		}
	}
	gws, err := Gateways()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(gws, netip.Addr.Compare)
	if want := testvalue.Addrs("198.51.100.1", "198.51.100.3", "2001:db8::1", "2001:db8::9"); !slices.Equal(gws, want) {
		t.Errorf("gateways %v, want %v", gws, want)
	}
}
