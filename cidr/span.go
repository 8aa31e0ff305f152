package cidr

import "bytes"

// notPrefix in span.bits marks a range written as a-b.
const notPrefix = 255

// span is the entry of one line: a prefix, or a range of addresses from first to last.
type span struct {
	first, last u128 // last is set for ranges only
	bits        uint8
	fam         Family
}

// parseRange reads all of s as an address, a prefix or a range a-b.
func parseRange(s []byte) (span, Reason) {
	first, fam, n, why := parseAddress(s)
	if why != Accepted {
		return span{}, why
	}
	switch rest := s[n:]; {
	case len(rest) == 0:
		if v4, ok := unmap4(first); ok && fam == IPv6 {
			first, fam = v4, IPv4
		}
		return span{first: first, bits: fam.Bits(), fam: fam}, Accepted
	case rest[0] == '/':
		return parseLength(first, fam, rest[1:])
	case rest[0] == '-':
		return parseEnd(first, fam, rest[1:])
	}
	return span{}, NotAddress
}

// parseAddress reads one address at the start of s, up to '/', '-' or the end.
func parseAddress(s []byte) (a u128, fam Family, n int, why Reason) {
	if a, n := parse4(s); n > 0 {
		return a, IPv4, n, Accepted
	}
	n = bytes.IndexAny(s, "/-")
	if n < 0 {
		n = len(s)
	}
	text := s[:n]
	if bytes.IndexByte(text, ':') < 0 {
		return a, 0, 0, explain4(text)
	}
	if bytes.IndexByte(text, '%') >= 0 {
		return a, 0, 0, Zoned
	}
	a, ok := parse6(text)
	if !ok {
		return a, 0, 0, NotAddress
	}
	return a, IPv6, n, Accepted
}

// explain4 returns what is wrong with text, which is not a valid dotted address.
func explain4(text []byte) Reason {
	octets, zero := 0, false
	for len(text) > 0 {
		n := 0
		for n < len(text) && isDigit(text[n]) {
			n++
		}
		if n == 0 || n > 3 || n < len(text) && text[n] != '.' {
			return NotAddress
		}
		octets, zero = octets+1, zero || n > 1 && text[0] == '0'
		text = text[min(n+1, len(text)):]
	}
	if octets == 4 && zero {
		return LeadingZero
	}
	return NotAddress
}

func parseLength(first u128, fam Family, s []byte) (span, Reason) {
	n, ok := parseUint8(s)
	if !ok {
		bits, why := parseMask(s, fam)
		if why != Accepted {
			return span{}, why
		}
		n = bits
	}
	if n > fam.Bits() {
		return span{}, BadLength
	}
	if fam == IPv6 {
		if v4, mapped := unmap4(first); mapped {
			if n < mappedBits {
				return span{}, MappedTooWide
			}
			first, fam, n = v4, IPv4, n-mappedBits
		}
	}
	return span{first: first.and(mask(n)), bits: n, fam: fam}, Accepted
}

// parseUint8 reads all of s as a decimal number of at most three digits
// without a leading zero.
func parseUint8(s []byte) (uint8, bool) {
	if len(s) == 0 || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	v := 0
	for _, c := range s {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return uint8(v), v <= 255
}

func parseEnd(first u128, fam Family, s []byte) (span, Reason) {
	last, lastFam, n, why := parseAddress(s)
	if why != Accepted {
		return span{}, why
	}
	if n != len(s) {
		return span{}, NotAddress
	}
	if lastFam != fam {
		return span{}, MixedRange
	}
	if fam == IPv6 {
		v4first, mappedFirst := unmap4(first)
		v4last, mappedLast := unmap4(last)
		if mappedFirst != mappedLast {
			return span{}, MixedRange
		}
		if mappedFirst {
			first, last, fam = v4first, v4last, IPv4
		}
	}
	if last.less(first) {
		return span{}, ReversedRange
	}
	return span{first: first, last: last, bits: notPrefix, fam: fam}, Accepted
}

// end returns the last address of s.
func (s span) end() u128 {
	if s.bits == notPrefix {
		return s.last
	}
	return Prefix{s.first, s.bits, s.fam}.last()
}

// appendPrefixes appends the fewest prefixes that cover s exactly: one for a prefix, at
// most 62 (IPv6: 254) for a range.
func (s span) appendPrefixes(ps []Prefix) []Prefix {
	if s.bits != notPrefix {
		return append(ps, Prefix{s.first, s.bits, s.fam})
	}
	width := s.fam.Bits()
	for a := s.first; ; {
		// The widest prefix that starts at a ...
		aligned := min(a.trailingZeros()-int(128-width), int(width))
		p := Prefix{a, width - uint8(aligned), s.fam}
		// ... and does not reach beyond the end.
		for s.last.less(p.last()) {
			p.bits++
		}
		ps = append(ps, p)
		next, over := p.last().plus(bit(width))
		if over || s.last.less(next) {
			return ps
		}
		a = next
	}
}
