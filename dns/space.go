package dns

import "net/netip"

// space is a range of addresses that no remote host has.
type space struct {
	prefix netip.Prefix
	name   string
}

// noHost are addresses that do not count as an answer. Resolvers that block a name,
// captive portals and dynamic DNS services for offline hosts return them (0.0.0.0,
// 127.0.0.1). Private addresses do count, because a trunk may be in the LAN.
var noHost = []space{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link local"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("fe80::/10"), "link local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
}

var (
	global      = netip.MustParsePrefix("2000::/3")
	uniqueLocal = netip.MustParsePrefix("fc00::/7")

	// nat64 has the addresses by which an IPv6-only host reaches IPv4-only hosts (RFC
	// 6052): the last four bytes are the IPv4 address.
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
)

// whyNoHost returns why an address cannot be a remote host's, or "" if it can.
func whyNoHost(a netip.Addr) string {
	a = a.Unmap()
	for _, s := range noHost {
		if s.prefix.Contains(a) {
			return s.name
		}
	}
	if nat64.Contains(a) {
		b := a.As16()
		return whyNoHost(netip.AddrFrom4([4]byte(b[12:])))
	}
	if a.Is6() && !global.Contains(a) && !uniqueLocal.Contains(a) && !nat64Local.Contains(a) {
		return "not global unicast"
	}
	return ""
}
