package reach

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/internal/steps"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/nftwalk"
	"github.com/voipbl/voipbl/ruleset"
)

// maxSteps is how many rules one search may look at, over all families, ports and interfaces.
// That takes about a second. With a nat rule for each of 10,000 ports a search needs half of
// them.
const maxSteps = 1 << 22

// PassedBy makes a Passed of rules. It looks up by which interfaces packets arrive, if a rule
// depends on that.
func PassedBy(ctx context.Context, rules []KernelRules, native *nft.Ruleset) (p Passed, err error) {
	p = Passed{Rules: rules, Native: native, Left: steps.New(ctx, maxSteps)}
	asks := native != nil && native.AsksForWay()
	for _, k := range rules {
		asks = asks || slices.ContainsFunc(k.Saved[:], func(s *iptables.Saved) bool { return s != nil && iptwalk.AsksForWay(s) })
	}
	if asks {
		p.Arrivals, err = host.LookArrivals()
	}
	return p, err
}

// by returns the interfaces by which packets of a source arrive; one empty name if that is not
// known or does not matter.
func (p Passed) by(source netip.Prefix, f iptables.Family) []string {
	if p.Arrivals != nil {
		if by := p.Arrivals.Of(source, f == iptables.IPv6); len(by) > 0 {
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

// admission is something that base rules let in: packets of a protocol to some ports, from
// everybody or from a network.
type admission struct {
	name, proto string
	ports       iptables.PortRange
	from        netip.Prefix // invalid: everybody
}

// letIn returns what base rules let in of a family: first from everybody, then from networks.
func letIn(base ruleset.Base, f iptables.Family) (all []admission) {
	add := func(name, proto string, ports []iptables.PortRange, public bool, from []netip.Prefix) {
		for _, r := range ports {
			if public {
				all = append(all, admission{name, proto, r, netip.Prefix{}})
			}
			for _, n := range from {
				if n.Addr().Is6() == (f == iptables.IPv6) {
					all = append(all, admission{name, proto, r, n})
				}
			}
		}
	}
	for _, proto := range []string{"udp", "tcp"} {
		add("sip", proto, base.SIP, base.SIPPublic, slices.Concat(base.LocalNetworks, base.Trunks))
	}
	add("rtp", "udp", []iptables.PortRange{base.RTP}, true, nil)
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

// words describes those ports of an admission, such as "sip (udp 5060:5061) from 10.0.0.0/8".
func (a admission) words(ports []iptables.PortRange) string {
	var list []string
	for _, p := range ports {
		list = append(list, p.String())
	}
	words := fmt.Sprintf("%s (%s %s)", a.name, a.proto, firstFew(list, 3))
	if a.from.IsValid() {
		words += " from " + cidr.Text(a.from)
	}
	return words
}

// dropper is a rule, policy or table that drops what the base rules let in, or answers to it.
type dropper struct {
	Obstacle
	answers  bool
	turned   turnedTo
	sent     []admission // what is sent to another port
	dropped  []string
	everyone map[string]bool // the ports dropped for everybody, so that no network is named
}

// droppers are in the order in which they were found.
type droppers []*dropper

func (all *droppers) of(s stop) *dropper {
	for _, d := range *all {
		if d.where == s.where && d.rule == s.rule && d.answers == s.answers && d.turned == s.turned {
			return d
		}
	}
	d := &dropper{Obstacle: s.Obstacle, answers: s.answers, turned: s.turned, everyone: make(map[string]bool)}
	*all = append(*all, d)
	return d
}

// add notes that a dropper drops ports of an admission; suffix says over which family or interfaces.
func (d *dropper) add(a admission, ports []iptables.PortRange, suffix string) {
	d.sent = append(d.sent, a)
	anybody := a
	anybody.from = netip.Prefix{}
	key := anybody.words(ports)
	if d.everyone[key] {
		return
	}
	if d.everyone[key] = !a.from.IsValid(); d.everyone[key] && !d.answers {
		d.whose = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	if !d.answers { // for answers, the packets themselves come in
		d.whose = append(d.whose, a.from)
	}
	if words := a.words(ports); !slices.Contains(d.dropped, words) { // it may be there from the other family
		d.dropped = append(d.dropped, words+suffix)
	}
}

// droppedElsewhere finds what certainly drops packets that the installed base rules let in, or
// answers to them: others' rules and policies in all tables of both backends, and native tables.
// It leaves out what is already in known.
func droppedElsewhere(base ruleset.Base, p Passed, known []Obstacle) []Obstacle {
	var all droppers
	for _, f := range iptables.Families {
		if !slices.ContainsFunc(p.Rules, func(k KernelRules) bool { return k.Saved[f].HasBase() }) {
			continue
		}
		filters := p.Filters(f, Nobody)
		for _, a := range letIn(base, f) {
			by := p.by(a.from, f)
			at := make(map[*dropper][]string) // the interfaces on which each drops them
			ports := make(map[*dropper][]iptables.PortRange)
			for _, i := range by {
				for _, s := range slices.Concat(filters.stops(a, i, toHere), filters.stops(a, i, fromHere), filters.turned(a, i)) {
					d := all.of(s)
					at[d], ports[d] = append(at[d], i), portrange.Joined(slices.Concat(ports[d], s.ports))
				}
			}
			for _, d := range all {
				if at[d] == nil {
					continue
				}
				suffix := ""
				if f == iptables.IPv6 && !a.from.IsValid() && d.native() {
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
		what := "drops what the base rules let in"
		switch {
		case d.answers:
			what = "drops the answers to what the base rules let in"
		case d.turned.lost:
			what = "sends to 127.0.0.1, where the kernel drops it, what the base rules let in"
		case d.turned.port != 0:
			what = fmt.Sprintf("sends to %s, which the base rules close, what they let in", d.turned)
			d.Remedy += d.turned.openRemedy(base, d.sent)
		}
		d.Error = fmt.Sprintf("%s %s: %s", d.Error, what, firstFew(slices.Compact(d.dropped), 3))
		found = append(found, d.Obstacle)
	}
	return found
}

// Tells reports whether an obstacle and a place are the same rule, for some addresses.
func (o Obstacle) Tells(p Place, of netip.Prefix) bool {
	return (o.where == p.Where && o.rule == p.Rule || o.rule == "" && o.where != "" && strings.HasPrefix(p.Where+" ", o.where+" ")) &&
		slices.ContainsFunc(o.whose, of.Overlaps)
}

func (d *dropper) native() bool { return strings.HasPrefix(d.where, "nftables, ") }

// stop is where packets of an admission to some of its ports end, or the answers to them.
type stop struct {
	Obstacle
	answers bool
	turned  turnedTo // if set, they do not end there but go to this port
	ports   []iptables.PortRange
}

// leg is one part of the path of a connection's packets.
type leg struct {
	along iptwalk.Along
	to    iptwalk.Published // the published port, if the packets are sent on
}

func (l leg) answers() bool { return l.along == iptwalk.Answers || l.along == iptwalk.Answered }

// letRemedy says what the rules should do in which the leg ends.
func (l leg) letRemedy() string {
	switch l.along {
	case iptwalk.Inwards:
		return "let it in there too"
	case iptwalk.Onwards:
		return "let it pass there too"
	}
	return "let the answers pass there too"
}

// toHere and fromHere are the legs of a connection to this host: its packets, and the answers.
var toHere, fromHere = leg{along: iptwalk.Inwards}, leg{along: iptwalk.Answers}

// filters has all rules of a family, to follow packets through them.
type filters struct {
	Passed
	family iptables.Family
	all    []filter

	addresses []netip.Addr // see own

	// nat and parted are caches, since the same is asked for many ports: see kindsOf and parts.
	nat    map[string]func(iptables.PortRange) [][]iptables.PortRange
	parted map[arrival][]part
}

// filter has the rules of one backend.
type filter struct {
	familyTracer
	saved  *iptables.Saved
	owners []string
	along  map[iptwalk.Along]*iptwalk.Tracer
}

// follows returns a tracer of the backend's rules for a leg.
func (f filter) follows(l leg) *iptwalk.Tracer {
	if f.along[l.along] == nil {
		f.along[l.along] = f.Along(l.along)
	}
	return f.along[l.along]
}

// Nobody stands for sets and lists whose members are not known, except that a stranger is in
// none of them.
var Nobody = iptwalk.Sources{
	Set: func(_ iptwalk.SetMatch, source netip.Prefix) iptwalk.SetMember {
		return iptwalk.SetMember{Share: unlessStranger(source)}
	},
	Recent: func(_ string, source netip.Prefix) iptwalk.Share { return unlessStranger(source) },
}

func unlessStranger(source netip.Prefix) iptwalk.Share {
	if source.IsValid() {
		return iptwalk.Unknown
	}
	return iptwalk.NoneOf
}

// Filters returns a family's rules to follow packets through; in answers for sets.
func (p Passed) Filters(f iptables.Family, in iptwalk.Sources) *filters {
	all := &filters{Passed: p, family: f, nat: make(map[string]func(iptables.PortRange) [][]iptables.PortRange), parted: make(map[arrival][]part)}
	for _, k := range p.Rules {
		if saved := k.Saved[f]; saved != nil && saved.Trouble == nil {
			t := familyTracer{k.Backend, f, iptwalk.NewTracer(saved, in).Within(p.Left)}
			all.all = append(all.all, filter{t, saved, saved.Foreign(), map[iptwalk.Along]*iptwalk.Tracer{iptwalk.Inwards: t.Tracer}})
		}
	}
	return all
}

// stops returns where packets of an admission that arrive by an interface end on a leg; answers
// leave by the same interface.
func (f *filters) stops(a admission, by string, l leg) (all []stop) {
	if l.to != (iptwalk.Published{}) {
		return f.stopsOf(part{admission: a, leg: l}, by)
	}
	for _, p := range f.parts(a, by, l) {
		for _, s := range f.stopsOf(p, by) {
			i := slices.IndexFunc(all, func(o stop) bool { return o.where == s.where && o.rule == s.rule })
			if i < 0 {
				all = append(all, s)
				continue
			}
			all[i].ports = append(all[i].ports, s.ports...)
		}
	}
	for i := range all {
		all[i].ports = portrange.Joined(all[i].ports)
	}
	return all
}

// stopsOf returns where packets of a part end.
func (f *filters) stopsOf(p part, by string) (all []stop) {
	a, l := p.admission, p.leg
	if p.away && l.answers() {
		return nil
	}
	packet := f.packet(a, by, l)
	packet.Away = p.away
	native := f.Native != nil && nftwalk.MayStop(f.Native, packet)
	if !native && !slices.ContainsFunc(f.all, func(of filter) bool { return iptwalk.MayStop(of.saved, l.along) }) {
		return nil
	}
	others := f.affects(packet, l)
	for i, t := range f.all {
		found := t.follows(l).Behind(others[i]).Stops(iptwalk.Packet{
			Source: a.from, Proto: a.proto, Ports: a.ports, In: by, Here: packet.Here, To: l.to.To, ToPort: l.to.ToPort, AnyPort: l.to.AnyPort, Away: p.away,
		})
		for _, s := range found {
			if a.from.IsValid() || !s.BySource {
				all = append(all, stop{Obstacle: ruleObstacle(t.familyTracer, s, l, t.owners), answers: l.answers(), ports: s.Ports})
			}
		}
	}
	if !native {
		return all
	}
	packet.Others = nftwalk.Others(others[len(f.all)])
	for _, s := range nftwalk.Stops(f.Native, packet, a.ports) {
		if a.from.IsValid() || !s.ForSource {
			all = append(all, stop{Obstacle: nativeObstacle(s, l), answers: l.answers(), ports: s.In})
		}
	}
	return all
}

func (f *filters) packet(a admission, by string, l leg) nftwalk.Packet {
	return nftwalk.Packet{
		Source: a.from, Is6: f.family == iptables.IPv6, Proto: a.proto, Interface: by, Here: f.here(),
		Forwarded: l.along == iptwalk.Onwards || l.along == iptwalk.Answered, Answers: l.answers(),
		To: l.to.To, ToPort: l.to.ToPort, AnyPort: l.to.AnyPort, Left: f.Left,
	}
}

// affects returns, for each backend's rules and last for native ones, what all others may do to
// the packets. For answers it includes what the others do to the packets that are answered.
func (f *filters) affects(p nftwalk.Packet, l leg) (all []iptwalk.Others) {
	each := f.affecting(p, l)
	for i := range each {
		all = append(all, allBut(each, i))
	}
	if l.answers() {
		p.Answers = false
		before := allBut(f.affecting(p, toHere), -1)
		for i := range all {
			all[i] = iptwalk.Others{Untracks: all[i].Untracks || before.Untracks, Marks: all[i].Marks || before.Marks, Translates: all[i].Translates || before.Translates}
		}
	}
	return all
}

// affecting returns what each backend's rules and, last, native ones may do to packets.
func (f *filters) affecting(p nftwalk.Packet, l leg) (all []iptwalk.Others) {
	for _, t := range f.all {
		all = append(all, t.follows(l).Affects(p.Source))
	}
	if f.Native != nil {
		all = append(all, iptwalk.Others(nftwalk.Affects(f.Native, p)))
	}
	return all
}

// whereOf names a chain of iptables, as a [Place] does.
func whereOf(b firewall.Backend, f iptables.Family, table, chain string) string {
	return fmt.Sprintf("%s, %s %s", RulesCommand(b, f), table, chain)
}

// TableOption is the option that selects a table for iptables' tools; "" for filter.
func TableOption(table string) string {
	if table == "filter" {
		return ""
	}
	return " -t " + table
}

// policyRemedy is what to do about a policy that drops. tool includes the table's option.
func policyRemedy(tool, chain string) string {
	switch chain {
	case "INPUT", "PREROUTING":
		return fmt.Sprintf("%s -P %s ACCEPT; the base rules keep out what they do not let in", tool, chain)
	case "FORWARD":
		return fmt.Sprintf("%s -P %s ACCEPT; or make a rule there that lets it pass", tool, chain)
	}
	return fmt.Sprintf("%s -P %s ACCEPT; or make a rule there that lets answers pass", tool, chain)
}

// ruleObstacle describes a rule or policy of iptables that drops packets, without the packets.
func ruleObstacle(t familyTracer, s iptwalk.Stop, l leg, owners []string) Obstacle {
	tool, table := RulesCommand(t.backend, t.family), TableOption(s.Table)
	o := Obstacle{Kind: DroppedElsewhere, where: whereOf(t.backend, t.family, s.Table, s.Chain)}
	if s.Rule == "" {
		o.rule = "-P " + s.Chain + " DROP"
		o.Error = fmt.Sprintf("%s: the policy of %s %s", tool, s.Table, s.Chain)
		o.Remedy = policyRemedy(tool+table, s.Chain)
	} else {
		o.rule = "-A " + s.Chain + " " + iptables.WithoutPurpose(s.Rule)
		o.Error = fmt.Sprintf("%s: \"%s\"", tool, strings.TrimSpace(table+" -A "+s.Chain+" "+s.Rule))
		o.Remedy = fmt.Sprintf("take it out or make it narrower: %s%s -D %s %s", tool, table, s.Chain, s.Rule)
	}
	if len(owners) > 0 {
		o.Remedy = l.letRemedy() + ", or " + host.SwitchOffRemedy(owners)
	}
	return o
}

// nativeObstacle describes a table or chain of nftables that drops packets, without the packets.
func nativeObstacle(s nftwalk.Stop, l leg) Obstacle {
	kind := nft.WhatIs(s.Of)
	return Obstacle{
		Kind:   DroppedElsewhere,
		where:  "nftables, " + s.Of,
		Error:  fmt.Sprintf("%s %s of nftables", kind, s.Of),
		Remedy: l.letRemedy() + fmt.Sprintf(" (\"nft list %[1]s %[2]s\" shows the rules), or take that %[1]s out (%[3]s)", kind, s.Of, host.TakeOutRemedy(s.Of)),
	}
}
