package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/reach"
)

// Banned are the addresses that a fail2ban says it has banned, and those that its logs
// name and that it has not counted, each once, in order.
func Banned(facts host.Facts) []netip.Addr {
	if facts.Fail2ban == nil {
		return nil
	}
	var all []netip.Addr
	for _, j := range facts.Fail2ban.Jails {
		all = append(all, j.Banned...)
		for _, s := range j.Sick {
			all = append(all, s.From...)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// maxFriends bounds how many friends are asked about.
const maxFriends = 256

// Friends are who is exempt by name: allow and trunks, the addresses of names among them,
// and whoever of them a fail2ban says it has banned. What is known of them is to be among
// the checks.
func Friends(in Input) []netip.Prefix {
	var all []netip.Prefix
	for _, h := range slices.Concat(in.Config.Firewall.Trunks, in.Config.Allow) {
		if h.Name == "" {
			all = append(all, h.Prefix)
		}
	}
	for _, n := range in.Status.Names {
		for _, a := range n.Addresses {
			all = append(all, single(a.Addr))
		}
	}
	for _, a := range Banned(in.Facts) {
		if _, ok := in.Exempt[a]; ok {
			all = append(all, single(a))
		}
	}
	all = unique(all)
	return all[:min(len(all), maxFriends)]
}

func unique(all []netip.Prefix) []netip.Prefix {
	var kept []netip.Prefix
	for _, p := range all {
		if !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// friends looks for friends whose packets are dropped, but for those of whom it is told
// already. That they do not come to the PBX for another reason, such as SIP that is open
// for few, is none: to be exempt is not to be let in.
func (d *doctor) friends() {
	for _, p := range Friends(d.Input) {
		by, remedy, blocked := d.blocked(p)
		if !blocked || d.told(p) {
			continue
		}
		who := addressText(p)
		d.note(ExemptBanned, Problem, orElse(remedy, fmt.Sprintf("see \"voipbl check %s\", which names what drops its packets, and take it out", who)), cutOff,
			"%s is exempt, and blocked all the same%s", who, by)
	}
}

// told reports whether there is a finding about a friend already.
func (d *doctor) told(p netip.Prefix) bool {
	if slices.ContainsFunc(d.Status.ExemptBanned, func(b reach.ExemptBan) bool { return (b.Place == nil || d.placesTold) && b.Banned.Overlaps(p) }) {
		return true
	}
	return slices.ContainsFunc(d.found, func(f Finding) bool {
		return (f.Code == ExemptBanned || f.Code == PeerBlocked) && slices.Contains(strings.FieldsFunc(f.Text, func(r rune) bool { return r == ' ' || r == ',' }), p.Addr().String())
	})
}

const (
	cutOff = "a phone, a trunk or an admin at work is cut off"
	askUs  = "put \"ignorecommand = timeout -s KILL 5 voipbl exempt --quiet <ip>\" into the jail"
)

// exemptBanned looks for bans of whoever is exempt: in the sets, as status knows them,
// and in chains of iptables and in nftables, where only fail2ban knows them. That it
// says so is not enough: our own actions refuse, and it lists the address all the same.
func (d *doctor) exemptBanned() {
	d.exemptInJails() // which knows best how to end it
	for i, b := range d.Status.ExemptBanned {
		if b.Place != nil && d.told(b.Banned) {
			continue
		}
		if i == maxBanned {
			d.note(ExemptBanned, Problem, "as above; \"voipbl status --json\" lists them", cutOff, "%d more exempt addresses are banned", len(d.Status.ExemptBanned)-i)
			break
		}
		d.note(ExemptBanned, Problem, b.Remedy(), cutOff, "%s", b)
	}
	d.placesTold = true
	d.exemptInChains()
}

// maxBanned is how many of them are findings each.
const maxBanned = 20

// exemptInJails tells of friends whom a jail has put into a chain, or into nftables.
func (d *doctor) exemptInJails() {
	if d.Facts.Fail2ban == nil {
		return
	}
	for _, j := range d.Facts.Fail2ban.Jails {
		for _, addr := range j.Banned {
			e, ok := d.Exempt[addr]
			if !ok {
				continue
			}
			if where := d.bannedIn(j, addr); where != "" && !d.told(single(addr)) {
				d.note(ExemptBanned, Problem, fmt.Sprintf("fail2ban-client unban %s; %s", addr, askUs), cutOff,
					"%s is exempt (%s), but banned by fail2ban's jail %s (%s)", addr, strings.Join(e.Because[0].Reasons, ", "), j.Name, where)
			}
		}
	}
}

// exemptInChains tells of friends in chains that have names of fail2ban's, whether or not
// a fail2ban runs that knows of them.
func (d *doctor) exemptInChains() {
	friends := append(Friends(d.Input), d.Config.Firewall.LocalNetworks...)
	for _, k := range d.Rules {
		for _, f := range firewall.Families {
			if k.Saved[f] == nil {
				continue
			}
			for _, b := range k.Saved[f].ChainBans() {
				at := slices.IndexFunc(friends, b.Source.Overlaps)
				if at < 0 || d.told(b.Source) {
					continue
				}
				who, as := addressText(b.Source), ""
				if friend := friends[at]; friend.Bits() > b.Source.Bits() {
					who, as = addressText(friend), " as "+who
				}
				d.note(ExemptBanned, Problem, fmt.Sprintf("fail2ban-client unban %s; if it stays: %s -S %s shows the rule to delete", addressText(b.Source), reach.RulesCommand(k.Backend, f), b.Chain), cutOff,
					"%s is exempt, but banned by fail2ban%s (chain %s)", who, as, b.Chain)
			}
		}
	}
}

func addressText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
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
