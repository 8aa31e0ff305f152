package agent

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// passed adds to rules by which interfaces packets come, where one of them asks for that.
func passed(rules []KernelRules, native *nft.Ruleset) (p Passed, err error) {
	p = Passed{Rules: rules, Native: native}
	asks := native != nil && native.AsksForWay()
	for _, k := range rules {
		asks = asks || slices.ContainsFunc(k.Saved[:], func(s *firewall.Saved) bool { return s != nil && s.AsksForWay() })
	}
	if asks {
		p.Arrivals, err = facts.LookArrivals()
	}
	return p, err
}

// ways names by which interfaces packets come, if it was asked.
func (p Passed) ways() string {
	if p.Arrivals == nil {
		return ""
	}
	return digest(p.Arrivals)
}

// by are the interfaces by which packets of a source come in; an empty name if that is not
// known, or does not matter.
func (p Passed) by(source netip.Prefix, f firewall.Family) []string {
	if p.Arrivals != nil {
		if by := p.Arrivals.Of(source, f == firewall.IPv6); len(by) > 0 {
			return by
		}
	}
	return []string{""}
}

func (p Passed) here() []netip.Addr {
	if p.Arrivals == nil {
		return nil
	}
	return p.Arrivals.Own
}

// admission is something that base rules let in: packets of a protocol to some ports, of
// everybody or of a network.
type admission struct {
	name, proto string
	ports       firewall.PortRange
	from        netip.Prefix // invalid: everybody
}

// letIn is what base rules let in of a family, that of everybody before that of networks.
func letIn(base firewall.Base, f firewall.Family) (all []admission) {
	add := func(name, proto string, ports []firewall.PortRange, public bool, from []netip.Prefix) {
		for _, r := range ports {
			if public {
				all = append(all, admission{name, proto, r, netip.Prefix{}})
			}
			for _, n := range from {
				if n.Addr().Is6() == (f == firewall.IPv6) {
					all = append(all, admission{name, proto, r, n})
				}
			}
		}
	}
	for _, proto := range []string{"udp", "tcp"} {
		add("sip", proto, base.SIP, base.SIPPublic, slices.Concat(base.LocalNetworks, base.Trunks))
	}
	add("rtp", "udp", []firewall.PortRange{base.RTP}, true, nil)
	for _, s := range base.Services {
		if s.Proto != "tcp" && s.Proto != "udp" {
			continue
		}
		from := base.LocalNetworks
		if s.Public {
			from = nil
		}
		add(s.Name, s.Proto, s.Ports, s.Public, from)
	}
	return all
}

// words say what of an admission is meant, such as "sip (udp 5060:5061) from 10.0.0.0/8".
func (a admission) words(ports []firewall.PortRange) string {
	var list []string
	for _, p := range ports {
		list = append(list, p.String())
	}
	words := fmt.Sprintf("%s (%s %s)", a.name, a.proto, firstFew(list, 3))
	if a.from.IsValid() {
		words += " from " + queryText(a.from)
	}
	return words
}

// dropper is what drops what the base rules let in.
type dropper struct {
	Obstacle
	dropped  []string
	everyone map[string]bool // the ports, of whoever comes, so that each network is not named
}

// droppers are gathered in the order in which they are found.
type droppers []*dropper

func (all *droppers) of(o Obstacle) *dropper {
	for _, d := range *all {
		if d.where == o.where && d.rule == o.rule {
			return d
		}
	}
	d := &dropper{Obstacle: o, everyone: make(map[string]bool)}
	*all = append(*all, d)
	return d
}

// add notes that a dropper drops what is admitted, of what comes by some interfaces only.
func (d *dropper) add(a admission, ports []firewall.PortRange, suffix string) {
	anybody := a
	anybody.from = netip.Prefix{}
	key := anybody.words(ports)
	if d.everyone[key] {
		return
	}
	if !a.from.IsValid() {
		d.everyone[key] = true
		d.whose = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	d.whose = append(d.whose, a.from)
	if words := a.words(ports); !slices.Contains(d.dropped, words) { // over the other family too
		d.dropped = append(d.dropped, words+suffix)
	}
}

// droppedElsewhere finds what drops, for certain, what base rules let in that the kernel
// has: rules and policies of others in all tables of both backends, and native tables. What
// is known already is not told again.
func droppedElsewhere(base firewall.Base, p Passed, known []Obstacle) []Obstacle {
	var all droppers
	for _, f := range firewall.Families {
		if !slices.ContainsFunc(p.Rules, func(k KernelRules) bool { return k.Saved[f].HasBase() }) {
			continue
		}
		filters := p.filters(f, nobody)
		for _, a := range letIn(base, f) {
			by := p.by(a.from, f)
			at := make(map[*dropper][]string) // the interfaces by which it drops them
			ports := make(map[*dropper][]firewall.PortRange)
			for _, i := range by {
				for _, s := range filters.stops(a, i) {
					d := all.of(s.Obstacle)
					at[d], ports[d] = append(at[d], i), portrange.Joined(slices.Concat(ports[d], s.ports))
				}
			}
			for _, d := range all {
				if at[d] == nil {
					continue
				}
				suffix := ""
				if f == firewall.IPv6 && !a.from.IsValid() && d.native() {
					suffix = " over IPv6"
				}
				if len(at[d]) < len(by) {
					suffix += " by " + strings.Join(at[d], ", ")
				}
				d.add(a, ports[d], suffix)
			}
		}
	}
	var found []Obstacle
	for _, d := range all {
		if slices.ContainsFunc(known, func(o Obstacle) bool { return o.where == d.where && o.rule == d.rule }) {
			continue
		}
		d.Error = fmt.Sprintf("%s drops what the base rules let in: %s", d.Error, firstFew(slices.Compact(d.dropped), 3))
		found = append(found, d.Obstacle)
	}
	return found
}

// tells reports whether an obstacle is what is in a place, for some addresses.
func (o Obstacle) tells(p Place, of netip.Prefix) bool {
	return (o.where == p.Where && o.rule == p.Rule || o.rule == "" && o.where != "" && strings.HasPrefix(p.Where+" ", o.where+" ")) &&
		slices.ContainsFunc(o.whose, of.Overlaps)
}

func (d *dropper) native() bool { return strings.HasPrefix(d.where, "nftables, ") }

// stop is what ends packets of an admission, to some of its ports.
type stop struct {
	Obstacle
	ports []firewall.PortRange
}

// filters are all rules of a family, to follow packets through.
type filters struct {
	Passed
	family  firewall.Family
	tracers []familyTracer
	owners  [][]string // of the rules of each tracer
}

// nobody are sets and lists of which it is not known who is in them, but that a stranger is
// not.
var nobody = firewall.Sources{
	Set: func(_ firewall.SetMatch, source netip.Prefix) firewall.SetMember {
		return firewall.SetMember{Share: unlessStranger(source)}
	},
	Recent: func(_ string, source netip.Prefix) firewall.Share { return unlessStranger(source) },
}

func unlessStranger(source netip.Prefix) firewall.Share {
	if source.IsValid() {
		return firewall.Unknown
	}
	return firewall.NoneOf
}

func (p Passed) filters(f firewall.Family, in firewall.Sources) *filters {
	all := &filters{Passed: p, family: f}
	for _, k := range p.Rules {
		if saved := k.Saved[f]; saved != nil && saved.Trouble == nil {
			all.tracers = append(all.tracers, familyTracer{k.Backend, f, saved.NewTracer(in)})
			all.owners = append(all.owners, saved.Foreign())
		}
	}
	return all
}

// stops are what ends packets of an admission that come by an interface.
func (f *filters) stops(a admission, by string) (all []stop) {
	packet := f.packet(a, by)
	others := f.affects(packet)
	for i, t := range f.tracers {
		found := t.Behind(allBut(others, i)).Stops(firewall.Packet{Source: a.from, Proto: a.proto, Ports: a.ports, In: by, Here: packet.Here})
		for _, s := range found {
			if a.from.IsValid() || !s.BySource {
				all = append(all, stop{ruleObstacle(t, s, f.owners[i]), s.Ports})
			}
		}
	}
	if f.Native == nil {
		return all
	}
	packet.Others = nft.Others(allBut(others, len(f.tracers)))
	for _, s := range f.Native.Stops(packet, a.ports) {
		if a.from.IsValid() || !s.ForSource {
			all = append(all, stop{nativeObstacle(s), s.In})
		}
	}
	return all
}

func (f *filters) packet(a admission, by string) nft.Packet {
	return nft.Packet{
		Source: a.from, Is6: f.family == firewall.IPv6, Proto: a.proto,
		Interface: by, Here: f.here(),
	}
}

// affects are what each of the rules may do to packets, for the others; native ones last.
func (f *filters) affects(p nft.Packet) (all []firewall.Others) {
	for _, t := range f.tracers {
		all = append(all, t.Affects(p.Source))
	}
	if f.Native != nil {
		all = append(all, firewall.Others(f.Native.Affects(p)))
	}
	return all
}

// whereOf names a chain of iptables, as a [Place] does.
func whereOf(b firewall.Backend, f firewall.Family, table, chain string) string {
	return fmt.Sprintf("%s, %s %s", RulesCommand(b, f), table, chain)
}

// TableOption is what tools of iptables are told of a table.
func TableOption(table string) string {
	if table == "filter" {
		return ""
	}
	return " -t " + table
}

// ruleObstacle is a rule or policy of iptables that drops packets, but for which.
func ruleObstacle(t familyTracer, s firewall.Stop, owners []string) Obstacle {
	tool, table := RulesCommand(t.backend, t.family), TableOption(s.Table)
	o := Obstacle{Kind: DroppedElsewhere, where: whereOf(t.backend, t.family, s.Table, s.Chain)}
	if s.Rule == "" {
		o.rule = "-P " + s.Chain + " DROP"
		o.Error = fmt.Sprintf("%s: the policy of %s %s", tool, s.Table, s.Chain)
		o.Remedy = fmt.Sprintf("%s%s -P %s ACCEPT; the base rules keep out what they do not let in", tool, table, s.Chain)
	} else {
		o.rule = "-A " + s.Chain + " " + firewall.WithoutPurpose(s.Rule)
		o.Error = fmt.Sprintf("%s: \"%s\"", tool, strings.TrimSpace(table+" -A "+s.Chain+" "+s.Rule))
		o.Remedy = fmt.Sprintf("take it out or make it narrower: %s%s -D %s %s", tool, table, s.Chain, s.Rule)
	}
	if len(owners) > 0 {
		o.Remedy = "let it in there too, or " + facts.SwitchOffRemedy(owners)
	}
	return o
}

// nativeObstacle is a table or chain of nftables that drops packets, but for which.
func nativeObstacle(s nft.Stop) Obstacle {
	kind := nft.WhatIs(s.Of)
	return Obstacle{
		Kind:   DroppedElsewhere,
		where:  "nftables, " + s.Of,
		Error:  fmt.Sprintf("%s %s of nftables", kind, s.Of),
		Remedy: fmt.Sprintf("let it in there too (\"nft list %[1]s %[2]s\" shows the rules), or take that %[1]s out (%[3]s), or set \"firewall: {base: false}\"", kind, s.Of, facts.TakeOutRemedy(s.Of)),
	}
}
