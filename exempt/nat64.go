package exempt

import (
	"net/netip"
	"slices"
)

// nat64 has the addresses of IPv4-only hosts as an IPv6-only host sees them, behind a
// translator (RFC 6052): the last four bytes are the IPv4 address.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// addNAT64 adds the NAT64 address of every exempt IPv4 prefix. Lists never block those
// addresses, but bans may. Private and other special addresses have none (RFC 6052 section
// 3.1).
func (l *protectedList) addNAT64() {
	var all []Protected
	for p, reasons := range *l {
		if a := p.Addr(); a.Is4() && a.IsGlobalUnicast() && !a.IsPrivate() {
			all = append(all, Protected{translated(p), reasons})
		}
	}
	for _, e := range all {
		for _, reason := range e.Reasons {
			l.add(e.Prefix, reason+", by NAT64")
		}
	}
}

// translated returns the NAT64 prefix for an IPv4 one.
func translated(p netip.Prefix) netip.Prefix {
	a := nat64.Addr().As16()
	v4 := p.Addr().As4()
	copy(a[12:], v4[:])
	return netip.PrefixFrom(netip.AddrFrom16(a), nat64.Bits()+p.Bits())
}

// shared is IPv6 space in which a network does not belong to one host: behind a translator
// or relay each address is a different host.
var shared = []netip.Prefix{
	nat64,
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 within a network (RFC 8215)
	netip.MustParsePrefix("2001::/32"),      // Teredo (RFC 4380): a /64 has all clients of one server
}

// Widened returns the network of length bits around an IPv6 address, because an
// attacker has all of it. For IPv4, shared space and wider prefixes it returns p.
func Widened(p netip.Prefix, bits int) netip.Prefix {
	if !p.Addr().Is6() || slices.ContainsFunc(shared, func(s netip.Prefix) bool { return s.Overlaps(p) }) {
		return p
	}
	if wide, err := p.Addr().Prefix(bits); err == nil && bits < p.Bits() {
		return wide
	}
	return p
}
