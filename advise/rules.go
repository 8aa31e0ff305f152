package advise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/agent"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
)

// rules looks at what the kernel's rules are, whoever made them.
func (d *doctor) rules() {
	d.otherBackend()
	d.ipv6()
	d.bypass()
	for _, k := range d.Rules {
		for _, f := range firewall.Families {
			d.shadowed(k, f)
		}
	}
}

// command is the name of a family's tool in a backend, such as "ip6tables-legacy".
func command(b firewall.Backend, f firewall.Family) string {
	return [...]string{"iptables", "ip6tables"}[f] + "-" + string(b)
}

func (d *doctor) otherBackend() {
	for _, k := range d.Rules {
		if k.Used || k.Saved[firewall.IPv4].Empty() && k.Saved[firewall.IPv6].Empty() {
			continue
		}
		var tools []string
		for _, f := range firewall.Families {
			if !k.Saved[f].Empty() {
				tools = append(tools, "\""+command(k.Backend, f)+"-save\"")
			}
		}
		n := k.Saved[firewall.IPv4].Rules() + k.Saved[firewall.IPv6].Rules()
		d.note(OtherBackend, Warning,
			strings.Join(tools, " and ")+" shows them; move what you need, and empty that backend",
			"they are in force too, and neither iptables nor \"voipbl firewall diff\" shows them",
			"there %s in the %s backend of iptables, and voipbl uses %s", isAre(n, "rule", "rules"), k.Backend, k.Backend.Other())
	}
}

func isAre(n int, one, many string) string {
	if n == 1 {
		return "is 1 " + one
	}
	return fmt.Sprintf("are %d %s", n, many)
}

// reception is what both backends together do with strangers: a packet has to pass
// both.
func (d *doctor) reception(f firewall.Family) firewall.Reception {
	all := firewall.LetsIn
	for _, k := range d.Rules {
		switch r := k.Saved[f].Reception(); {
		case r == firewall.KeepsOut:
			return r
		case r == firewall.Unclear:
			all = r
		}
	}
	return all
}

// ipv6 looks for a firewall of IPv4 alone. What firewalld or a ruleset of nftables does
// about IPv6 is not to be seen in iptables, so beside those nothing is said.
func (d *doctor) ipv6() {
	if d.active("firewalld") || d.active("nftables") ||
		d.reception(firewall.IPv4) != firewall.KeepsOut || d.reception(firewall.IPv6) != firewall.LetsIn {
		return
	}
	for _, n := range d.Facts.Networks {
		if public6(n) {
			d.note(IPv6Open, Problem, "close it likewise with ip6tables (of ufw: IPV6=yes in /etc/default/ufw), or set \"firewall: {base: true}\", which is for both",
				"all that listens here is reached over IPv6", "IPv4 is closed but for what is let in, and IPv6 is open: %s is reached by everyone", n.Addr)
			return
		}
	}
}

// active reports whether another owner of the firewall is in force.
func (d *doctor) active(name string) bool {
	for _, o := range d.Facts.Firewalls {
		if o.Name == name && o.Active {
			return true
		}
	}
	return false
}

// bypass looks for ports that are published past INPUT.
func (d *doctor) bypass() {
	sets := [2]string{d.Config.Set, d.Config.SetName6()}
	for _, f := range firewall.Families {
		var blocked, base []string
		covered := slices.ContainsFunc(d.Rules, func(k agent.KernelRules) bool { return k.Saved[f].ForwardLooksAt(sets[f]) })
		for _, p := range d.published(f) {
			name := portName(p)
			if !covered && !slices.Contains(blocked, name) {
				blocked = append(blocked, name)
			}
			if covered && d.base() && !d.opened(p) && !d.ownForwardRules(f) && !slices.Contains(base, name) {
				base = append(base, name)
			}
		}
		if len(blocked) > 0 {
			d.note(DockerBypass, Problem, "set \"firewall: {drop_at: prerouting}\", which stands before both",
				"packets for containers and forwarded ports never come to INPUT",
				"blocked addresses are dropped in INPUT, and reach %s over %s past it", list(blocked, 4), f)
		}
		if len(base) > 0 {
			d.note(DockerBypass, Warning, "publish it on 127.0.0.1 only, or put rules for it into the chain DOCKER-USER",
				"packets for containers and forwarded ports never come to the base rules",
				"%s is open to everyone over %s, past the base rules", list(base, 4), f)
		}
	}
}

func (d *doctor) published(f firewall.Family) []firewall.Published {
	var all []firewall.Published
	for _, k := range d.Rules {
		all = append(all, k.Saved[f].Published()...)
	}
	return all
}

func portName(p firewall.Published) string {
	if p.Ports == (firewall.PortRange{First: 0, Last: 65535}) {
		return "each port of " + orElse(p.Proto, "any protocol")
	}
	return p.Proto + " " + p.Ports.String()
}

// opened reports whether the base rules let everyone in on such a port as well.
func (d *doctor) opened(p firewall.Published) bool {
	for _, s := range d.Config.Firewall.Services {
		for _, r := range s.Ports {
			if s.From == config.FromAny && s.Proto == p.Proto && r.First <= p.Ports.First && p.Ports.Last <= r.Last {
				return true
			}
		}
	}
	sip := d.Config.Firewall.SIP
	return sip.Public && sip.Ports.First <= p.Ports.First && p.Ports.Last <= sip.Ports.Last
}

// ownForwardRules reports whether somebody looks after what goes to containers.
func (d *doctor) ownForwardRules(f firewall.Family) bool {
	return slices.ContainsFunc(d.Rules, func(k agent.KernelRules) bool { return k.Saved[f].Decides("filter", "DOCKER-USER") })
}

// shadowed looks for rules that no packet comes to.
func (d *doctor) shadowed(k agent.KernelRules, f firewall.Family) {
	type cause struct{ chain, rule string }
	var causes []cause
	behind := make(map[cause][]firewall.Shadow)
	for _, s := range k.Saved[f].Shadowed() {
		if s.Same {
			continue
		}
		c := cause{s.ByChain, s.By}
		if behind[c] == nil {
			causes = append(causes, c)
		}
		behind[c] = append(behind[c], s)
	}
	tool := command(k.Backend, f)
	for _, c := range causes {
		var own []string
		for _, s := range behind[c] {
			if s.Ours {
				own = append(own, "\""+firewall.Purpose(s.Rule)+"\"")
				continue
			}
			by, remedy := "-A "+c.chain+" "+c.rule, "take one of the two out: "+tool+" -D "+s.Chain+" …"
			if s.ByOurs {
				by, remedy = "the jump to the base rules", "put it between: "+tool+" -D "+s.Chain+" …, and "+tool+" -I "+s.Chain+" 2 …"
			}
			d.note(ShadowedRule, Warning, remedy, "it looks as if it did something",
				"%s: no packet comes to \"-A %s %s\": %s stands above it", tool, s.Chain, s.Rule, by)
		}
		if len(own) > 0 {
			d.note(ShadowedRule, Problem, fmt.Sprintf("take it out or make it narrower: %s -D %s %s", tool, c.chain, c.rule), "what those rules are for does not happen",
				"%s: \"-A %s %s\" leaves no packet for %s of voipbl's: %s", tool, c.chain, c.rule, plural(len(own), "rule", "rules"), list(slices.Compact(own), 3))
		}
	}
}
