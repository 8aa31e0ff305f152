package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/survey"
)

// pbx checks that the rules let this host's PBX work, and that the PBX logs who attacks it.
func (d *doctor) pbx() {
	d.securityLog()
	d.whoBans()
	d.withoutCopies()
	d.sickLogs()
	d.iax2()
	d.skippedLines()
	d.peers()
	if !d.base() {
		return
	}
	d.recent()
	for _, p := range SIPPorts(d.Facts) {
		if !covers(d.Config.Firewall, p) {
			d.note(PortClosed, Problem, fmt.Sprintf("put %d into \"firewall: {sip: {ports: …}}\", or have nobody listen there", p.Port),
				"phones and trunks that use it are cut off by the base rules", "the PBX listens for SIP on %s %d, which the base rules do not open", p.Proto, p.Port)
		}
	}
	d.closedPorts()
	if a := d.Facts.Asterisk; a != nil && a.RTP[0] > 0 {
		have, want := d.Config.Firewall.RTP, config.PortRange{First: a.RTP[0], Last: a.RTP[1]}
		if want.First < have.First || want.Last > have.Last {
			d.note(RTPClosed, Problem, fmt.Sprintf("set \"firewall: {rtp: %q}\"", want), "some calls have no voice",
				"Asterisk uses UDP %s for voice (rtp.conf), and the base rules open %s", want, have)
		}
	}
}

// covers reports whether the base rules open a port of the PBX, at least to phones.
func covers(fw config.Firewall, p host.Port) bool {
	if fw.SIP.Ports.Has(p.Port) {
		return true
	}
	return slices.ContainsFunc(fw.Services, func(s config.Service) bool { return serves(s, p) })
}

// serves reports whether a service opens a port, at least to the local networks.
func serves(s config.Service, p host.Port) bool {
	return s.Proto == p.Proto && slices.ContainsFunc(s.Ports, func(r config.PortRange) bool { return r.Has(p.Port) })
}

const (
	// enoughRecent is how many sources a list of xt_recent should remember: ten times its
	// default (xt_recent.c: ip_list_tot = 100). A smaller list that is full has forgotten
	// sources that it counted.
	enoughRecent = 1000

	// recentPrefix begins the names of the lists of the base rules.
	recentPrefix = "VOIP"
)

func (d *doctor) recent() {
	x := d.Facts.XTRecent
	if x == nil || !d.Config.Firewall.SIP.Public || x.MaxAddrs >= enoughRecent {
		return
	}
	var full []string
	for name, n := range x.Lists {
		if strings.HasPrefix(name, recentPrefix) && n >= x.MaxAddrs {
			full = append(full, name)
		}
	}
	if len(full) == 0 {
		return
	}
	slices.Sort(full)
	d.note(RecentTooShort, Warning,
		"reboot the host: the package sets ip_list_tot in /usr/lib/modprobe.d/voipbl.conf; without it write \"options xt_recent ip_list_tot=8192\" into /etc/modprobe.d/voipbl.conf first",
		"the limits of REGISTER and INVITE forget an attacker as soon as enough others come",
		"the kernel remembers %d sources a list (xt_recent), and %s is full", x.MaxAddrs, list(full, 4))
}

// Peers returns the phones and trunks of this host: known addresses and networks, and names that
// have to be resolved.
func Peers(f survey.Facts) (prefixes []netip.Prefix, names []string) {
	if f.Asterisk == nil {
		return nil, nil
	}
	for _, t := range trunksOf(f) {
		if p, ok := prefixOf(t); ok {
			prefixes = append(prefixes, p)
		} else {
			names = append(names, t)
		}
	}
	for _, a := range f.Asterisk.Contacts {
		prefixes = append(prefixes, single(a))
	}
	return prefixes, names
}

// trunksOf returns Asterisk's trunks, also those by IAX2, each once.
func trunksOf(f survey.Facts) []string {
	if f.Asterisk == nil {
		return nil
	}
	all := slices.Clone(f.Asterisk.Trunks)
	if x := f.Asterisk.IAX2; x != nil {
		for _, t := range x.Trunks {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

func single(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen())
}

func prefixOf(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return single(a), true
}

// peers finds phones and trunks that are blocked, or would be if a list named them.
func (d *doctor) peers() {
	a := d.Facts.Asterisk
	if a == nil {
		return
	}
	for _, c := range a.Contacts {
		if by, remedy, blocked := d.blocked(single(c)); blocked && !d.told(single(c)) {
			d.note(PeerBlocked, Problem, orElse(remedy, "put "+c.String()+" into \"allow\""), "it can neither call nor be called", "a phone that is registered from %s is blocked%s", c, by)
		}
	}
	for _, t := range trunksOf(d.Facts) {
		prefixes := d.prefixes(t)
		blocked := false
		for _, p := range prefixes {
			if by, remedy, is := d.blocked(p); is && !blocked {
				if blocked = true; d.told(p) {
					continue
				}
				d.note(PeerBlocked, Problem, orElse(remedy, "put "+t+" into \"firewall: {trunks: …}\""), "calls over it fail", "the trunk %s is blocked%s", t, by)
			}
		}
		if d.base() && !d.Config.Firewall.SIP.Public && slices.Contains(a.Trunks, t) && !d.letIn(t, prefixes) {
			d.note(TrunkClosed, Problem, "put it into \"firewall: {trunks: …}\" (\"voipbl setup\" does)", "calls from there do not arrive",
				"SIP is not public, and the base rules let nobody in from the trunk %s", t)
		} else if !blocked && !d.protected(t, prefixes) {
			d.note(TrunkUnprotected, Warning, "put it into \"firewall: {trunks: …}\" (\"voipbl setup\" does)", "a list that names it would cut it off",
				"Asterisk has the trunk %s, which is neither in firewall.trunks nor in allow", t)
		}
	}
}

// prefixes returns the addresses of a trunk.
func (d *doctor) prefixes(trunk string) []netip.Prefix {
	if p, ok := prefixOf(trunk); ok {
		return []netip.Prefix{p}
	}
	var all []netip.Prefix
	for _, a := range d.Resolved[trunk] {
		all = append(all, single(a))
	}
	return all
}

// blocked reports whether packets from a prefix, or a part of it, are certainly dropped, by what,
// and the remedy.
func (d *doctor) blocked(p netip.Prefix) (by, remedy string, yes bool) {
	c := d.Checks[p]
	at := slices.IndexFunc(c.Places, func(p reach.Place) bool { return p.Certain && !p.Containers && p.Interface == "" })
	if at < 0 {
		return "", "", false
	}
	place := c.Places[at]
	if len(place.Ports) > 0 {
		by = " (only " + list(place.Ports, 3) + ")"
	}
	switch {
	case place.Kind == reach.ByFail2ban:
		return by + ", by fail2ban", place.Remedy, true
	case place.Kind == reach.ByOther:
		return by + ", by " + orElse(place.By, place.Where) + ": " + place.Rule, place.Remedy, true
	case c.Banned != nil:
		return by + ", by a ban of this host", "", true
	case len(c.Listed) > 0:
		return by + fmt.Sprintf(", by line %d of %s", c.Listed[0].Line, c.Listed[0].Feed), "", true
	}
	return by, "", true
}

// protected reports whether a trunk is never blocked: the configuration names it or covers each
// of its addresses, or they are private, which no list can block.
func (d *doctor) protected(trunk string, prefixes []netip.Prefix) bool {
	fw := d.Config.Firewall
	within := func(p netip.Prefix) bool {
		hosts := slices.Concat(fw.Trunks, d.Config.Allow)
		return p.Addr().IsPrivate() ||
			len(d.Checks[p].Because) > 0 ||
			slices.ContainsFunc(fw.LocalNetworks, func(n netip.Prefix) bool { return contains(n, p) }) ||
			slices.ContainsFunc(hosts, func(h config.Host) bool { return h.Name == "" && contains(h.Prefix, p) })
	}
	for _, h := range slices.Concat(fw.Trunks, d.Config.Allow) {
		if h.Name != "" && strings.EqualFold(h.Name, trunk) {
			return true
		}
	}
	return len(prefixes) > 0 && !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return !within(p) })
}

// letIn reports whether non-public SIP is open for a trunk.
func (d *doctor) letIn(trunk string, prefixes []netip.Prefix) bool {
	fw := d.Config.Firewall
	if slices.ContainsFunc(fw.Trunks, func(h config.Host) bool { return h.Name != "" }) {
		return true // the agent resolves such a name
	}
	return len(prefixes) == 0 || !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(fw.LocalNetworks, func(n netip.Prefix) bool { return contains(n, p) }) &&
			!slices.ContainsFunc(fw.Trunks, func(h config.Host) bool { return contains(h.Prefix, p) })
	})
}

func contains(a, b netip.Prefix) bool { return a.Bits() <= b.Bits() && a.Contains(b.Addr()) }
