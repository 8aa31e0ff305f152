package config

import (
	"fmt"
	"net/netip"
	"unicode"
)

// PBX says how the PBX is watched, and what is made of what it sees.
type PBX struct {
	// HEP is the loopback address and port that the PBX copies its SIP messages to; zero: it
	// does not. AMI is that of Asterisk's manager interface; zero: it is not used.
	HEP, AMI netip.AddrPort

	// TrustRegistered spares phones that have proved a password to the PBX: no list blocks them,
	// and base rules do not limit them.
	TrustRegistered bool

	// BanAttackers bans whom the watcher of the PBX sees attack it.
	BanAttackers bool

	// Traps are what no phone asks for: whoever does is banned at once, if it is proved who that is.
	Traps Traps
}

// Watched reports whether there is anything to watch the PBX by.
func (p PBX) Watched() bool { return p.HEP.IsValid() || p.AMI.IsValid() }

// Traps are numbers called, accounts, and parts of a User-Agent, in any case.
type Traps struct {
	Extensions, Accounts, Agents []string
}

// MaxTraps is how many traps of a kind there may be.
const MaxTraps = 1000

const (
	maxTrap   = 64 // bytes, as many as are kept of what a packet has
	leastLong = 4  // letters of a User-Agent; fewer are in the names of phones too

	hepExample   = `expected a loopback address and a port such as "127.0.0.1:460", or "" for off`
	amiExample   = `expected a loopback address and a port such as "127.0.0.1:5038", or "" for off`
	trapExample  = `expected 1 to 64 bytes of printable text, such as "9999"`
	agentExample = `expected 4 to 64 bytes of printable text, such as "friendly-scanner"`
)

// pbx checks the keys below "pbx". The PBX itself listens at the ports for SIP.
func (r *reader) pbx(raw rawPBX, dst *PBX, sip Ports) {
	keep(raw.TrustRegistered, &dst.TrustRegistered)
	keep(raw.BanAttackers, &dst.BanAttackers)
	read(r, "pbx.hep", raw.HEP, &dst.HEP, func(s string) (netip.AddrPort, *fault) { return parseLoopback(s, hepExample) })
	if sip.Has(dst.HEP.Port()) {
		r.fail("pbx.hep", faultf(`expected a port at which nothing listens, such as "127.0.0.1:460"`, "%d is a port of firewall.sip (%s), at which the PBX listens", dst.HEP.Port(), sip))
	}
	read(r, "pbx.ami", raw.AMI, &dst.AMI, func(s string) (netip.AddrPort, *fault) { return parseLoopback(s, amiExample) })
	for _, t := range []struct {
		key   string
		texts []*string
		dst   *[]string
		least int
		say   string
	}{
		{"extensions", raw.Traps.Extensions, &dst.Traps.Extensions, 1, trapExample},
		{"accounts", raw.Traps.Accounts, &dst.Traps.Accounts, 1, trapExample},
		{"agents", raw.Traps.Agents, &dst.Traps.Agents, leastLong, agentExample},
	} {
		key := "pbx.traps." + t.key
		if t.texts == nil || !r.fits(key, len(t.texts), MaxTraps) {
			continue
		}
		*t.dst = nil
		for i, text := range t.texts {
			var v string
			read(r, fmt.Sprintf("%s[%d]", key, i), text, &v, func(s string) (string, *fault) { return parseTrap(s, t.least, t.say) })
			*t.dst = append(*t.dst, v)
		}
	}
}

func parseTrap(s string, least int, example string) (string, *fault) {
	for _, c := range s {
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return "", faultf(example, "bad text (%s)", quote(s))
		}
	}
	if len(s) < least || len(s) > maxTrap {
		return "", faultf(example, "bad text (%s)", quote(s))
	}
	return s, nil
}

func (p PBX) raw() rawPBX {
	text := func(a netip.AddrPort) *string {
		if !a.IsValid() {
			return new("")
		}
		return new(a.String())
	}
	same := func(s string) *string { return &s }
	return rawPBX{
		HEP: text(p.HEP), AMI: text(p.AMI),
		TrustRegistered: &p.TrustRegistered, BanAttackers: &p.BanAttackers,
		Traps: rawTraps{each(p.Traps.Extensions, same), each(p.Traps.Accounts, same), each(p.Traps.Agents, same)},
	}
}
