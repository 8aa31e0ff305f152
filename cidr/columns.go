package cidr

import (
	"bytes"
	"strings"
)

// parseColumns reads the entry of a line whose first column is first and that
// goes on with rest:
//
//	ENTRY TEXT                    an address, a prefix or a range a-b
//	ADDRESS ADDRESS LENGTH TEXT   a range; a comma or a hyphen may stand between
//	ADDRESS MASK TEXT             a prefix
//	ADDRESS /LENGTH TEXT          the same
//
// A semicolon begins a comment, but for one before a second column of these: then
// it stands for a comma in the whole line. Only the first column must be there. A
// line whose columns contradict each other, or whose text names an address or a
// length that is not that of the entry, is refused. A comment is never looked at.
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
		why = NotAddress // a prefix begins no range
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

// beginsColumn reports whether what stands behind a semicolon begins with an
// address, a mask or a "/n", and is no comment.
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

// parseSecond reads what stands behind an address in the first column, and
// returns the entry and the text behind it. Where the second column is no
// address and no length it is text; where it looks like one and is none, the
// line is refused and not cut down to its first address.
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

// isListEnd reports whether a line goes on, or a list ends, behind its second
// address: then the two are elements of a list (nft, JSON) and no range.
func isListEnd(text []byte) bool {
	text = trimSpace(text)
	return len(text) == 1 && (text[0] == ',' || text[0] == ';') || len(text) > 0 && (text[0] == '}' || text[0] == ']')
}

// explainReversed tells a mask that is turned around from an end before the start.
func explainReversed(first u128, second []byte) Reason {
	last, fam, _, _ := parseAddress(second)
	if isWildcard(last, fam) && first.octet(0) > 0 {
		return Netmask
	}
	return ReversedRange
}

// noLength is that a column is no prefix length.
const noLength = 255

// cutLength reads the column that text begins with as "/n", as a mask of the
// address first or, if bare, as a number that can be a length. It returns what
// follows, and noLength for a column that is something else.
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

// checkLength holds the length or mask that text begins with, if it does, to
// the entry, and returns the text behind it.
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

// isPrefix reports whether the entry is a prefix of that length.
func (s span) isPrefix(bits uint8) bool {
	p := newPrefix(s.fam, s.first, bits)
	return p.addr == s.first && p.last() == s.end()
}

// contradictedBy tells whether a word of text is an address, a prefix or a range
// that is not in s, or a "/n" that is not its length.
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

// namesAddress reports whether word is an address, a prefix or a range. "::" is
// punctuation far more often than it is an address.
func namesAddress(word []byte) bool {
	if bytes.IndexByte(word, '.') < 0 && bytes.IndexByte(word, ':') < 0 || string(word) == "::" {
		return false
	}
	_, why := parseRange(word)
	return why == Accepted
}

// cutColumn cuts off the column that s begins with.
func cutColumn(s []byte) (column, rest []byte) {
	if len(s) == 0 {
		return nil, nil
	}
	return cutWord(s)
}

// skipSeparator skips what stands between two columns: blanks, and a comma, a
// semicolon or a hyphen among them.
func skipSeparator(s []byte) []byte {
	s = trimSpace(s)
	if len(s) > 0 && (s[0] == ',' || s[0] == ';' || s[0] == '-') {
		s = trimSpace(s[1:])
	}
	return s
}

// cutComment cuts a comment off. In a line of columns no semicolon begins one.
func cutComment(s []byte, columns bool) []byte {
	for i, c := range s {
		if c == '#' || c == ';' && !columns || c == '/' && i+1 < len(s) && s[i+1] == '/' {
			return s[:i]
		}
	}
	return s
}

// isBetweenWords reports whether c stands between the words of a text.
func isBetweenWords(c byte) bool {
	return isBlank(c) || strings.IndexByte(`,;"'()[]{}<>|=`, c) >= 0
}

// meantAsAddress reports whether a second column is an address, or is written
// like one and is none: three dots between digits, or the colons of IPv6. Times,
// dates, scores and hardware addresses are not.
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
