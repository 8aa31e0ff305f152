package cidr

import "bytes"

// isNote reports whether a line is not meant as an entry: it is a comment, or a line of
// ipset save other than add.
func isNote(line []byte) bool {
	switch line[0] {
	case '#', ';':
		return true
	case '/':
		return len(line) > 1 && line[1] == '/'
	case 'c':
		return bytes.HasPrefix(line, []byte("create "))
	case 'C':
		return string(line) == "COMMIT"
	}
	return false
}

// parseLine reads the entry of a line that is neither blank nor a note and has
// no space around it.
func parseLine(line []byte) (span, Reason) {
	if rest, ok := bytes.CutPrefix(line, []byte("add ")); ok {
		return parseAdd(rest)
	}
	return parseColumns(cutWord(line))
}

// cutPlain4 is parsePlain4 for the line at the start of s. It returns the length of the
// line with its newline.
func cutPlain4(s []byte) (p Prefix, n int, ok bool) {
	a, n := parse4(s)
	if n == 0 || n == len(s) {
		return Prefix{}, 0, false
	}
	bits := uint8(32)
	if s[n] == '/' {
		end := n + 1
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		if bits, ok = parseUint8(s[n+1 : end]); !ok || bits > 32 {
			return Prefix{}, 0, false
		}
		n = end
	}
	if n == len(s) || s[n] != '\n' {
		return Prefix{}, 0, false
	}
	return newPrefix(IPv4, a, bits), n + 1, true
}

// parsePlain4 reads a line that is an IPv4 address or prefix and nothing else. It only
// saves time: parseLine gives the same result.
func parsePlain4(line []byte) (Prefix, bool) {
	a, n := parse4(line)
	if n == 0 {
		return Prefix{}, false
	}
	bits := uint8(0)
	switch rest := line[n:]; {
	case len(rest) == 0:
		bits = 32
	case len(rest) == 2 && rest[0] == '/' && isDigit(rest[1]):
		bits = rest[1] - '0'
	case len(rest) == 3 && rest[0] == '/' && isDigit(rest[2]) && rest[1]-'1' <= 2:
		bits = (rest[1]-'0')*10 + rest[2] - '0'
	default:
		return Prefix{}, false
	}
	return newPrefix(IPv4, a, bits), bits <= 32
}

// parseAdd reads what follows "add " in a line of ipset save: the name of the set, the
// entry and options.
func parseAdd(s []byte) (span, Reason) {
	_, rest := cutField(trimSpace(s))
	entry, options := cutField(trimSpace(rest))
	if bytes.IndexByte(entry, ',') >= 0 {
		return span{}, NotOnlyAddress
	}
	found, why := parseRange(entry)
	if why != Accepted {
		return span{}, why
	}
	for len(options) > 0 {
		var option []byte
		option, options = cutField(trimSpace(options))
		if string(option) == "nomatch" {
			return span{}, NoMatch
		}
		if string(option) == "comment" {
			break // free text follows
		}
		if why := found.contradictedByWord(option); why != Accepted {
			return span{}, why
		}
	}
	return found, Accepted
}

// cutField cuts s at the first space.
func cutField(s []byte) (field, rest []byte) {
	for i, c := range s {
		if isSpace(c) {
			return s[:i], s[i:]
		}
	}
	return s, nil
}

// cutWord splits s after its first column, which ends at a space, a comma or a comment,
// or at its closing quote.
func cutWord(s []byte) (word, rest []byte) {
	if s[0] == '"' {
		if end := bytes.IndexByte(s[1:], '"'); end >= 0 {
			word, rest = s[1:1+end], s[2+end:]
			if len(rest) == 0 || endsWord(rest) {
				return trimSpace(word), rest
			}
		}
		return s, nil
	}
	for i := range s {
		if endsWord(s[i:]) {
			return s[:i], s[i:]
		}
	}
	return s, nil
}

func endsWord(s []byte) bool {
	switch s[0] {
	case ' ', '\t', ',', '#', ';':
		return true
	case '/':
		return len(s) > 1 && s[1] == '/'
	}
	return isSpace(s[0])
}

// looksLikeAddress reports whether s consists only of characters that occur in
// addresses.
func looksLikeAddress(s []byte) bool {
	marks := false
	for _, c := range s {
		_, hex := hexDigit(c)
		mark := c == '.' || c == ':'
		if !hex && !mark {
			return false
		}
		marks = marks || mark
	}
	return marks
}

// isSpace reports whether c separates columns. isBlank includes all that may surround a
// line.
func isSpace(c byte) bool { return c == ' ' || c == '\t' }
func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// trimSpace is bytes.TrimSpace for ASCII, twice as fast on short lines.
func trimSpace(s []byte) []byte {
	for len(s) > 0 && isBlank(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
