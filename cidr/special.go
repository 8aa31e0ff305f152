package cidr

import (
	"iter"
	"slices"
)

// Special is space that is never blocked, because no host on the Internet
// sends from it, or because blocking it would cut off the host itself.
type Special struct {
	Prefix Prefix
	Name   string
	Source string // the document that reserves it
}

// specials is the table of special-purpose space. A prefix counts for the first row
// that it overlaps. The only IPv6 space for global unicast so far is 2000::/3 (RFC 4291
// §2.4, IANA IPv6 Address Space); the rows outside of it cover all the rest.
var specials = []Special{
	special("0.0.0.0/8", "this network", "RFC 791 §3.2"),
	special("10.0.0.0/8", "private use", "RFC 1918"),
	special("100.64.0.0/10", "carrier-grade NAT", "RFC 6598"),
	special("127.0.0.0/8", "loopback", "RFC 1122 §3.2.1.3"),
	special("169.254.0.0/16", "link local", "RFC 3927"),
	special("172.16.0.0/12", "private use", "RFC 1918"),
	special("192.0.0.0/24", "protocol assignments", "RFC 6890 §2.1"),
	special("192.0.2.0/24", "documentation", "RFC 5737"),
	special("192.88.99.0/24", "6to4 relay", "RFC 7526"),
	special("192.168.0.0/16", "private use", "RFC 1918"),
	special("198.18.0.0/15", "benchmarking", "RFC 2544"),
	special("198.51.100.0/24", "documentation", "RFC 5737"),
	special("203.0.113.0/24", "documentation", "RFC 5737"),
	special("224.0.0.0/4", "multicast", "RFC 5771"),
	special("240.0.0.0/4", "reserved", "RFC 1112 §4"),

	special("::1/128", "loopback", "RFC 4291 §2.5.3"),
	special("fc00::/7", "unique local", "RFC 4193"),
	special("fe80::/10", "link local", "RFC 4291 §2.5.6"),
	special("ff00::/8", "multicast", "RFC 4291 §2.7"),
	special("::/3", "not global unicast", "RFC 4291 §2.4"),
	special("4000::/2", "not global unicast", "RFC 4291 §2.4"),
	special("8000::/1", "not global unicast", "RFC 4291 §2.4"),
	special("2001::/23", "protocol assignments", "RFC 2928"),
	special("2001:db8::/32", "documentation", "RFC 3849"),
	special("2002::/16", "6to4", "RFC 3056"),
	special("3fff::/20", "documentation", "RFC 9637"),
}

func special(prefix, name, source string) Special {
	return Special{MustParsePrefix(prefix), name, source}
}

// Specials yields the rows of the table of special-purpose space.
func Specials() iter.Seq2[int, Special] { return slices.All(specials) }

// SpecialSpace is all special-purpose space as sets.
var SpecialSpace = func() Sets {
	var b Builder
	for _, s := range specials {
		b.Add(s.Prefix)
	}
	return b.Sets()
}()

// specialOctet is true for each first octet of an address under which there is
// special-purpose space.
var specialOctet = func() (special [2][256]bool) {
	for _, f := range Families {
		for octet := range 256 {
			special[f][octet] = SpecialSpace[f].Overlaps(Prefix{u128{hi: uint64(octet) << 56}, 8, f})
		}
	}
	return special
}()

// FindSpecial returns the first row of the table that overlaps p.
func FindSpecial(p Prefix) (Special, bool) {
	for _, s := range specials {
		if s.Prefix.Overlaps(p) {
			return s, true
		}
	}
	return Special{}, false
}
