package host

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
)

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// TestArrivals finds the interface for each source, on two hosts: one with an uplink, two local
// networks, a router behind one of them and a bridge of containers, and one that only its
// neighbours reach.
func TestArrivals(t *testing.T) {
	testns.Enter(t)
	of := func(source string, is6 bool) string {
		t.Helper()
		a, err := LookArrivals()
		if err != nil {
			t.Fatal(err)
		}
		var from netip.Prefix
		if source != "" {
			from = netip.MustParsePrefix(source)
		}
		return strings.Join(a.Of(from, is6), " ")
	}
	ip(t, "link set lo up")
	for _, device := range []string{"wan0 203.0.113.2/24", "lan0 192.168.7.1/24", "lan1 10.2.0.1/16", "docker0 172.17.0.1/16"} {
		name, addr, _ := strings.Cut(device, " ")
		ip(t, "link add "+name+" type veth peer name "+name+"-peer")
		ip(t, "addr add "+addr+" dev "+name)
		ip(t, "link set "+name+" up")
		ip(t, "link set "+name+"-peer up")
	}
	ip(t, "addr add 2001:db8:7::1/64 dev lan0")
	if got := of("", false); !sameWords(got, "lan0 lan1 wan0") {
		t.Errorf("without a default route strangers are neighbours: %s", got)
	}
	ip(t, "route add default via 203.0.113.1")
	ip(t, "route add 10.9.0.0/16 via 192.168.7.254")
	ip(t, "route add 198.51.100.7 via 192.168.7.254")
	ip(t, "route add 0.0.0.0/1 dev lan1 table 99")
	ip(t, "-6 route add default via 2001:db8:7::254")
	for _, test := range []struct {
		source string
		is6    bool
		want   string
	}{
		{"", false, "wan0 lan1"}, // wan0 also by the table of a rule
		{"", true, "lan0"},
		{"192.168.7.0/24", false, "lan0"},
		{"192.168.7.9/32", false, "lan0"},
		{"10.9.3.0/24", false, "lan0"},     // behind a router
		{"10.0.0.0/8", false, "lan1 lan0"}, // both parts of it
		{"10.77.0.0/16", false, ""},        // no route to it
		{"172.17.0.0/16", false, ""},
		{"198.51.100.7/32", false, "lan0"},
		{"198.51.100.8/32", false, "wan0 lan1"},
		{"2001:db8:7::/64", true, "lan0"},
		{"2001:db8:9::5/128", true, "lan0"},
		{"fd00:9::/64", true, ""},
	} {
		if got := of(test.source, test.is6); !sameWords(got, test.want) {
			t.Errorf("%q, IPv6 %v: by %q, want %q", test.source, test.is6, got, test.want)
		}
	}
}

// sameWords compares words in any order, since the kernel lists routes in any order.
func sameWords(a, b string) bool {
	count := make(map[string]int)
	for _, w := range strings.Fields(a) {
		count[w]++
	}
	for _, w := range strings.Fields(b) {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
