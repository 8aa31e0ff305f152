package cidr

// parseMask reads all of s as the mask of a prefix of the family, and returns
// the prefix length. A mask with gaps, and one turned around as routers write
// it (0.0.0.255), are refused: a guess would block too much or too little.
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

// maskLength returns the prefix length that a stands for as a mask. It reports
// whether all ones of it are at the front.
func maskLength(a u128, fam Family) (uint8, bool) {
	bits := a.leadingOnes()
	return bits, bits <= fam.Bits() && a == mask(bits)
}

// isWildcard reports whether a is a mask turned around: ones at the end alone.
func isWildcard(a u128, fam Family) bool {
	_, ok := maskLength(a.not().and(mask(fam.Bits())), fam)
	return ok
}

// looksLikeMask reports whether an address in the second column, behind first,
// can only be meant as a mask. Ranges of what is not unicast, as they stand in
// lists of all addresses ("224.0.0.0,255.255.255.255"), have such ends as well.
func looksLikeMask(first, second u128) bool {
	return first.octet(0) > 0 && first.octet(0) < 224 && second.octet(0) == 255
}
