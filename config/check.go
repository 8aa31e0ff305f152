package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxSetName leaves room for the "6" of the IPv6 set and the "-next" of the set that is
	// filled before a swap. The kernel takes 31 characters: IPSET_MAXNAMELEN in
	// linux/netfilter/ipset/ip_set.h is 32 with the final NUL.
	maxSetName = 24

	// maxBanSetName leaves room for the "6" of the IPv6 set. Nothing else is ever added to
	// this name, or to that of the set of registered phones.
	maxBanSetName = 30

	// maxPath is far below the kernel's PATH_MAX of 4096 (linux/limits.h), so that names of
	// files can be added.
	maxPath = 1024

	// maxFeeds limits the fetches that may start at once.
	maxFeeds = 256

	// maxHosts limits each list of addresses; a trunk or a local network takes several rules.
	maxHosts = 4096

	// maxServices limits the rules that a packet may have to pass.
	maxServices = 256
)

const (
	setExample    = `expected up to 24 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_bl"`
	banExample    = `expected up to 30 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_ban"`
	knownExample  = `expected up to 30 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_known"`
	dirExample    = `expected an absolute path such as "/var/lib/voipbl"`
	listenExample = `expected a loopback address and a port such as "127.0.0.1:9617", or "" for off`
)

// check turns raw values into a Config. Keys that are not written keep the default.
func (r *reader) check(raw rawConfig) Config {
	c := Default()
	read(r, "set", raw.Set, &c.Set, parseSetName)
	read(r, "ban_set", raw.BanSet, &c.BanSet, parseBanSetName)
	read(r, "known_set", raw.KnownSet, &c.KnownSet, parseKnownSetName)
	r.setNames(c)
	read(r, "state_dir", raw.StateDir, &c.StateDir, parseDir)
	read(r, "run_dir", raw.RunDir, &c.RunDir, parseDir)
	r.feeds(raw.Feeds, &c.Feeds)
	read(r, "on_impact", raw.OnImpact, &c.OnImpact, oneOf(ImpactReport, ImpactHold, ImpactProtect))
	readList(r, "allow", raw.Allow, &c.Allow, parseHost)

	read(r, "names.keep", raw.Names.Keep, &c.Names.Keep, parseKeep)
	r.number("bans.ipv6_prefix", raw.Bans.IPv6Prefix, &c.Bans.IPv6Prefix, 1, 128)

	r.number("limits.widest", raw.Limits.Widest, &c.Limits.Widest, 1, 32)
	r.number("limits.widest6", raw.Limits.Widest6, &c.Limits.Widest6, 1, 128)
	read(r, "limits.max_entries", raw.Limits.MaxEntries, &c.Limits.MaxEntries, parseEntries)
	read(r, "limits.max_bytes", raw.Limits.MaxBytes, &c.Limits.MaxBytes, parseSize)
	read(r, "limits.timeout", raw.Limits.Timeout, &c.Limits.Timeout, parseTimeout)
	read(r, "limits.keep_lost", raw.Limits.KeepLost, &c.Limits.KeepLost, parseKeep)

	read(r, "shape.extra_entries", raw.Shape.ExtraEntries, &c.Shape.ExtraEntries, parseExtra)

	r.firewall(raw.Firewall, &c.Firewall)
	read(r, "metrics.listen", raw.Metrics.Listen, &c.Metrics.Listen, parseListen)
	r.report(raw.Report, &c.Report)
	r.pbx(raw.PBX, &c.PBX, c.Firewall.SIP.Ports)
	r.fleet(raw.Fleet, &c.Fleet)
	return c
}

func (r *reader) feeds(raw []*rawFeed, dst *[]Feed) {
	if !r.fits("feeds", len(raw), maxFeeds) || raw == nil {
		return
	}
	if len(raw) == 0 {
		r.fail("feeds", faultf("expected at least one feed; without this key it is the VoIPBL list", "the list is empty"))
	}
	*dst = nil
	first := make(map[string]int)
	for i, rf := range raw {
		if rf == nil {
			continue
		}
		key := fmt.Sprintf("feeds[%d]", i)
		f := r.feed(key, rf)
		if j, twice := first[f.Name]; twice {
			r.fail(key+".name", faultf("expected a name of its own, as it becomes a file name",
				"feeds[%d] has the same name (%s)", j, quote(f.Name)))
		} else if f.Name != "" {
			first[f.Name] = i
		}
		*dst = append(*dst, f)
	}
}

// read parses a key's text into dst. A key that is not written leaves dst alone.
func read[T any](r *reader, key string, text *string, dst *T, parse func(string) (T, *fault)) {
	if text == nil {
		return
	}
	v, f := parse(*text)
	if f != nil {
		r.fail(key, f)
		return
	}
	*dst = v
}

// require is read for a key that must be written.
func require[T any](r *reader, key string, text *string, dst *T, expected string, parse func(string) (T, *fault)) {
	if !r.written(key) {
		r.fail(key, faultf(expected, "this key is missing"))
	}
	read(r, key, text, dst, parse)
}

// readList parses each text of a list. An empty list becomes nil.
func readList[T any](r *reader, key string, texts []*string, dst *[]T, parse func(string) (T, *fault)) {
	if texts == nil || !r.fits(key, len(texts), maxHosts) {
		return
	}
	*dst = nil
	for i, text := range texts {
		var v T
		read(r, fmt.Sprintf("%s[%d]", key, i), text, &v, parse)
		*dst = append(*dst, v)
	}
}

// keep takes over a value that needs no check, if it is written.
func keep[T any](v *T, dst *T) {
	if v != nil {
		*dst = *v
	}
}

// number takes over a number within least and most.
func (r *reader) number(key string, v *int, dst *int, least, most int) {
	if v != nil && (*v < least || *v > most) {
		r.fail(key, faultf(fmt.Sprintf("expected %d..%d, such as %d", least, most, *dst), "number out of range (%d)", *v))
		return
	}
	keep(v, dst)
}

// fits reports a list with too many elements.
func (r *reader) fits(key string, n, most int) bool {
	if n > most {
		r.fail(key, faultf(fmt.Sprintf("expected at most %d", most), "too many elements (%d)", n))
	}
	return n <= most
}

// oneOf returns a parser that accepts some words only.
func oneOf(words ...string) func(string) (string, *fault) {
	return func(s string) (string, *fault) {
		for _, w := range words {
			if s == w {
				return s, nil
			}
		}
		last := len(words) - 1
		return "", faultf("expected "+strings.Join(words[:last], ", ")+" or "+words[last], "unknown value (%s)", quote(s))
	}
}

// setNames refuses a name for one of voipbl's sets that is also a name of another one, of its IPv6
// set, or of the set that is filled before a swap.
func (r *reader) setNames(c Config) {
	type use struct {
		key, holds string
		names      []string
	}
	lists := use{"set", "the lists", []string{c.SetName(0), c.SetName(1), c.SetName(0) + "-next", c.SetName(1) + "-next"}}
	bans := use{"ban_set", "the bans", []string{c.BanSetName(0), c.BanSetName(1)}}
	phones := use{"known_set", "the registered phones", []string{c.KnownSetName(0), c.KnownSetName(1)}}
	for _, pair := range [][2]use{{lists, bans}, {lists, phones}, {bans, phones}} {
		first, second := pair[0], pair[1]
		for _, name := range second.names {
			if !slices.Contains(first.names, name) {
				continue
			}
			key := second.key
			if !r.written(key) {
				key = first.key
			}
			r.fail(key, faultf("expected two names that still differ when \"6\" or \"-next\" is added to either", "the set %s would hold both %s and %s", quote(name), first.holds, second.holds))
			return
		}
	}
}

func parseKnownSetName(s string) (string, *fault) {
	return parseSetNameUpTo(s, maxBanSetName, knownExample)
}

func parseBanSetName(s string) (string, *fault) {
	return parseSetNameUpTo(s, maxBanSetName, banExample)
}

func parseSetName(s string) (string, *fault) { return parseSetNameUpTo(s, maxSetName, setExample) }

func parseSetNameUpTo(s string, longest int, expected string) (string, *fault) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	// A name that begins with a dash reads as an option of ipset and iptables.
	if s == "" || len(s) > longest || s[0] == '-' || strings.Trim(s, letters) != "" {
		return "", faultf(expected, "bad set name (%s)", quote(s))
	}
	return s, nil
}

func parseDir(s string) (string, *fault) { return s, checkPath(s, dirExample) }

// checkPath refuses paths that are not absolute and clean, or are "/".
func checkPath(s, expected string) *fault {
	switch {
	case !filepath.IsAbs(s):
		return faultf(expected, "not an absolute path (%s)", quote(s))
	case len(s) > maxPath:
		return faultf(expected, "path with more than %d bytes (%s)", maxPath, quote(s))
	case strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }):
		return faultf(expected, "path with an unprintable character (%s)", quote(s))
	case filepath.Clean(s) != s:
		return faultf("expected "+quote(filepath.Clean(s)), "path is not in its shortest form (%s)", quote(s))
	case s == "/":
		return faultf(expected, "the root directory (%s)", quote(s))
	}
	return nil
}

// parseListen parses the address of the metrics. It has to be a loopback address, because
// the metrics have no password.
func parseListen(s string) (netip.AddrPort, *fault) { return parseLoopback(s, listenExample) }

// parseLoopback parses a loopback address with a port, or "".
func parseLoopback(s, example string) (netip.AddrPort, *fault) {
	if s == "" {
		return netip.AddrPort{}, nil
	}
	ap, err := netip.ParseAddrPort(s)
	addr := ap.Addr().Unmap()
	if err != nil || !addr.IsLoopback() || addr.Zone() != "" || ap.Port() == 0 {
		return netip.AddrPort{}, faultf(example, "not a loopback address with a port (%s)", quote(s))
	}
	return netip.AddrPortFrom(addr, ap.Port()), nil
}
