package genfeed

import (
	"encoding/binary"
	"net/netip"
)

// Entries that are wider than these are Wide.
const (
	widest4 = v4Bits + 8
	widest6 = 19
)

// v4Bits is added to the length of an IPv4 prefix, because entries are IPv4-mapped.
const v4Bits = 96

// v4Lo is the low half of ::ffff:0.0.0.0.
const v4Lo = 0xffff_0000_0000

// special4 is the special-purpose space of IPv4
// (https://www.iana.org/assignments/iana-ipv4-special-registry, plus multicast and 192.88.99.0/24).
var special4 = mustEntries("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")

// special6 is everything outside 2000::/3, and the special-purpose space in it
// (https://www.iana.org/assignments/iana-ipv6-special-registry).
var special6 = mustEntries("::/3", "4000::/2", "8000::/1",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

// public6 is the space from which registries assign addresses
// (https://www.iana.org/assignments/ipv6-unicast-address-assignments): APNIC, ARIN, LACNIC,
// RIPE, AFRINIC.
var public6 = mustEntries("2400::/12", "2600::/12", "2800::/12", "2a00::/12", "2c00::/12")

// bogons4 is the space of bogons in real lists; each row is drawn equally often. Of the 83 of
// 2019-04-23, 59 are in 0.0.0.0/8 (19 of them in 0.0.0.0/24), 21 in 100.64.0.0/10, 2 in
// 240.0.0.0/4, one in 169.254.0.0/16; the list of 2015 had 40 in 10.0.0.0/8. The other rows
// are there so that tests cover them.
var bogons4 = mustEntries(
	"0.0.0.0/24", "0.0.0.0/24", "0.0.0.0/24", "0.0.0.0/16", "0.0.0.0/16", "0.0.0.0/16", "0.0.0.0/8", "0.0.0.0/8",
	"100.64.0.0/23", "100.64.0.0/23", "100.64.0.0/10", "10.0.0.0/8", "10.0.0.0/8",
	"127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")

// bogons6 is not measured, because there is no such list: it is what a careless
// collector would log.
var bogons6 = mustEntries("64:ff9b::/96", "fc00::/7", "fe80::/64", "ff00::/8", "2001:db8::/32",
	"2001::/32", "2002::/16", "3fff::/20")

// An entry is a future line: a prefix (IPv4 as ::ffff:a.b.c.d with 96 added to its length)
// and how to spell it.
type entry struct {
	hi, lo uint64
	bits   uint8
	kind   Kind
}

func mustEntries(prefixes ...string) []entry {
	var es []entry
	for _, s := range prefixes {
		p := netip.MustParsePrefix(s)
		a := p.Addr().As16()
		e := entry{hi: binary.BigEndian.Uint64(a[:8]), lo: binary.BigEndian.Uint64(a[8:]), bits: uint8(p.Bits())}
		if p.Addr().Is4() {
			e.bits += v4Bits
		}
		es = append(es, e)
	}
	return es
}

func (e entry) is4() bool {
	return e.hi == 0 && e.lo>>32 == v4Lo>>32 && e.bits >= v4Bits
}

func (e entry) wide() bool {
	if e.is4() {
		return e.bits < widest4
	}
	return e.bits < widest6
}

// special reports whether e overlaps special-purpose space.
func (e entry) special() bool {
	if e.is4() {
		return e.overlapsAny(special4)
	}
	return e.overlapsAny(special6)
}

func (e entry) overlapsAny(rows []entry) bool {
	for _, row := range rows {
		hi, lo := masks(min(e.bits, row.bits))
		if (e.hi^row.hi)&hi == 0 && (e.lo^row.lo)&lo == 0 {
			return true
		}
	}
	return false
}

func (e entry) masked() entry {
	hi, lo := masks(e.bits)
	e.hi &= hi
	e.lo &= lo
	return e
}

// masks returns the two halves of a netmask.
func masks(bits uint8) (hi, lo uint64) {
	if bits >= 64 {
		return ^uint64(0), ^uint64(0) << (128 - bits)
	}
	return ^uint64(0) << (64 - bits), 0
}
