package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const (
	// minBits and minBits6 are the shortest prefix lengths that any key accepts. A wider
	// network, such as 0.0.0.0/0 in allow, would switch the protection off.
	minBits  = 8
	minBits6 = 19

	// maxHostname and maxLabel are the limits of RFC 1035 section 2.3.4. The 255 bytes of a
	// name on the wire are 253 characters of text.
	maxHostname = 253
	maxLabel    = 63
)

// The IPv6 networks that may be wider than minBits6, because they are not on the
// Internet.
var (
	uniqueLocal = netip.MustParsePrefix("fc00::/7")  // RFC 4193
	linkLocal   = netip.MustParsePrefix("fe80::/10") // RFC 4291 section 2.5.6
)

// A Host is an address, a network, or a DNS name that stands for addresses.
type Host struct {
	Prefix netip.Prefix // a single address is a /32 or /128; host bits are zero
	Name   string       // in lower case; empty if Prefix is valid
}

// String returns the host as it is written in the file.
func (h Host) String() string {
	switch {
	case h.Name != "":
		return h.Name
	case h.Prefix.IsSingleIP():
		return h.Prefix.Addr().String()
	}
	return h.Prefix.String()
}

const (
	hostExample    = `expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`
	networkExample = `expected a network, such as "192.168.1.0/24"`
)

// ParseHost parses a host as the configuration file accepts it: an address, a network that is
// not too wide, or a DNS name.
func ParseHost(s string) (Host, error) {
	h, f := parseHost(s)
	if f != nil {
		return Host{}, errors.New(f.problem + ": " + f.expected)
	}
	return h, nil
}

// parseHost parses an address, a network or a DNS name.
func parseHost(s string) (Host, *fault) {
	if _, err := netip.ParseAddr(s); err == nil || strings.ContainsAny(s, "/:") {
		p, f := parsePrefix(s, hostExample)
		return Host{Prefix: p}, f
	}
	if !isHostname(s) {
		return Host{}, faultf(hostExample, "neither an address nor a host name (%s)", quote(s))
	}
	return Host{Name: strings.ToLower(s)}, nil
}

// parseNetwork parses a network, or an address as a network of one address.
func parseNetwork(s string) (netip.Prefix, *fault) { return parsePrefix(s, networkExample) }

// parsePrefix parses an address or a network. An IPv4 address in IPv6 form becomes IPv4, as the
// kernel sees it.
func parsePrefix(s, expected string) (netip.Prefix, *fault) {
	p, err := netip.ParsePrefix(s)
	if addr, addrErr := netip.ParseAddr(s); addrErr == nil {
		if addr.Zone() != "" {
			return p, faultf(expected, "address with a zone (%s)", quote(s))
		}
		p, err = addr.Prefix(addr.BitLen())
	}
	if err != nil {
		return p, faultf(expected, "broken address or network (%s)", quote(s))
	}
	if masked := p.Masked(); p != masked {
		return p, faultf(fmt.Sprintf("expected %q, or \"%s\" for the one address", masked, p.Addr()),
			"network with host bits set (%s)", quote(s))
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	widest := minBits
	if p.Addr().Is6() {
		widest = minBits6
	}
	if p.Bits() < widest && !within(p, uniqueLocal) && !within(p, linkLocal) {
		return p, faultf(fmt.Sprintf("expected a /%d or narrower, as this would switch the protection off", widest),
			"network too wide (%s)", quote(s))
	}
	return p, nil
}

// within reports whether a is part of b.
func within(a, b netip.Prefix) bool { return a.Bits() >= b.Bits() && b.Contains(a.Addr()) }

// isHostname reports whether s is a host name by RFC 1123 section 2.1, with or without the
// trailing dot of the root. By that section the last label must have a letter, so "10.0.0" is
// a broken address and not a name.
func isHostname(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > maxHostname {
		return false
	}
	letter := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		letter = false
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c|0x20 && c|0x20 <= 'z':
				letter = true
			case c != '-' && !('0' <= c && c <= '9'):
				return false
			}
		}
	}
	return letter
}
