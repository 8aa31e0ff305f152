package sip

import "strings"

// lines cuts a text into lines. A line goes on in the next one if that begins with a blank.
type lines struct {
	rest string
	cr   bool // a CR alone ends a line
}

// next returns the next line; "" at the end of the head or of the text.
func (l *lines) next() string {
	end, after := l.end(0)
	if end == 0 { // the empty line below the head
		l.rest = ""
		return ""
	}
	for after < len(l.rest) && (l.rest[after] == ' ' || l.rest[after] == '\t') {
		end, after = l.end(after)
	}
	line := l.rest[:end]
	l.rest = l.rest[after:]
	return line
}

// end returns where the line that begins at from ends, and where the next one begins.
func (l *lines) end(from int) (end, after int) {
	breaks := "\n"
	if l.cr {
		breaks = "\r\n"
	}
	i := strings.IndexAny(l.rest[from:], breaks)
	if i < 0 {
		return len(l.rest), len(l.rest)
	}
	end = from + i
	after = end + 1
	switch {
	case l.rest[end] == '\r' && after < len(l.rest) && l.rest[after] == '\n':
		after++
	case l.rest[end] == '\n' && end > from && l.rest[end-1] == '\r':
		end--
	}
	return end, after
}

// cutBlank cuts a text at its first blanks.
func cutBlank(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t\r\n")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.Trim(s[i:], " \t\r\n")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// find returns where the first of the bytes stands outside of quotes and angle brackets, or the
// text's length.
func find(s, bytes string) int {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case !angle && strings.IndexByte(bytes, c) >= 0:
			return i
		case c == '"':
			quoted = true
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		}
	}
	return len(s)
}

// cutList cuts a list at its first comma.
func cutList(s string) (one, rest string) {
	i := find(s, ",")
	return strings.TrimSpace(s[:i]), strings.TrimSpace(s[min(i+1, len(s)):])
}

// parameter returns the value of a parameter of a header: ";name=value".
func parameter(s, name string) string {
	for s != "" {
		i := find(s, ";")
		if i == len(s) {
			return ""
		}
		s = s[i+1:]
		key, value, ok := strings.Cut(s[:find(s, ";")], "=")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return unquote(value)
		}
	}
	return ""
}

// digest reads the parameters of an answer or a challenge of RFC 2617: "Digest name=value, …".
func digest(s string) Digest {
	var d Digest
	_, s = cutBlank(s)
	for s != "" {
		var one string
		one, s = cutList(s)
		key, value, ok := strings.Cut(one, "=")
		if !ok {
			continue
		}
		value = unquote(value)
		switch key = strings.TrimSpace(key); {
		case strings.EqualFold(key, "nonce"):
			d.Nonce = value
		case strings.EqualFold(key, "username"):
			d.Username = value
		case strings.EqualFold(key, "realm"):
			d.Realm = value
		case strings.EqualFold(key, "response"):
			d.Response = value
		case strings.EqualFold(key, "stale"):
			d.Stale = strings.EqualFold(value, "true")
		}
	}
	return d
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// addressIn returns the address in a header: "name" <uri>;parameters, or uri;parameters.
func addressIn(s string) Address {
	i := find(s, "<")
	if i == len(s) {
		return address(s[:find(s, ";")])
	}
	s = s[i+1:]
	if end := strings.IndexByte(s, '>'); end >= 0 {
		s = s[:end]
	}
	return address(s)
}

// AddressOf returns the address in a URI, with or without a name and angle brackets.
func AddressOf(uri string) Address { return addressIn(uri) }

// HostName returns the host without its port, and without the brackets around an IPv6 address; "" if
// there is none.
func (a Address) HostName() string {
	host := a.Host
	if rest, ok := strings.CutPrefix(host, "["); ok {
		host, _, _ = strings.Cut(rest, "]")
		return host
	}
	host, _, _ = strings.Cut(host, ":")
	return host
}

// address reads a URI: sip:user:password@host:port;parameters?headers, or tel:user;parameters.
func address(s string) Address {
	s = strings.TrimSpace(s)
	scheme, s, ok := strings.Cut(s, ":")
	if !ok {
		return Address{}
	}
	user, host, ok := strings.Cut(s, "@")
	if !ok && strings.EqualFold(scheme, "tel") {
		user, host = s, ""
	} else if !ok {
		user, host = "", s
	}
	user, _, _ = strings.Cut(user, ":")
	user, _, _ = strings.Cut(user, ";")
	if i := strings.IndexAny(host, ";?> \t\r\n"); i >= 0 {
		host = host[:i]
	}
	return Address{User: user, Host: host}
}
