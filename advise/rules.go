package advise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/nftwalk"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
)

// rules checks all rules in the kernel, no matter who made them.
func (d *doctor) rules() {
	d.otherBackend()
	d.otherFirewalls()
	d.otherForwards()
	d.ipv6()
	d.obstacles()
	d.bypass()
	for _, k := range d.Rules {
		for _, f := range iptables.Families {
			d.shadowed(k, f)
		}
	}
}

func (d *doctor) otherBackend() {
	for _, k := range d.Rules {
		if k.Used || k.Saved[iptables.IPv4].Empty() && k.Saved[iptables.IPv6].Empty() {
			continue
		}
		var tools []string
		for _, f := range iptables.Families {
			if !k.Saved[f].Empty() {
				tools = append(tools, "\""+reach.RulesCommand(k.Backend, f)+"-save\"")
			}
		}
		what := "are policies other than ACCEPT, and no rules,"
		if n := k.Saved[iptables.IPv4].Count() + k.Saved[iptables.IPv6].Count(); n > 0 {
			what = isAre(n, "rule", "rules")
		}
		d.note(OtherBackend, Warning,
			strings.Join(tools, " and ")+" shows them; move what you need, and empty that backend",
			"they are in force too, and neither iptables nor \"voipbl firewall diff\" shows them",
			"there %s in the %s backend of iptables, and voipbl uses %s", what, k.Backend, k.Backend.Other())
	}
}

func isAre(n int, one, many string) string {
	if n == 1 {
		return "is 1 " + one
	}
	return fmt.Sprintf("are %d %s", n, many)
}

// reception returns what both backends together do with strangers: a packet must pass both.
func (d *doctor) reception(f iptables.Family) iptwalk.Reception {
	all := iptwalk.LetsIn
	for _, k := range d.Rules {
		switch r := iptwalk.ReceptionOf(k.Saved[f]); {
		case r == iptwalk.KeepsOut:
			return r
		case r == iptwalk.Unclear:
			all = r
		}
	}
	return all
}

// otherFirewalls finds native tables that close this host to strangers, since iptables' tools do
// not show them.
func (d *doctor) otherFirewalls() {
	if d.Native == nil {
		return
	}
	for _, o := range nftwalk.Owners(d.Native) {
		if !o.Closes {
			continue
		}
		table := o.Tables[0]
		d.note(OtherFirewall, Note, fmt.Sprintf("\"nft list table %s\" shows it", table), "what it drops does not come to voipbl's rules, and iptables does not show it",
			"%s also drops incoming packets", ownerWords(o.Name, table))
	}
}

// otherForwards finds native tables that drop all that this host sends on, where that is not an
// obstacle for phones.
func (d *doctor) otherForwards() {
	if d.Native == nil {
		return
	}
	var told []string
	for _, is6 := range []bool{false, true} {
		for _, of := range nftwalk.StopsForwarded(d.Native, nftwalk.Packet{Is6: is6}) {
			what := nft.WhatIs(of) + " " + of + " of nftables"
			if !slices.Contains(told, of) && !slices.ContainsFunc(d.Status.Rules.Obstacles, func(o reach.Obstacle) bool { return strings.HasPrefix(o.Error, what) }) {
				d.note(OtherFirewall, Note, "nothing, if this host sends nothing on to containers or other hosts", "iptables does not show it", "the %s drops all that is forwarded", what)
			}
			told = append(told, of)
		}
	}
}

// ownerWords names an owner and its table, or just the table if the owner is not known.
func ownerWords(name, table string) string {
	if what, native := strings.CutPrefix(name, "nftables ("); native && what != table+")" {
		return "the chain " + strings.TrimSuffix(what, ")") + " of nftables"
	} else if native {
		return "the table " + table + " of nftables"
	}
	return name + " (table " + table + " of nftables)"
}

// closedNatively reports whether native tables drop packets of strangers, which iptables does
// not show.
func (d *doctor) closedNatively(f iptables.Family) bool {
	return d.Native != nil && slices.ContainsFunc(nftwalk.FateOf(d.Native, nftwalk.Packet{Is6: f == iptables.IPv6}).Drops, func(p nftwalk.DropPlace) bool { return p.Hook == nft.Input && !p.Unknown })
}

// ipv6 finds a firewall that closes only IPv4. If native tables could not be read, and a program
// that uses them is active, it says nothing.
func (d *doctor) ipv6() {
	if d.Native == nil && (d.active("firewalld") || d.active("nftables")) || d.closedNatively(iptables.IPv6) ||
		d.reception(iptables.IPv4) != iptwalk.KeepsOut || d.reception(iptables.IPv6) != iptwalk.LetsIn {
		return
	}
	for _, n := range d.Facts.Networks {
		if public6(n) {
			if d.Config.Firewall.IPv6 == config.IPv6Off {
				d.note(IPv6Open, Problem, "close it with ip6tables, or set \"firewall: {ipv6: auto}\"", "all that listens here is reached over IPv6",
					"IPv4 is closed but for what is let in, and IPv6 is left open (firewall.ipv6: off): %s is reached by everyone", n.Addr)
				return
			}
			d.note(IPv6Open, Problem, "close it likewise with ip6tables (of ufw: IPV6=yes in /etc/default/ufw), or set \"firewall: {base: true}\", which is for both",
				"all that listens here is reached over IPv6", "IPv4 is closed but for what is let in, and IPv6 is open: %s is reached by everyone", n.Addr)
			return
		}
	}
}

// active reports whether another firewall program is active.
func (d *doctor) active(name string) bool {
	for _, o := range d.Facts.Firewalls {
		if o.Name == name && o.Active {
			return true
		}
	}
	return false
}

// bypass finds ports that are published past INPUT.
func (d *doctor) bypass() {
	if d.Config.Firewall.DropAt == config.DropInput && len(d.published(iptables.IPv4))+len(d.published(iptables.IPv6)) == 0 &&
		(reach.Publishes(d.Rules, d.Native) || d.Facts.Docker != nil && d.Facts.Docker.Running) {
		d.note(DropAtInput, Warning, "set \"firewall: {drop_at: auto}\", which stands before both",
			"packets for ports that are published never come to INPUT, and blocked addresses would reach them",
			"containers run here, and blocked addresses are dropped in INPUT (firewall.drop_at: input)")
	}
	sets := [2]string{d.Config.Set, d.Config.SetName6()}
	for _, f := range iptables.Families {
		var base []string
		covered := slices.ContainsFunc(d.Rules, func(k reach.KernelRules) bool { return iptwalk.ForwardLooksAt(k.Saved[f], sets[f]) })
		for _, p := range d.published(f) {
			name := reach.PortName(p)
			if covered && d.base() && !d.opened(p) && !d.ownForwardRules(f) && !slices.Contains(base, name) {
				base = append(base, name)
			}
		}
		if len(base) > 0 {
			d.note(DockerBypass, Warning, "publish it on 127.0.0.1 only, or put rules for it into the chain DOCKER-USER",
				"packets for containers and forwarded ports never come to the base rules",
				"%s is open to everyone over %s, past the base rules", list(base, 4), f)
		}
	}
}

func (d *doctor) published(f iptables.Family) []iptwalk.Published {
	return reach.Published(d.Rules, d.Native, f)
}

// opened reports whether the base rules let everybody in on a published port anyway.
func (d *doctor) opened(p iptwalk.Published) bool {
	for _, s := range d.Config.Firewall.Services {
		for _, r := range s.Ports {
			if s.From == config.FromAny && s.Proto == p.Proto && r.Covers(p.Ports) {
				return true
			}
		}
	}
	sip := d.Config.Firewall.SIP
	return sip.Public && slices.ContainsFunc(sip.Ports, func(r config.PortRange) bool { return r.Covers(p.Ports) })
}

// ownForwardRules reports whether the admin has rules for packets to containers.
func (d *doctor) ownForwardRules(f iptables.Family) bool {
	return slices.ContainsFunc(d.Rules, func(k reach.KernelRules) bool { return iptwalk.Decides(k.Saved[f], "filter", "DOCKER-USER") })
}

// obstacles reports what makes voipbl's rules useless, as status does.
func (d *doctor) obstacles() {
	for _, o := range d.Status.Rules.Obstacles {
		code, why := ShadowedRule, "what those rules are for does not happen"
		switch o.Kind {
		case reach.DroppedElsewhere:
			code, why = OtherFirewall, "a packet has to pass both, so phones or an admin at work are kept out"
		case reach.Bypassed:
			code, why = DockerBypass, "packets for containers and forwarded ports never come to INPUT"
		}
		d.note(code, Problem, o.Remedy, why, "%s", o.Error)
	}
	if d.Status.Rules.Unfollowed {
		d.note(NotLookedAt, Note, "nothing, if the rules of others are as you want them; sets of addresses (ipset) instead of a rule for each make them fewer",
			"what keeps out phones, or lets blocked addresses in, may not be found", "%s", rules.UnfollowedWords)
	}
}

// shadowed finds others' rules that no packet reaches.
func (d *doctor) shadowed(k reach.KernelRules, f iptables.Family) {
	tool := reach.RulesCommand(k.Backend, f)
	for _, s := range iptwalk.Shadowed(k.Saved[f]) {
		if s.Same || s.Ours {
			continue
		}
		in := tool + reach.TableOption(s.Table)
		by, remedy := "-A "+s.ByChain+" "+s.By, "take one of the two out: "+in+" -D "+s.Chain+" …"
		if s.ByOurs {
			by, remedy = "the jump to the base rules", "put it between: "+in+" -D "+s.Chain+" …, and "+in+" -I "+s.Chain+" 2 …"
		}
		d.note(ShadowedRule, Warning, remedy, "the rule has no effect, though it looks as if it had",
			"%s: no packet comes to \"-A %s %s\": %s stands above it", tool, s.Chain, s.Rule, by)
	}
}
