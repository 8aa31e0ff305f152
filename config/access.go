package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/shownurl"
)

// Access is what a server wants to know of whom it gives a list.
type Access struct {
	// Headers are sent with each request, "Name: value".
	Headers []string

	// User is sent with the secret as its password (RFC 7617). Empty: neither is sent that way.
	User string

	// SecretFile is an absolute path of a file with one line, which stands for Secret in the URL
	// and in Headers.
	SecretFile string
}

// Secret stands for the contents of a feed's secret_file, in its URL and headers.
const Secret = "{secret}"

const (
	headerExample = `expected a header, such as "X-Api-Key: {secret}"`
	secretExample = `expected an absolute path such as "/etc/voipbl/my-list.secret"`
	userExample   = `expected a name without colons`

	maxHeaders = 20
	maxHeader  = 4 << 10 // bytes
)

// access checks the keys that say what is sent to a feed's server.
func (r *reader) access(key string, raw *rawFeed, of string) (a Access) {
	readList(r, key+".headers", raw.Headers, &a.Headers, parseHeader)
	read(r, key+".user", raw.User, &a.User, parseUser)
	read(r, key+".secret_file", raw.SecretFile, &a.SecretFile, parseSecretFile)
	if len(a.Headers) > maxHeaders {
		r.fail(key+".headers", faultf("expected fewer", "more than %d headers", maxHeaders))
	}
	if a.Asks() && inTheClear(of) {
		r.fail(key+".url", faultf("expected https, or an address of this host such as 127.0.0.1", "plain http, over which anyone on the way can read the headers and the secret"))
	}
	used := a.User != "" || strings.Contains(of, Secret) || slices.ContainsFunc(a.Headers, func(h string) bool { return strings.Contains(h, Secret) })
	switch written := r.written(key + ".secret_file"); {
	case written && !used && r.written(key+".url"):
		r.fail(key+".secret_file", faultf("expected \"user\", or {secret} in the url or in a header", "nothing uses the secret"))
	case used && !written:
		r.fail(key, faultf(secretExample, "secret_file is missing, which %s needs", usesOf(a, of)))
	}
	return a
}

// inTheClear reports whether what is sent to a URL can be read on the way.
func inTheClear(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() != "localhost" && (err != nil || !addr.IsLoopback())
}

func usesOf(a Access, of string) string {
	switch {
	case a.User != "":
		return "\"user\""
	case strings.Contains(of, Secret):
		return "{secret} in the url"
	}
	return "{secret} in a header"
}

// ownHeaders are those that voipbl sends itself.
var ownHeaders = []string{"host", "content-length", "accept-encoding", "if-none-match", "if-modified-since", "connection", "transfer-encoding", "te", "trailer", "upgrade", "range", "user-agent"}

// parseHeader parses a header, whose text may be secret and is not quoted in errors.
func parseHeader(s string) (string, *fault) {
	name, value, found := strings.Cut(s, ":")
	value = strings.Trim(value, " \t")
	isToken := func(c rune) bool {
		return 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x7f || '0' <= c && c <= '9' || c < 0x7f && strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	}
	switch {
	case !found || name == "" || value == "":
		return "", faultf(headerExample, "a header without a name or a value")
	case strings.TrimFunc(name, isToken) != "" || strings.ContainsFunc(name, func(c rune) bool { return !isToken(c) }):
		return "", faultf(headerExample, "a header with a bad name")
	case len(s) > maxHeader || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }):
		return "", faultf(headerExample, "a value of header %s that is too long, or has a control or a non-ASCII character", name)
	case slices.Contains(ownHeaders, strings.ToLower(name)):
		return "", faultf("expected another one", "header %s is voipbl's own", name)
	}
	return name + ": " + value, nil
}

func parseUser(s string) (string, *fault) {
	if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == ':' || c == 0x7f }) {
		return "", faultf(userExample, "bad user (%s)", quote(s))
	}
	return s, nil
}

func parseSecretFile(s string) (string, *fault) {
	if f := checkPath(s, secretExample); f != nil {
		return "", f
	}
	return s, nil
}

// Asks reports whether the server is told who asks, so that its list is not for everybody.
func (a Access) Asks() bool { return len(a.Headers) > 0 || a.User != "" || a.SecretFile != "" }

// raw writes the access into a feed's keys.
func (a Access) raw(to *rawFeed) {
	if len(a.Headers) > 0 {
		to.Headers = each(a.Headers, func(h string) *string { return &h })
	}
	if a.User != "" {
		to.User = &a.User
	}
	if a.SecretFile != "" {
		to.SecretFile = &a.SecretFile
	}
}

// plainHeaders have values that are no secret.
var plainHeaders = []string{"accept", "accept-language"}

// secretOf returns the value of a header if it may be secret; "" if it may be shown.
func secretOf(header string) string {
	name, value, _ := strings.Cut(header, ": ")
	if strings.Contains(value, Secret) || slices.Contains(plainHeaders, strings.ToLower(name)) {
		return ""
	}
	return value
}

// redacted returns the access without secrets.
func (a Access) redacted() Access {
	a.Headers = slices.Clone(a.Headers)
	for i, h := range a.Headers {
		if value := secretOf(h); value != "" {
			a.Headers[i] = strings.TrimSuffix(h, value) + shownurl.Hidden
		}
	}
	return a
}
