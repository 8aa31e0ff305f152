package cidr

// parseMask reads all of s as the mask of a prefix of the family, and returns the
// prefix length. It refuses masks with gaps and inverted masks as routers write them
// (0.0.0.255): a guess would block too much or too little.
func parseMask(s []byte, fam Family) (uint8, Reason) {
	a, maskFam, n, why := parseAddress(s)
	if why != Accepted || n != len(s) || maskFam != fam {
		return 0, BadLength
	}
	bits, ok := maskLength(a, fam)
	if !ok {
		return 0, Netmask
	}
	return bits, Accepted
}

// maskLength returns the prefix length of the mask a. ok is false if the mask has gaps.
func maskLength(a u128, fam Family) (uint8, bool) {
	bits := a.leadingOnes()
	return bits, bits <= fam.Bits() && a == mask(bits)
}

// isWildcard reports whether a is an inverted mask: all its ones are at the end.
func isWildcard(a u128, fam Family) bool {
	_, ok := maskLength(a.not().and(mask(fam.Bits())), fam)
	return ok
}

// looksLikeMask reports whether second, the address in the column after first, can only
// be a mask. The ends of multicast and reserved ranges, as in lists of all addresses
// ("224.0.0.0,255.255.255.255"), look like masks and are none.
func looksLikeMask(first, second u128) bool {
	return first.octet(0) > 0 && first.octet(0) < 224 && second.octet(0) == 255
}
