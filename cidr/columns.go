package cidr

import (
	"bytes"
	"strings"
)

// parseColumns reads the entry of a line. first is its first column, rest is the
// remainder. The forms are:
//
//	ENTRY TEXT                    an address, a prefix or a range a-b
//	ADDRESS ADDRESS LENGTH TEXT   a range; a comma or a hyphen may stand between
//	ADDRESS MASK TEXT             a prefix
//	ADDRESS /LENGTH TEXT          the same
//
// A semicolon begins a comment, unless a second column of these forms follows it: then
// semicolons separate columns in the whole line, as commas do. Only the first column is
// required. A line is refused if its columns contradict each other, or if its text
// names an address or length that is not the entry's. Comments are ignored.
func parseColumns(first, rest []byte) (span, Reason) {
	entry, why := parseRange(first)
	rest = trimSpace(rest)
	columns := len(rest) > 0 && rest[0] == ';' && beginsColumn(trimSpace(rest[1:]))
	rest = trimSpace(cutComment(rest, columns))
	if why != Accepted || len(rest) == 0 {
		return entry, why
	}
	hyphen := rest[0] == '-'
	rest = skipSeparator(rest)
	if a, fam, n, _ := parseAddress(first); n == len(first) {
		entry, rest, why = parseSecond(entry, a, fam, hyphen, rest)
	} else if second, _ := cutColumn(rest); hyphen && looksLikeAddress(second) {
		why = NotAddress // a range cannot begin with a prefix
	} else {
		rest, why = entry.checkLength(rest, false)
	}
	if why != Accepted {
		return span{}, why
	}
	if why := entry.contradictedBy(rest); why != Accepted {
		return span{}, why
	}
	return entry, Accepted
}

// beginsColumn reports whether s, the text after a semicolon, begins with an address, a
// mask or a "/n". Otherwise it is a comment.
func beginsColumn(s []byte) bool {
	column, behind := cutColumn(s)
	if rest, slash := bytes.CutPrefix(column, []byte{'/'}); slash {
		if len(rest) == 0 {
			rest, _ = cutColumn(trimSpace(behind))
		}
		return len(rest) > 0 && isDigit(rest[0])
	}
	return meantAsAddress(column) || namesAddress(column)
}

// parseSecond reads what follows an address in the first column, and returns the entry
// and the text after it. A second column that does not look like an address or a length
// is text. If it looks like one and is not valid, the line is refused, not cut down to
// its first address.
func parseSecond(entry span, first u128, fam Family, hyphen bool, rest []byte) (span, []byte, Reason) {
	if !hyphen {
		bits, text, why := cutLength(rest, entry.first, entry.fam, false)
		if why != Accepted {
			return span{}, nil, why
		}
		if bits != noLength {
			return span{first: entry.first.and(mask(bits)), bits: bits, fam: entry.fam}, text, Accepted
		}
	}
	second, text := cutColumn(rest)
	switch {
	case hyphen && !looksLikeAddress(second), !hyphen && !meantAsAddress(second):
		return entry, rest, Accepted
	case !hyphen && isListEnd(text):
		return span{}, nil, MoreAddresses
	}
	entry, why := parseEnd(first, fam, second)
	if why == ReversedRange {
		why = explainReversed(first, second)
	}
	if why != Accepted {
		return span{}, nil, why
	}
	text, why = entry.checkLength(skipSeparator(text), !hyphen)
	return entry, text, why
}

// isListEnd reports whether text, which follows the second address of a line, shows
// that the two are elements of a list (nft, JSON) and not the ends of a range.
func isListEnd(text []byte) bool {
	text = trimSpace(text)
	return len(text) == 1 && (text[0] == ',' || text[0] == ';') || len(text) > 0 && (text[0] == '}' || text[0] == ']')
}

// explainReversed returns why second is refused as the end of a range: it is an
// inverted mask, or an end before the start.
func explainReversed(first u128, second []byte) Reason {
	last, fam, _, _ := parseAddress(second)
	if isWildcard(last, fam) && first.octet(0) > 0 {
		return Netmask
	}
	return ReversedRange
}

// noLength is returned for a column that is not a prefix length.
const noLength = 255

// cutLength reads the first column of text as a prefix length: "/n", a mask of the
// address first or, if bare, a plain number. It returns the length and the text behind
// it; noLength if the column is something else.
func cutLength(text []byte, first u128, fam Family, bare bool) (bits uint8, behind []byte, why Reason) {
	column, behind := cutColumn(text)
	if rest, slash := bytes.CutPrefix(column, []byte{'/'}); slash {
		if len(rest) == 0 {
			rest, behind = cutColumn(trimSpace(behind))
		}
		if len(rest) == 0 || !isDigit(rest[0]) {
			return noLength, text, Accepted
		}
		s, why := parseLength(first, fam, rest)
		return s.bits, behind, why
	}
	if n, ok := parseUint8(column); bare && ok && n <= fam.Bits() {
		return n, behind, Accepted
	}
	if a, maskFam, n, _ := parseAddress(column); n > 0 && n == len(column) && maskFam == fam && looksLikeMask(first, a) {
		bits, ok := maskLength(a, fam)
		if !ok {
			return noLength, nil, Netmask
		}
		return bits, behind, Accepted
	}
	return noLength, text, Accepted
}

// checkLength refuses a length or mask at the start of text that is not the entry's. It
// returns the text behind it.
func (s span) checkLength(text []byte, bare bool) ([]byte, Reason) {
	bits, text, why := cutLength(text, s.first, s.fam, bare)
	if why != Accepted || bits == noLength {
		return text, why
	}
	if !s.isPrefix(bits) {
		return nil, LengthDisagrees
	}
	return text, Accepted
}

// isPrefix reports whether the entry is one prefix of bits length.
func (s span) isPrefix(bits uint8) bool {
	p := newPrefix(s.fam, s.first, bits)
	return p.addr == s.first && p.last() == s.end()
}

// contradictedBy returns why text contradicts the entry: a word of it is an address, a
// prefix or a range outside of s, or a "/n" that is not its length.
func (s span) contradictedBy(text []byte) Reason {
	for len(text) > 0 {
		n := 0
		for n < len(text) && !isBetweenWords(text[n]) {
			n++
		}
		if why := s.contradictedByWord(bytes.Trim(text[:n], "-.")); why != Accepted {
			return why
		}
		text = text[min(n+1, len(text)):]
	}
	return Accepted
}

func (s span) contradictedByWord(word []byte) Reason {
	if len(word) > 1 && word[0] == '/' {
		if n, ok := parseUint8(word[1:]); ok && n <= s.fam.Bits() && !s.isPrefix(n) {
			return LengthDisagrees
		}
		return Accepted
	}
	if !namesAddress(word) {
		return Accepted
	}
	if other, _ := parseRange(word); other.fam != s.fam || other.first.less(s.first) || s.end().less(other.end()) {
		return MoreAddresses
	}
	return Accepted
}

// namesAddress reports whether word is an address, a prefix or a range. "::" is nearly
// always punctuation, so it does not count.
func namesAddress(word []byte) bool {
	if bytes.IndexByte(word, '.') < 0 && bytes.IndexByte(word, ':') < 0 || string(word) == "::" {
		return false
	}
	_, why := parseRange(word)
	return why == Accepted
}

// cutColumn splits s after its first column. s may be empty.
func cutColumn(s []byte) (column, rest []byte) {
	if len(s) == 0 {
		return nil, nil
	}
	return cutWord(s)
}

// skipSeparator skips what separates two columns: blanks and at most one comma,
// semicolon or hyphen.
func skipSeparator(s []byte) []byte {
	s = trimSpace(s)
	if len(s) > 0 && (s[0] == ',' || s[0] == ';' || s[0] == '-') {
		s = trimSpace(s[1:])
	}
	return s
}

// cutComment cuts off a comment. If columns is true, semicolons separate columns and
// begin no comment.
func cutComment(s []byte, columns bool) []byte {
	for i, c := range s {
		if c == '#' || c == ';' && !columns || c == '/' && i+1 < len(s) && s[i+1] == '/' {
			return s[:i]
		}
	}
	return s
}

// isBetweenWords reports whether c separates the words of a text.
func isBetweenWords(c byte) bool {
	return isBlank(c) || strings.IndexByte(`,;"'()[]{}<>|=`, c) >= 0
}

// meantAsAddress reports whether a second column is an address, or a wrong one: it has
// the three dots of IPv4 or the colons of IPv6. Times, dates, scores and hardware
// addresses do not count.
func meantAsAddress(s []byte) bool {
	dots, colons := bytes.Count(s, []byte{'.'}), bytes.Count(s, []byte{':'})
	switch {
	case !looksLikeAddress(s) || string(s) == "::":
		return false
	case colons == 0:
		return dots >= 3 && bytes.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) < 0
	}
	return colons >= 7 || bytes.Contains(s, []byte("::"))
}
