package asterisk

import (
	"net/netip"
	"strings"

	"github.com/voipbl/voipbl/internal/distinct"
)

// trunksOf returns the remote ends that the configuration names: providers, and whatever else it
// identifies by address.
func trunksOf(pjsip, wizard, sip *astConfig) []string {
	var names []string
	add := func(list ...string) {
		for _, s := range list {
			for one := range strings.SplitSeq(s, ",") {
				names = append(names, one)
			}
		}
	}
	for _, s := range pjsip.ofType("identify") {
		add(s.all("match")...)
	}
	names = append(names, registrarsOf(pjsip)...)
	for _, s := range pjsip.ofType("aor", "endpoint") {
		for _, c := range s.all("contact") {
			for uri := range strings.SplitSeq(c, ",") {
				names = append(names, uriHost(uri))
			}
		}
		names = append(names, uriHost(s.get("outbound_proxy")))
	}
	for _, s := range wizard.ofType("wizard") {
		add(s.all("remote_hosts")...)
		names = append(names, uriHost(s.get("outbound_proxy")))
	}
	for _, s := range sip.ofType("peer", "friend") {
		if h := s.get("host"); !strings.EqualFold(h, "dynamic") && !strings.EqualFold(h, "static") {
			add(h)
		}
	}
	for _, s := range sip.sections {
		if !s.template {
			names = append(names, uriHost(s.get("outboundproxy")))
		}
	}
	for _, r := range sip.section("general").all("register") {
		names = append(names, registerHost(r))
	}
	return trunkNames(names)
}

// registrarsOf returns the hosts at which chan_pjsip is to register.
func registrarsOf(pjsip *astConfig) (hosts []string) {
	for _, s := range pjsip.ofType("registration") {
		hosts = append(hosts, uriHost(s.get("server_uri")), uriHost(s.get("outbound_proxy")))
	}
	return hosts
}

// trunkNames returns the names that may be trunks, without duplicates.
func trunkNames(names []string) []string {
	trunks := make([]string, 0, len(names))
	for _, n := range names {
		if t, ok := trunk(n); ok {
			trunks = append(trunks, t)
		}
	}
	return distinct.Of(trunks)
}

// uriHost returns the host of a SIP URI with its port (RFC 3261, 19.1.1):
// "sip:user:password@host:port;parameters". Asterisk also accepts a bare host, and a URI in angle
// brackets.
func uriHost(uri string) string {
	uri = strings.TrimSpace(strings.ReplaceAll(uri, `\;`, ";"))
	if _, inside, ok := strings.Cut(uri, "<"); ok {
		uri, _, _ = strings.Cut(inside, ">")
	}
	if scheme, rest, ok := strings.Cut(uri, ":"); ok && (strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips")) {
		uri = rest
	}
	// A password may contain an "@" that should have been escaped; a host has none.
	uri = uri[strings.LastIndexByte(uri, '@')+1:]
	uri, _, _ = strings.Cut(uri, ";")
	uri, _, _ = strings.Cut(uri, "?")
	return uri
}

// registerHost returns the host of chan_sip's "register =>":
// [peer?][transport://]user[@domain][:secret[:authuser]]@host[:port][/extension][~expiry].
func registerHost(s string) string {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return ""
	}
	s = s[i+1:]
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, "~")
	return s
}

// trunk parses HOST, HOST:PORT, ADDRESS, ADDRESS/BITS or ADDRESS/MASK. It returns it in one
// spelling, without the port. Anything else, a loopback address and "everybody" are not trunks.
func trunk(s string) (string, bool) {
	s = strings.Trim(strings.TrimSpace(s), `"`)
	if ip, mask, ok := strings.Cut(s, "/"); ok {
		p, ok := parseNetwork(ip, mask)
		if !ok || p.Bits() == 0 || p.Addr().IsLoopback() {
			return "", false
		}
		if p.IsSingleIP() {
			return p.Addr().String(), true
		}
		return p.String(), true
	}
	host, _, err := splitPort(s)
	if err != nil {
		return "", false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return a.String(), !a.IsLoopback() && !a.IsUnspecified() && a.Zone() == ""
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host, host != "localhost" && isHostName(host)
}

// parseNetwork parses a network whose mask is a number of bits or an address.
func parseNetwork(ip, mask string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(ip + "/" + mask); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(ip)
	m, err2 := netip.ParseAddr(mask)
	if err != nil || err2 != nil || a.BitLen() != m.BitLen() {
		return netip.Prefix{}, false
	}
	for bits := range a.BitLen() + 1 {
		if p := netip.PrefixFrom(m, bits).Masked(); p.Addr() == m && isMask(m, bits) {
			return netip.PrefixFrom(a, bits).Masked(), true
		}
	}
	return netip.Prefix{}, false
}

// isMask reports whether an address has this many ones followed by zeroes only.
func isMask(m netip.Addr, bits int) bool {
	for i, b := range m.AsSlice() {
		ones := min(max(bits-8*i, 0), 8)
		if b != byte(0xff<<(8-ones)) {
			return false
		}
	}
	return true
}

// isHostName reports whether s may be a name in the DNS (RFC 1123, 2.1; an
// underscore is for SRV records).
func isHostName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(s, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			switch {
			case r >= 'a' && r <= 'z', r == '_':
				letters = true
			case r >= '0' && r <= '9', r == '-':
			default:
				return false
			}
		}
	}
	return letters // digits alone are a mistyped address
}
