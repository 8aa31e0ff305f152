package cidr

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Family is an address family. It indexes arrays of one value per family.
type Family uint8

const (
	IPv4 Family = iota
	IPv6
)

// Families lists both families, in the order of every report.
var Families = [2]Family{IPv4, IPv6}

// Bits is the length of an address: 32 or 128.
func (f Family) Bits() uint8 {
	if f == IPv4 {
		return 32
	}
	return 128
}

func (f Family) String() string {
	if f == IPv4 {
		return "IPv4"
	}
	return "IPv6"
}

// Prefix is a block of addresses that begin with the same bits. Host bits are always
// zero. A Prefix takes 24 bytes and holds no pointer, so the garbage collector need not
// scan a slice of a million; a [netip.Prefix] takes 32 bytes and holds one.
//
// The zero value is 0.0.0.0/0.
type Prefix struct {
	addr u128
	bits uint8
	fam  Family
}

// FromNetip converts p, clearing host bits; an IPv4-mapped IPv6 prefix of at least 96
// bits becomes the IPv4 prefix that it stands for (RFC 4291 §2.5.5.2). It panics if p
// is not valid.
func FromNetip(p netip.Prefix) Prefix {
	if !p.IsValid() {
		panic("cidr: FromNetip of an invalid prefix")
	}
	a, n := p.Addr(), uint8(p.Bits())
	if a.Is4In6() && n >= mappedBits {
		a, n = a.Unmap(), n-mappedBits
	}
	return newPrefix(familyOf(a), addrBits(a), n)
}

// ParsePrefix reads an address, or a prefix whose host bits may be set.
func ParsePrefix(s string) (Prefix, error) {
	r, why := parseRange([]byte(s))
	if why != Accepted {
		return Prefix{}, fmt.Errorf("%q: %s", s, why)
	}
	if r.bits == notPrefix {
		return Prefix{}, fmt.Errorf("%q is a range: expected an address or a prefix", s)
	}
	return newPrefix(r.fam, r.first, r.bits), nil
}

// MustParsePrefix is ParsePrefix for constants: it panics on an error.
func MustParsePrefix(s string) Prefix {
	p, err := ParsePrefix(s)
	if err != nil {
		panic(err)
	}
	return p
}

// FromBytes makes a prefix from an address in network byte order, as the kernel sends
// it: 4 bytes are IPv4, 16 are IPv6. It returns false for other lengths and for bits
// longer than the address.
func FromBytes(addr []byte, bits uint8) (Prefix, bool) {
	switch {
	case len(addr) == 4 && bits <= 32:
		return newPrefix(IPv4, u128{hi: uint64(binary.BigEndian.Uint32(addr)) << 32}, bits), true
	case len(addr) == 16 && bits <= 128:
		return newPrefix(IPv6, u128{binary.BigEndian.Uint64(addr), binary.BigEndian.Uint64(addr[8:])}, bits), true
	}
	return Prefix{}, false
}

// Widen returns the prefix of a length that contains p: p itself if it is not longer.
func (p Prefix) Widen(bits uint8) Prefix { return newPrefix(p.fam, p.addr, min(bits, p.bits)) }

func newPrefix(f Family, a u128, n uint8) Prefix {
	return Prefix{addr: a.and(mask(n)), bits: n, fam: f}
}

func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

func addrBits(a netip.Addr) u128 {
	if a.Is4() {
		b := a.As4()
		return u128{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Family returns the address family of p.
func (p Prefix) Family() Family { return p.fam }

// Bits returns the prefix length: 0 to 32, or to 128 for IPv6.
func (p Prefix) Bits() uint8 { return p.bits }

// AppendBytes appends the first address of p in network byte order.
func (p Prefix) AppendBytes(b []byte) []byte {
	if p.fam == IPv4 {
		return binary.BigEndian.AppendUint32(b, uint32(p.addr.hi>>32))
	}
	b = binary.BigEndian.AppendUint64(b, p.addr.hi)
	return binary.BigEndian.AppendUint64(b, p.addr.lo)
}

// Netip converts p to the standard library's type.
func (p Prefix) Netip() netip.Prefix {
	var buf [16]byte
	a, _ := netip.AddrFromSlice(p.AppendBytes(buf[:0]))
	return netip.PrefixFrom(a, int(p.bits))
}

// String returns the address, followed by the length unless p is a single address.
func (p Prefix) String() string {
	if p.bits == p.fam.Bits() {
		return p.Netip().Addr().String()
	}
	return p.Netip().String()
}

// Compare orders prefixes by family, then address; of two with the same address the
// wider comes first.
func (p Prefix) Compare(q Prefix) int {
	if p.fam != q.fam {
		return cmp.Compare(p.fam, q.fam)
	}
	if c := p.addr.compare(q.addr); c != 0 {
		return c
	}
	return cmp.Compare(p.bits, q.bits)
}

// Contains reports whether every address of q is in p.
func (p Prefix) Contains(q Prefix) bool {
	return p.fam == q.fam && p.bits <= q.bits && q.addr.and(mask(p.bits)) == p.addr
}

// Overlaps reports whether p and q share an address. Prefixes do so only when
// one contains the other.
func (p Prefix) Overlaps(q Prefix) bool { return p.Contains(q) || q.Contains(p) }

// last is the last address of p.
func (p Prefix) last() u128 {
	return p.addr.or(mask(p.bits).not().and(mask(p.fam.Bits())))
}

// halves splits p, which must not be a single address.
func (p Prefix) halves() (lower, upper Prefix) {
	lower = Prefix{p.addr, p.bits + 1, p.fam}
	upper = Prefix{p.addr.or(bit(p.bits + 1)), p.bits + 1, p.fam}
	return lower, upper
}

// siblings reports whether p and q are the two halves of one prefix.
func siblings(p, q Prefix) bool {
	return p.bits == q.bits && p.bits > 0 && p.fam == q.fam && p.addr.xor(q.addr) == bit(p.bits)
}

// Hash returns a number for p that is the same in every process. The hashes of two
// different prefixes differ in about half of their bits. It mixes with the finalizer of
// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
// 2014).
func (p Prefix) Hash() uint64 {
	h := uint64(0)
	for _, word := range [...]uint64{uint64(p.fam)<<8 | uint64(p.bits), p.addr.hi, p.addr.lo} {
		h = (h ^ word) + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
