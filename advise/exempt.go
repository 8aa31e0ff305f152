package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
)

// Banned are the addresses that a fail2ban says it has banned, each once, in order.
func Banned(facts host.Facts) []netip.Addr {
	if facts.Fail2ban == nil {
		return nil
	}
	var all []netip.Addr
	for _, j := range facts.Fail2ban.Jails {
		all = append(all, j.Banned...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

const (
	cutOff = "a phone, a trunk or whoever is at work is cut off"
	askUs  = "put \"ignorecommand = voipbl exempt --quiet <ip>\" into the jail"
)

// exemptBanned looks for bans of whoever is exempt: in the sets, as status knows them,
// and in chains of iptables and in nftables, where only fail2ban knows them. That it
// says so is not enough: our own actions refuse, and it lists the address all the same.
func (d *doctor) exemptBanned() {
	for _, b := range d.Status.ExemptBanned {
		d.note(ExemptBanned, Problem, b.Remedy(), cutOff, "%s", b)
	}
	if d.Facts.Fail2ban == nil {
		return
	}
	for _, j := range d.Facts.Fail2ban.Jails {
		for _, addr := range j.Banned {
			e, ok := d.Exempt[addr]
			if !ok {
				continue
			}
			if where := d.bannedIn(j, addr); where != "" {
				d.note(ExemptBanned, Problem, fmt.Sprintf("fail2ban-client unban %s; %s", addr, askUs), cutOff,
					"%s is exempt (%s), but banned by fail2ban's jail %s (%s)", addr, strings.Join(e.Because[0].Reasons, ", "), j.Name, where)
			}
		}
	}
}

// bannedIn is where the actions of a jail keep an address away: a chain with a rule about
// it, or nftables. It is empty if neither is certain.
func (d *doctor) bannedIn(j host.Jail, addr netip.Addr) string {
	f := firewall.IPv4
	if addr.Is6() {
		f = firewall.IPv6
	}
	for _, a := range j.Actions {
		switch a.Into {
		case host.IntoNFTables:
			return "nftables"
		case host.IntoChain:
			chain := a.Target
			if f == firewall.IPv6 {
				chain = orElse(a.Target6, chain)
			}
			for _, k := range d.Rules {
				if k.Saved[f].NamesSource(chain, addr) {
					return "chain " + chain
				}
			}
		}
	}
	return ""
}
