package config

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Fleet says with which other hosts this one shares its bans, and whose word counts here.
type Fleet struct {
	// Hubs are the URLs of the servers that all hosts of the fleet talk with, such as
	// tls://hub.example.net:4222; none: this host is in no fleet. Without TLS only a loopback
	// address is allowed.
	Hubs []string

	// Creds is the file with this host's name and key, as "voipbl fleet join" writes it.
	Creds string

	// Key is that of the operator, who signs a document for all hosts: whom none of them blocks, and
	// more (see FleetDocument). The zero key: no document counts here.
	Key DocumentKey

	// Publish tells others of this host's bans; Accept makes those of others here.
	Publish, Accept bool

	// Lists takes lists from the network that a mirror of the fleet has fetched; their sources are asked
	// only if there is none.
	Lists bool

	// Trust are the sites ("acme") and hosts ("acme_pbx1") whose word alone counts. For what
	// others say, Agree different sites must say the same, 1..5.
	Trust []string
	Agree int

	// Proved lets only bans count of attackers who are proved to have the address.
	Proved bool

	// Longest is for how long after it was made a ban of others counts, 1m..720h.
	Longest time.Duration

	// PerHost is how many bans of one host count, and how many this one publishes, 1..2000; Most
	// how many of all others are in force here, 1..30,000.
	PerHost, Most int
}

// On reports whether this host is in a fleet.
func (f Fleet) On() bool { return len(f.Hubs) > 0 }

// HasDocument reports whether an operator's document counts here.
func (f Fleet) HasDocument() bool { return f.On() && f.Key != DocumentKey{} }

// TakesLists reports whether lists are taken from a mirror of the fleet.
func (f Fleet) TakesLists() bool { return f.On() && f.Lists }

// Accepts reports whether bans of others are made here.
func (f Fleet) Accepts() bool { return f.On() && f.Accept }

const (
	// maxHubs is how many servers a process is to try one after the other.
	maxHubs = 16

	// maxTrust is how many sites and hosts may be trusted: each statement is compared with them.
	maxTrust = 1000

	// maxFleetName is the longest name of a site, or of a host in it.
	maxFleetName = 20

	maxAgree   = 5
	maxPerHost = 2000

	// maxFleetBans leaves more than half of the list of bans (banlist.Most) to this host's own.
	maxFleetBans = 30_000

	minLongest, maxLongest = time.Minute, 30 * day

	hubExample     = `expected a URL such as "tls://hub.example.net:4222"`
	credsExample   = `expected an absolute path such as "/etc/voipbl/fleet.creds"`
	trustExample   = `expected a site or a host in it, each up to 20 of a-z, 0-9 and "-", such as "acme" or "acme_pbx1"`
	longestExample = `expected 1m..720h, such as "24h"`
)

// fleet checks the keys below "fleet".
func (r *reader) fleet(raw rawFleet, dst *Fleet) {
	if r.fits("fleet.hub", len(raw.Hub), maxHubs) {
		readList(r, "fleet.hub", raw.Hub, &dst.Hubs, parseHub)
	}
	read(r, "fleet.creds", raw.Creds, &dst.Creds, func(s string) (string, *fault) { return s, checkPath(s, credsExample) })
	read(r, "fleet.key", raw.Key, &dst.Key, parseDocumentKey)
	keep(raw.Publish, &dst.Publish)
	keep(raw.Accept, &dst.Accept)
	keep(raw.Lists, &dst.Lists)
	if r.fits("fleet.trust", len(raw.Trust), maxTrust) {
		readList(r, "fleet.trust", raw.Trust, &dst.Trust, parseTrust)
	}
	r.number("fleet.agree", raw.Agree, &dst.Agree, 1, maxAgree)
	keep(raw.Proved, &dst.Proved)
	read(r, "fleet.longest", raw.Longest, &dst.Longest, parseLongest)
	r.number("fleet.per_host", raw.PerHost, &dst.PerHost, 1, maxPerHost)
	r.number("fleet.most", raw.Most, &dst.Most, 1, maxFleetBans)
}

// parseHub checks the URL of a server. What is on the way between two hosts reads and changes
// nothing: nats:// is only for a server, or a tunnel's end, on this host.
func parseHub(s string) (string, *fault) {
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURL, err != nil, strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", faultf(hubExample, "bad URL (%s)", quoteURL(s))
	case u.User != nil:
		// Not quoted: an error must not show a password.
		return "", faultf(hubExample, "URL with a user name or password")
	case u.Scheme != "tls" && u.Scheme != "nats":
		return "", faultf(hubExample, "URL with neither tls nor nats (%s)", quoteURL(s))
	case u.Path != "" || strings.ContainsAny(s, "?#") || strings.HasSuffix(u.Host, ":") || !validURLHost(u):
		return "", faultf(hubExample, "URL that is not a host and a port (%s)", quoteURL(s))
	case u.Scheme == "nats" && !isLoopback(u.Hostname()):
		return "", faultf(`expected tls://, or a loopback address such as "nats://127.0.0.1:4222"`,
			"URL without TLS (%s)", quoteURL(s))
	}
	return s, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// parseTrust checks the name of a site, or of a host in it.
func parseTrust(s string) (string, *fault) {
	site, host, isHost := strings.Cut(s, "_")
	if !isFleetWord(site) || isHost && !isFleetWord(host) {
		return "", faultf(trustExample, "bad name (%s)", quote(s))
	}
	return s, nil
}

// isFleetWord reports whether s names a site, or a host in one.
func isFleetWord(s string) bool {
	return s != "" && len(s) <= maxFleetName && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// parseLongest parses how long a ban of others counts.
func parseLongest(s string) (time.Duration, *fault) {
	d, err := ParseTime(s)
	if err != nil || d < minLongest || d > maxLongest {
		return 0, faultf(longestExample, "bad time (%s)", quote(s))
	}
	return d, nil
}

func (f Fleet) raw() rawFleet {
	same := func(s string) *string { return &s }
	return rawFleet{
		Hub: each(f.Hubs, same), Creds: &f.Creds, Key: new(f.Key.String()), Publish: &f.Publish, Accept: &f.Accept, Lists: &f.Lists,
		Trust: each(f.Trust, same), Agree: &f.Agree, Proved: &f.Proved, Longest: new(formatDuration(f.Longest)),
		PerHost: &f.PerHost, Most: &f.Most,
	}
}
