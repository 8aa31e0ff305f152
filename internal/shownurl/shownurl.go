// Package shownurl hides the secrets in URLs, so that they can be shown to anyone: the
// URL of a paid list has a key in it. It only rewrites text, and sends nothing. config
// and fetch use it; it imports nothing of voipbl.
package shownurl

import (
	"net/url"
	"strings"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// Hidden replaces a secret.
const Hidden = "xxxxx"

// Of returns a URL without anything that may be secret: user and password, the values of
// parameters except VoIPBL's own filters, parts of the path that look like a key, and the
// part after a #. Scheme, host and the rest of the path stay, and the result is still a
// URL. A URL without secrets is returned unchanged.
func Of(text string) string {
	text, _, _ = strings.Cut(text, "#")
	text, query, hasQuery := strings.Cut(text, "?")
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		scheme, rest = "", text
	}
	host, path, hasPath := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = Hidden + host[at:]
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") && strings.Trim(host[i+1:], "0123456789") != "" {
		host = host[:i+1] + Hidden // not a port, so it may be a password
	}
	var b strings.Builder
	if hasScheme {
		b.WriteString(scheme + "://")
	}
	b.WriteString(host)
	if hasPath {
		segments := strings.Split(path, "/")
		for i, s := range segments {
			segments[i] = segment(s)
		}
		b.WriteString("/" + strings.Join(segments, "/"))
	}
	if hasQuery {
		b.WriteString("?" + parameters(query))
	}
	return b.String()
}

// URL is Of for a parsed URL.
func URL(u *url.URL) string { return Of(u.String()) }

// filters matches VoIPBL's own parameters, which choose countries and registries.
var filters = lazyregexp.New(`^(bc|wc|bn|wn)(\[\]|%5B%5D)?=[A-Za-z0-9,_-]{0,100}$`)

// parameters hides the values of all parameters that are not known to be harmless. A
// parameter without a name may itself be a key.
func parameters(query string) string {
	all := strings.FieldsFunc(query, func(c rune) bool { return c == '&' })
	for i, p := range all {
		if filters().MatchString(p) {
			continue
		}
		name, value, found := strings.Cut(p, "=")
		switch {
		case !found || strings.ContainsRune(name, ';'):
			all[i] = Hidden
		case value != "":
			all[i] = name + "=" + Hidden
		}
	}
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, "&")
}

// run matches a part of a segment in which a name would not mix letters and digits.
var (
	run  = lazyregexp.New(`[A-Za-z0-9]+`)
	hex  = lazyregexp.New(`^[0-9a-fA-F]+$`)
	uuid = lazyregexp.New(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
)

const (
	// keyRun and hexRun are the lengths from which letters mixed with digits count as a
	// key: 16 hexadecimal digits are 64 bits.
	keyRun = 20
	hexRun = 16

	// mixedSegment is the length for segments that mix capitals, small letters, digits
	// and punctuation, as in base64.
	mixedSegment = 24
)

// segment hides a segment of a path that looks like a key.
func segment(s string) string {
	plain, err := url.PathUnescape(s)
	if err != nil {
		plain = s
	}
	user, _, at := strings.Cut(plain, "@") // a password with an unescaped slash
	secret := at && strings.Contains(user, ":") || uuid().MatchString(plain) || len(plain) >= mixedSegment && has(plain, 'A', 'Z') && has(plain, 'a', 'z') && has(plain, '0', '9')
	for _, r := range run().FindAllString(plain, -1) {
		mixed := has(r, '0', '9') && (has(r, 'a', 'z') || has(r, 'A', 'Z'))
		secret = secret || mixed && (len(r) >= keyRun || len(r) >= hexRun && hex().MatchString(r))
	}
	if secret {
		return Hidden
	}
	return s
}

func has(s string, from, to byte) bool {
	for i := range len(s) {
		if s[i] >= from && s[i] <= to {
			return true
		}
	}
	return false
}
