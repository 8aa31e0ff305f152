package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/survey"
)

// Banned returns the addresses that fail2ban says it has banned, and those that its logs name but
// it has not counted, each once and in order.
func Banned(facts survey.Facts) []netip.Addr {
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

// maxFriends is how many friends are checked at most.
const maxFriends = 256

// Friends returns the addresses and networks that an admin has exempted: allow and trunks, the
// addresses of names in them, and those of them that fail2ban says it has banned. Input.Checks
// must have them.
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

// friends finds friends whose packets are dropped, and that have no finding yet. A friend that
// does not reach the PBX for another reason, such as SIP that is not public, is no finding:
// exempt does not mean let in.
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

// told reports whether a friend has a finding already.
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

// exemptBanned finds bans of exempt addresses: in sets, which status knows, and in chains of
// iptables and in nftables, which only fail2ban knows. That fail2ban lists an address is not
// enough: voipbl's own actions refuse to ban it, and fail2ban lists it all the same.
func (d *doctor) exemptBanned() {
	d.exemptInJails() // first, since it has the best remedy
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

// maxBanned is how many bans of exempt addresses get a finding each.
const maxBanned = 20

// exemptInJails finds friends that a jail has banned in a chain or in nftables.
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

// exemptInChains finds friends in chains with names that fail2ban uses, even if no running
// fail2ban knows of them.
func (d *doctor) exemptInChains() {
	friends := append(Friends(d.Input), d.Config.Firewall.LocalNetworks...)
	for _, k := range d.Rules {
		for _, f := range iptables.Families {
			if k.Saved[f] == nil {
				continue
			}
			for _, b := range iptwalk.ChainBans(k.Saved[f]) {
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

// bannedIn returns where a jail's actions ban an address: a chain that has a rule for it, or
// nftables. It is empty if that is not certain.
func (d *doctor) bannedIn(j fail2ban.Jail, addr netip.Addr) string {
	f := iptables.IPv4
	if addr.Is6() {
		f = iptables.IPv6
	}
	for _, a := range j.Actions {
		switch a.Into {
		case fail2ban.IntoNFTables:
			return "nftables"
		case fail2ban.IntoChain:
			chain := a.Target
			if f == iptables.IPv6 {
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
