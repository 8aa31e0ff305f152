package cidr

// mappedBits is the length of ::ffff:0:0/96, which holds IPv4-mapped IPv6
// addresses (RFC 4291 §2.5.5.2).
const mappedBits = 96

// The readers in this file work on bytes: a list of a million lines must not allocate a
// million strings. They accept exactly what netip.ParseAddr accepts, without zones; a
// fuzz test compares the two.

// parse4 reads a dotted address at the start of s and returns how many bytes
// it took, 0 if there is none. A leading zero is refused: some programs read
// it as octal.
func parse4(s []byte) (a u128, n int) {
	var addr uint32
	i := 0
	for octet := range 4 {
		if octet > 0 {
			if i >= len(s) || s[i] != '.' {
				return u128{}, 0
			}
			i++
		}
		if i >= len(s) || !isDigit(s[i]) {
			return u128{}, 0
		}
		v := uint32(s[i] - '0')
		i++
		for i < len(s) && isDigit(s[i]) {
			if v == 0 { // a leading zero
				return u128{}, 0
			}
			if v = v*10 + uint32(s[i]-'0'); v > 255 {
				return u128{}, 0
			}
			i++
		}
		addr = addr<<8 | v
	}
	return u128{hi: uint64(addr) << 32}, i
}

// parse6 reads all of s as an IPv6 address (RFC 4291 §2.2). The last 32 bits may be
// dotted.
func parse6(s []byte) (a u128, ok bool) {
	var groups [8]uint16
	n, gap := 0, -1 // groups read; where "::" stood
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		gap, s = 0, s[2:]
	}
	for len(s) > 0 {
		if n == 8 {
			return a, false
		}
		v, digits := uint32(0), 0
		for digits < len(s) && digits < 5 {
			d, hex := hexDigit(s[digits])
			if !hex {
				break
			}
			v = v<<4 | uint32(d)
			digits++
		}
		if digits == 0 || digits > 4 {
			return a, false
		}
		if digits < len(s) && s[digits] == '.' {
			v4, took := parse4(s)
			if took != len(s) || n > 6 {
				return a, false
			}
			groups[n], groups[n+1] = uint16(v4.hi>>48), uint16(v4.hi>>32)
			n, s = n+2, nil
			break
		}
		groups[n] = uint16(v)
		n, s = n+1, s[digits:]
		if len(s) == 0 {
			break
		}
		if s[0] != ':' || len(s) == 1 {
			return a, false
		}
		s = s[1:]
		if s[0] == ':' {
			if gap >= 0 {
				return a, false
			}
			gap, s = n, s[1:]
		}
	}
	if (n == 8) != (gap < 0) || n > 8 {
		return a, false
	}
	if gap >= 0 { // move what followed "::" to the end
		tail := n - gap
		copy(groups[8-tail:], groups[gap:n])
		clear(groups[gap : 8-tail])
	}
	for i, g := range groups[:4] {
		a.hi |= uint64(g) << (48 - 16*i)
		a.lo |= uint64(groups[4+i]) << (48 - 16*i)
	}
	return a, true
}

// unmap4 turns an IPv4-mapped IPv6 address into the IPv4 one.
func unmap4(a u128) (u128, bool) {
	if a.hi != 0 || a.lo>>32 != 0xffff {
		return a, false
	}
	return u128{hi: a.lo << 32}, true
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func hexDigit(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
