package cidr

import (
	"cmp"
	"math/bits"
)

// u128 is a string of 128 bits, most significant first. An IPv6 address fills it. An
// IPv4 address is its first 32 bits and the rest is zero, so that "the first n bits"
// means the same for both families.
type u128 struct{ hi, lo uint64 }

// mask returns n leading ones, 0 to 128. It relies on Go's shifts: one by 64 or more
// gives 0.
func mask(n uint8) u128 {
	if n <= 64 {
		return u128{hi: ^uint64(0) << (64 - n)}
	}
	return u128{hi: ^uint64(0), lo: ^uint64(0) << (128 - n)}
}

func (a u128) and(b u128) u128 { return u128{a.hi & b.hi, a.lo & b.lo} }
func (a u128) or(b u128) u128  { return u128{a.hi | b.hi, a.lo | b.lo} }
func (a u128) xor(b u128) u128 { return u128{a.hi ^ b.hi, a.lo ^ b.lo} }
func (a u128) not() u128       { return u128{^a.hi, ^a.lo} }

// bit returns a string in which only bit n is set, 1 (the first) to 128.
func bit(n uint8) u128 {
	if n <= 64 {
		return u128{hi: 1 << (64 - n)}
	}
	return u128{lo: 1 << (128 - n)}
}

// plus returns a+b and whether the sum overflowed.
func (a u128) plus(b u128) (sum u128, over bool) {
	var carry uint64
	sum.lo, carry = bits.Add64(a.lo, b.lo, 0)
	sum.hi, carry = bits.Add64(a.hi, b.hi, carry)
	return sum, carry == 1
}

func (a u128) compare(b u128) int {
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Compare(a.lo, b.lo)
}

func (a u128) less(b u128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// trailingZeros returns the number of zeros at the end; 128 for zero.
func (a u128) trailingZeros() int {
	if a.lo != 0 {
		return bits.TrailingZeros64(a.lo)
	}
	return 64 + bits.TrailingZeros64(a.hi)
}

// leadingOnes returns the number of ones at the start.
func (a u128) leadingOnes() uint8 {
	if n := bits.LeadingZeros64(^a.hi); n < 64 {
		return uint8(n)
	}
	return uint8(64 + bits.LeadingZeros64(^a.lo))
}

// octet returns byte i; 0 is the most significant.
func (a u128) octet(i int) byte {
	if i < 8 {
		return byte(a.hi >> (56 - 8*i))
	}
	return byte(a.lo >> (120 - 8*i))
}
