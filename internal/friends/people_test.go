package friends_test

import (
	"net/netip"

	"github.com/voipbl/voipbl/internal/testns"
)

// person is somebody around the PBX, with an address of each family.
type person struct {
	name  string
	addrs [2]netip.Addr
	host  *testns.Host
}

// The PBX's addresses. All addresses here are public or in a LAN; no host has a way
// out.
var pbx = addrs("5.5.0.1", "2a00:5::1")

// The friends, named by what makes them friends. These are the rows of the table.
const (
	byAddress = "trunk by address"
	byName    = "trunk by name"
	bySRV     = "trunk by SRV"
	network   = "local network"
	lan       = "phone in a LAN"
	allowed   = "allow"
	allowName = "allow by name"
	byVerb    = "voipbl allow"
	session   = "SSH session"
)

var friends = []person{
	{name: byAddress, addrs: addrs("7.7.7.7", "2a00:7::7")},
	{name: byName, addrs: addrs("3.3.3.3", "2a00:3::3")},
	{name: bySRV, addrs: addrs("6.6.6.6", "2a00:6::6")},
	{name: network, addrs: addrs("45.20.0.5", "2a00:45::5")},
	{name: lan, addrs: addrs("192.168.1.9", "fd00:1::9")},
	{name: allowed, addrs: addrs("9.9.9.9", "2a00:9::9")},
	{name: allowName, addrs: addrs("4.4.4.4", "2a00:4::4")},
	{name: byVerb, addrs: addrs("12.7.7.7", "2a00:12::7")},
	{name: session, addrs: addrs("23.5.7.7", "2a00:57::7")},
}

// settings is the configuration that makes them friends.
const settings = `allow: [9.9.9.9, "2a00:9::9", phones.example]
firewall:
  local_networks: [45.20.0.0/24, "2a00:45::/64", 192.168.1.0/24, "fd00:1::/64"]
  trunks: [7.7.7.7, "2a00:7::7", trunk.example, provider.example]
`

// records are the DNS records. At the address of its own name the provider with the SRV
// record has only a web site.
var records = []struct{ name, kind, value string }{
	{"trunk.example", "A", "3.3.3.3"},
	{"trunk.example", "AAAA", "2a00:3::3"},
	{"provider.example", "A", "6.6.7.7"},
	{"_sip._udp.provider.example", "SRV", "edge.provider.example"},
	{"edge.provider.example", "A", "6.6.6.6"},
	{"edge.provider.example", "AAAA", "2a00:6::6"},
	{"phones.example", "A", "4.4.4.4"},
	{"phones.example", "AAAA", "2a00:4::4"},
}

func addrs(v4, v6 string) [2]netip.Addr {
	return [2]netip.Addr{netip.MustParseAddr(v4), netip.MustParseAddr(v6)}
}

// stranger returns a new person in networks of their own.
func (l *lab) stranger() person {
	l.strangers++
	v4 := [4]byte{8, 8, byte(l.strangers), 1}
	v6 := strangers6.Addr().As16()
	v6[7] = byte(l.strangers) // its own /64
	return person{"stranger", [2]netip.Addr{netip.AddrFrom4(v4), netip.AddrFrom16(v6)}, l.outside}
}

// The networks of strangers.
var (
	strangers4 = netip.MustParsePrefix("8.8.0.1/16")
	strangers6 = netip.MustParsePrefix("2a00:8::1/48")
)

// networks returns a person's networks: a provider's /24 and a site's /64.
func (p person) networks() [2]netip.Prefix {
	return [2]netip.Prefix{netip.PrefixFrom(p.addrs[0], 24).Masked(), netip.PrefixFrom(p.addrs[1], 64).Masked()}
}

// neighbour returns another person in the same networks.
func (p person) neighbour() person {
	p.name = "neighbour of " + p.name
	for f, addr := range p.addrs {
		p.addrs[f] = addr.Next()
	}
	return p
}
