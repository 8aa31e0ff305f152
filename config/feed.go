package config

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// maxURL is the longest URL in bytes: RFC 9110 section 4.1 recommends that all servers
	// and proxies support at least 8,000. VoIPBL's filters make long URLs.
	maxURL = 8000

	// maxMinEntries is the number of lines in the largest possible feed: 1 GiB of
	// "1.2.3.4\n".
	maxMinEntries = maxBytes / 8

	// maxFrozenAfter is a week of the shortest schedule, one minute.
	maxFrozenAfter = 10_080
)

// A Feed is one source of blocked addresses: a URL or a local path.
type Feed struct {
	// Name is unique and safe as a file name: [a-z0-9._-], at most 64 characters, the first a
	// letter or digit.
	Name string

	// URL is http or https with a host. Path is absolute and clean, and is a file, a
	// directory or a glob. Exactly one of the two is set.
	URL  URL
	Path string

	// Optional makes a missing Path an empty feed instead of an error.
	Optional bool

	// Schedule is when the agent fetches the feed.
	Schedule Schedule

	// Splay is the longest delay after a time of the schedule, of which each host has its own
	// share, so that not all hosts fetch at once. It is SplayAuto for a path.
	Splay time.Duration

	// Insecure allows a URL with plain http, where anyone on the way can change the list.
	Insecure bool

	// MinEntries is the least number of entries of a URL's list; a shorter list is refused as
	// broken. Zero for a path, which may be empty.
	MinEntries int

	// MaxCoverage is the share of IPv4 space, above 0 and up to 1, beyond which a URL's list
	// is refused as broken. It is 1, no limit, for a path, because the admin writes that
	// list.
	MaxCoverage float64

	// FrozenAfter is after how many due fetches in a row a URL's list that has not changed is
	// reported; 0 is never. Zero for a path.
	FrozenAfter int

	// Form is how the list is written.
	Form Form

	// Next is the field of JSON that says which page of the list is next; empty if it has one
	// page. Then the URL says where the page is named: see [Feed.Page].
	Next string

	// Access is what its server wants to know. Zero for a path.
	Access Access
}

// SourceID differs between sources and between ways to read them, and does not reveal the key of a
// URL.
func (f Feed) SourceID() string {
	id := f.Path
	if f.URL != "" {
		id = f.URL.ID()
	}
	if form := f.Form.ID(); form != "" {
		id += " as " + form
	}
	return id
}

const (
	nameExample = `expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`
	urlExample  = `expected a URL such as "https://voipbl.org/update/"`
	pathExample = `expected an absolute path such as "/etc/voipbl/blocklist.d"`
)

// feed checks one feed.
func (r *reader) feed(key string, raw *rawFeed) Feed {
	var f Feed
	require(r, key+".name", raw.Name, &f.Name, nameExample, parseName)

	hasURL, hasPath := r.written(key+".url"), r.written(key+".path")
	f.Form = r.form(key, raw)
	switch {
	case hasURL && hasPath:
		r.fail(key+".path", faultf("expected one of them; write two feeds for two sources", "both url and path are written"))
		return f
	case hasPath:
		r.pathFeed(key, raw, &f)
	case hasURL:
		r.urlFeed(key, raw, &f)
	default:
		r.fail(key, faultf("expected one of them, such as \"url: https://voipbl.org/update/\"", "neither url nor path is written"))
	}
	return f
}

func (r *reader) pathFeed(key string, raw *rawFeed, f *Feed) {
	f.Schedule = mustSchedule(defaultPathSchedule)
	f.MaxCoverage = 1
	read(r, key+".path", raw.Path, &f.Path, parseGlob)
	keep(raw.Optional, &f.Optional)
	read(r, key+".schedule", raw.Schedule, &f.Schedule, every(minEveryPath))
	for _, name := range []string{"splay", "insecure", "min_entries", "max_coverage", "frozen_after", "headers", "user", "secret_file", "next"} {
		r.refuse(key+"."+name, "a url")
	}
}

func (r *reader) urlFeed(key string, raw *rawFeed, f *Feed) {
	f.Schedule = mustSchedule(defaultURLSchedule)
	f.MinEntries = defaultMinEntries
	f.MaxCoverage = defaultMaxCoverage
	f.FrozenAfter = defaultFrozenAfter
	keep(raw.Insecure, &f.Insecure)
	read(r, key+".url", raw.URL, &f.URL, func(s string) (URL, *fault) { return parseURL(s, f.Insecure) })
	read(r, key+".schedule", raw.Schedule, &f.Schedule, every(minEveryURL))
	read(r, key+".splay", raw.Splay, &f.Splay, parseSplay)
	r.number(key+".min_entries", raw.MinEntries, &f.MinEntries, 0, maxMinEntries)
	read(r, key+".max_coverage", raw.MaxCoverage, &f.MaxCoverage, parsePercent)
	r.number(key+".frozen_after", raw.FrozenAfter, &f.FrozenAfter, 0, maxFrozenAfter)
	f.Access = r.access(key, raw, string(f.URL))
	r.pages(key, raw, f)
	r.refuse(key+".optional", "a path")
}

// refuse reports a key that has no effect on this kind of feed: the admin who wrote it
// expects one.
func (r *reader) refuse(key, kind string) {
	if r.written(key) {
		r.fail(key, faultf("expected no such key here", "only a feed with %s has this key", kind))
	}
}

// every returns a parser that refuses schedules more frequent than least.
func every(least time.Duration) func(string) (Schedule, *fault) {
	return func(s string) (Schedule, *fault) { return parseSchedule(s, least) }
}

// parseName parses the name of a feed or service.
func parseName(s string) (string, *fault) {
	const maxName = 64
	if s == "" || len(s) > maxName || strings.IndexByte("._-", s[0]) >= 0 ||
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return "", faultf(nameExample, "bad name (%s)", quote(s))
	}
	return s, nil
}

// parseURL checks a URL and returns it unchanged, because the list's filters in its query are
// sent as written.
func parseURL(s string, insecure bool) (URL, *fault) {
	s, f := checkURL(s, insecure, urlExample, "can change the list")
	return URL(s), f
}

// checkURL is parseURL for any URL. danger is what anyone on the way can do without TLS.
func checkURL(s string, insecure bool, urlExample, danger string) (string, *fault) {
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURL:
		return "", faultf(urlExample, "URL with more than %d characters (%s)", maxURL, quoteURL(s))
	case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", faultf("expected such characters written as %XX, such as %20 for a space",
			"URL with a space, a control or a non-ASCII character (%s)", quoteURL(s))
	case err != nil:
		return "", faultf(urlExample, "bad URL (%s)", quoteURL(s)) // the library's error may quote a key
	case u.User != nil:
		// Not quoted: an error must not show a password.
		return "", faultf(urlExample, "URL with a user name or password")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", faultf(urlExample, "URL with neither https nor http (%s)", quoteURL(s))
	case !validURLHost(u):
		return "", faultf(urlExample, "URL without a valid host and port (%s)", quoteURL(s))
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return "", faultf("expected a URL that ends before it, as it is never sent", "URL with a # part (%s)", quoteURL(s))
	case u.Scheme == "http" && !insecure:
		return "", faultf("expected https, or \"insecure: true\" to accept that anyone on the way "+danger,
			"URL with plain http (%s)", quoteURL(s))
	}
	return s, nil
}

func validURLHost(u *url.URL) bool {
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.Zone() == "" || isHostname(u.Hostname())
}

// parseGlob checks a feed's path, which may have the wildcards of filepath.Match.
func parseGlob(s string) (string, *fault) {
	if f := checkPath(s, pathExample); f != nil {
		return "", f
	}
	if _, err := filepath.Match(s, ""); err != nil {
		return "", faultf(`expected closed brackets, or \[ for a bracket in a name`, "broken wildcards (%s)", quote(s))
	}
	return s, nil
}
