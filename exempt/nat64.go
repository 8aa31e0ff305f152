package exempt

import (
	"net/netip"
	"slices"
)

// nat64 is where hosts with IPv4 only are for a host with IPv6 only, behind a translator
// (RFC 6052): the last four bytes are the address that they really have.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// addNAT64 adds what everybody with an IPv4 address is called behind such a translator.
// No list blocks that, but bans may. Addresses that are no one's in the Internet have no such
// name (RFC 6052 section 3.1).
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

// translated is the IPv6 prefix that stands for an IPv4 one.
func translated(p netip.Prefix) netip.Prefix {
	a := nat64.Addr().As16()
	v4 := p.Addr().As4()
	copy(a[12:], v4[:])
	return netip.PrefixFrom(netip.AddrFrom16(a), nat64.Bits()+p.Bits())
}

// shared is space in which a network does not belong to one host: behind a translator or a
// relay each address is another host, with nothing in common with its neighbours.
var shared = []netip.Prefix{
	nat64,
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 within a network (RFC 8215)
	netip.MustParsePrefix("2001::/32"),      // Teredo (RFC 4380): a /64 is all clients of one server
}

// Widened is the network around an IPv6 address that bits name, for an attacker who has
// all of it, or the prefix itself if there is none.
func Widened(p netip.Prefix, bits int) netip.Prefix {
	if !p.Addr().Is6() || slices.ContainsFunc(shared, func(s netip.Prefix) bool { return s.Overlaps(p) }) {
		return p
	}
	if wide, err := p.Addr().Prefix(bits); err == nil && bits < p.Bits() {
		return wide
	}
	return p
}
