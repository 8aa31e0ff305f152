package exempt

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
)

func protect(t *testing.T, yaml string, offline bool, store *fetch.Store) *Protection {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RunDir = t.TempDir()
	p, err := Gather(cfg, Resolve(t.Context(), store, cfg, Lookups{Offline: offline, Keep: true}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openStore(t *testing.T) *fetch.Store {
	t.Helper()
	s, err := fetch.OpenStore(t.TempDir() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func reasonsFor(p *Protection, addr string) string {
	a := netip.MustParseAddr(addr)
	var all []string
	for _, e := range p.Covering(netip.PrefixFrom(a, a.BitLen())) {
		all = append(all, e.Prefix.String()+" "+strings.Join(e.Reasons, "+"))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func TestProtection(t *testing.T) {
	testns.Enter(t)
	store := openStore(t)
	known := func(addrs ...string) (k Answer) {
		for _, a := range addrs {
			k.Addresses = append(k.Addresses, dns.Address{Addr: netip.MustParseAddr(a)})
		}
		return k
	}
	if err := store.WriteJSON(namesFile, map[string]Answer{"office.example": known("9.7.0.1"), "feeds.example": known("9.7.0.1", "2a05::1"), "hub.example": known("9.7.0.2")}); err != nil {
		t.Fatal(err)
	}
	p := protect(t, `
feeds: [{name: a, url: "https://198.51.7.7/list"}, {name: b, url: "https://FEEDS.example/list"}, {name: c, path: /x}]
allow: [8.8.0.0/16, 8.8.8.8, "2a00:1::/32", office.example]
firewall:
  local_networks: [192.168.1.0/24]
  trunks: [8.8.8.8]
fleet: {hub: ["tls://hub.example:4222", "tls://HUB.example:4223", "tls://[2a06::1]:4222", "tls://198.51.7.8"]}
`, true, store)
	if len(p.Problems) != 0 {
		t.Errorf("problems %q", p.Problems)
	}
	for addr, want := range map[string]string{
		"8.8.8.8":      "8.8.0.0/16 allow; 8.8.8.8/32 allow+trunks",
		"8.8.1.1":      "8.8.0.0/16 allow",
		"9.9.9.9":      "",
		"2a00:1::5":    "2a00:1::/32 allow",
		"192.168.1.77": "192.168.1.0/24 local_networks",
		"198.51.7.7":   "198.51.7.7/32 source of feed a",
		"127.0.0.1":    "127.0.0.1/32 this host's own address",
		"9.7.0.1":      "9.7.0.1/32 allow (office.example)+source of feed b (feeds.example)",
		"2a05::1":      "2a05::1/128 source of feed b (feeds.example)",
		"9.7.0.2":      "9.7.0.2/32 hub of the fleet (hub.example)",
		"2a06::1":      "2a06::1/128 hub of the fleet",
		"198.51.7.8":   "198.51.7.8/32 hub of the fleet",
		"192.168.2.1":  "",
		"2a00:2::1":    "",
	} {
		if got := reasonsFor(p, addr); got != want {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
	wide := p.Covering(netip.MustParsePrefix("8.0.0.0/8"))
	if len(wide) != 2 {
		t.Errorf("8.0.0.0/8 has inside it %v", wide)
	}
	over := p.Overlapping(cidr.SetOf(cidr.MustParsePrefix("8.8.8.0/24"), cidr.MustParsePrefix("9.128.0.0/9"), cidr.MustParsePrefix("2a00::/16")))
	var got []string
	for _, e := range over {
		got = append(got, e.Prefix.String())
	}
	if want := []string{"8.8.0.0/16", "8.8.8.8/32", "2a00:1::/32"}; !slices.Equal(got, want) {
		t.Errorf("overlapping %v, want %v", got, want)
	}
}

// TestNamesKeepTheirLastGoodAnswer: a name that stops resolving stays exempt.
func TestNamesKeepTheirLastGoodAnswer(t *testing.T) {
	testns.Enter(t) // no DNS server answers in here
	store := openStore(t)
	old := testvalue.Addrs("8.8.8.8")
	if err := store.WriteJSON(namesFile, map[string]any{"trunk.invalid": map[string]any{"addrs": old}}); err != nil {
		t.Fatal(err)
	}
	for _, offline := range []bool{false, true} {
		p := protect(t, "allow: [trunk.invalid, never.invalid, localhost]\nfeeds: [{name: c, path: /x}]\n", offline, store)
		if got := reasonsFor(p, "8.8.8.8"); got != "8.8.8.8/32 allow (trunk.invalid)" {
			t.Errorf("offline %v: %q", offline, got)
		}
		problems := strings.Join(p.Problems, "\n")
		if !strings.Contains(problems, "never.invalid") || strings.Contains(problems, "trunk.invalid") == offline {
			t.Errorf("offline %v: problems %q", offline, problems)
		}
	}
	// A lookup that succeeded has not removed the answer of one that failed.
	var kept map[string]Answer
	if err := store.ReadJSON(namesFile, &kept); err != nil || !slices.Equal(kept["trunk.invalid"].Addrs(), old) || kept["localhost"].Failed == nil {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// TestProtectedAddresses: the notation of an address does not matter, and Overlapping
// returns only exempt prefixes that the sets would block.
func TestProtectedAddresses(t *testing.T) {
	var list protectedList
	list.addAddrs(testvalue.Addrs("::ffff:1.2.3.4", "fe80::1%eth0"), "gateway")
	list.addAddrs(testvalue.Addrs("1.2.3.4"), "allow")
	list.add(netip.MustParsePrefix("8.8.0.0/16"), "allow")
	list.add(netip.MustParsePrefix("8.8.200.1/32"), "trunks")
	p, err := list.index()
	if err != nil {
		t.Fatal(err)
	}
	if got := reasonsFor(p, "1.2.3.4"); got != "1.2.3.4/32 allow+gateway" {
		t.Errorf("1.2.3.4: %q", got)
	}
	if got := reasonsFor(p, "fe80::1"); got != "fe80::1/128 gateway" {
		t.Errorf("fe80::1: %q", got)
	}
	over := p.Overlapping(cidr.SetOf(cidr.MustParsePrefix("8.8.8.0/24"), cidr.MustParsePrefix("1.2.3.0/24")))
	if len(over) != 2 || over[0].Prefix.String() != "1.2.3.4/32" || over[1].Prefix.String() != "8.8.0.0/16" {
		t.Errorf("%v", over)
	}
}

// TestHostsOf: an IPv4-mapped address is exempt as IPv4, as packets have it.
func TestHostsOf(t *testing.T) {
	var addrs []netip.Addr
	for _, text := range []string{"::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4", "2a00::1"} {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	if got := fmt.Sprint(HostsOf(addrs)); got != "[1.2.3.4/32 fe80::1/128 1.2.3.4/32 2a00::1/128]" {
		t.Error(got)
	}
}
