package nft

import (
	"encoding/binary"
	"slices"
)

// A source may be kept out without a rule that drops it: a rule for it alone sends it
// past the one that lets in everybody else, and then the policy, or a rule for anybody,
// ends its packets. To know that, packets to each port are followed twice: from the
// source, and from a stranger.

// maxPoints bounds the ranges of ports that are told apart.
const maxPoints = 512

// BySource are the places where packets end because of where they come from.
func (r *Ruleset) BySource(p Packet) []DropPlace {
	all := r.Fate(p)
	known := all.BySource()
	if all.parted == nil || len(all.Drops) == len(known) || p.stranger() {
		return known
	}
	var places []DropPlace
	var only []portsOf  // of each place
	closed := portsOf{} // whatever becomes of a stranger's
	points, whole := r.points()
	for _, proto := range protocols {
		for _, ports := range points {
			at := p
			at.Proto, at.Port = proto, max(ports.First, 1) // nobody is at port 0
			mine := r.Fate(at)
			if mine.Dropped {
				closed.add(proto, ports)
			}
			at.strange = true
			d, found := mine.unlike(r.Fate(at))
			if !found || slices.ContainsFunc(known, func(k DropPlace) bool { return k.saysOf(d, proto, ports) }) {
				continue
			}
			d.Certain = d.Certain && whole
			i := slices.IndexFunc(places, func(o DropPlace) bool { return o.sameRule(d) && o.Then == d.Then && o.Certain == d.Certain })
			if i < 0 {
				i, places, only = len(places), append(places, d), append(only, portsOf{})
			}
			only[i].add(proto, ports)
		}
	}
	for i, d := range places {
		if d.Certain && closed.every() {
			known = append(known, d) // the rest is closed to strangers too
			continue
		}
		known = append(known, only[i].places(d)...)
	}
	return known
}

// protocols are those that have ports which are told apart.
var protocols = []string{"tcp", "udp"}

// portsOf are ports of each of the protocols, in their order.
type portsOf map[string][]PortRange

func (o portsOf) add(proto string, p PortRange) {
	all := o[proto]
	if n := len(all); n > 0 && all[n-1].Last+1 == p.First {
		all[n-1].Last = p.Last
		return
	}
	o[proto] = append(all, p)
}

var allPorts = []PortRange{{0, 65535}}

func (o portsOf) every() bool {
	return slices.Equal(o["tcp"], allPorts) && slices.Equal(o["udp"], allPorts)
}

// places are a place for all packets, or one for those of each protocol.
func (o portsOf) places(d DropPlace) (all []DropPlace) {
	if o.every() {
		return []DropPlace{d}
	}
	for _, proto := range protocols {
		if len(o[proto]) == 0 {
			continue
		}
		if d.Proto, d.Ports = proto, o[proto]; slices.Equal(d.Ports, allPorts) {
			d.Ports = nil
		}
		all = append(all, d)
	}
	return all
}

// points are ranges of ports between which no rule tells a difference. whole is false if
// there are more.
func (r *Ruleset) points() (all []PortRange, whole bool) {
	firsts := []int{0}
	add := func(first, last []byte) {
		if len(first) == 2 && len(last) == 2 {
			firsts = append(firsts, int(binary.BigEndian.Uint16(first)), int(binary.BigEndian.Uint16(last))+1)
		}
	}
	of := func(t *Table, fields []Field, set string) {
		at := 0
		for _, f := range fields {
			if s := t.Sets[set]; s != nil && f == Dport {
				for _, e := range s.elements {
					if at+2 <= len(e.first) && at+2 <= len(e.last) {
						add(e.first[at:at+2], e.last[at:at+2])
					}
				}
			}
			at += (lengths[f] + 3) / 4 * 4
		}
	}
	for i := range r.Tables {
		t := &r.Tables[i]
		for _, c := range t.Chains {
			for _, rule := range c.Rules {
				for _, s := range rule.Steps {
					switch {
					case s.Match != nil && s.Match.Set != "":
						of(t, s.Match.Fields, s.Match.Set)
					case s.Match != nil && s.Match.Fields[0] == Dport:
						for _, g := range s.Match.Ranges {
							add(g.First, g.Last)
						}
					case s.Map != nil:
						of(t, s.Map.Fields, s.Map.Set)
					}
				}
			}
		}
	}
	slices.Sort(firsts)
	firsts = slices.Compact(firsts)
	for i, first := range firsts {
		last := 65535
		if i+1 < len(firsts) {
			last = firsts[i+1] - 1
		}
		if first > last { // behind the last port
			continue
		}
		if len(all) == maxPoints {
			return all, false
		}
		all = append(all, PortRange{uint16(first), uint16(last)})
	}
	return all, true
}

// passes reports whether all packets come through.
func (f Fate) passes() bool { return len(f.Drops) == 0 && !f.Cut }

// unlike is where packets end, or may end, while a stranger's fare better.
func (f Fate) unlike(stranger Fate) (d DropPlace, found bool) {
	switch {
	case f.parted == nil || len(f.Drops) == 0 || stranger.Dropped:
		return d, false
	case !f.Dropped && !stranger.passes() && slices.Equal(f.trail, stranger.trail):
		return d, false // a limit that is for both, say
	}
	d, end := *f.parted, f.Drops[len(f.Drops)-1]
	d.BySource, d.Certain = true, f.Dropped && stranger.passes()
	if slices.ContainsFunc(f.Drops, func(o DropPlace) bool { return o.BySource && (o.Certain || !d.Certain) }) {
		return d, false // it has a name already
	}
	if d.Handle != end.Handle || d.Table != end.Table {
		d.Then = end.Rule
		if d.Then == "" {
			d.Then = "policy drop of " + end.Table + " " + end.Chain
		}
	}
	return d, true
}

func (d DropPlace) sameRule(o DropPlace) bool {
	return d.Table == o.Table && d.Chain == o.Chain && d.Handle == o.Handle
}

// saysOf reports whether a place says of packets to some ports what another one does.
func (d DropPlace) saysOf(o DropPlace, proto string, ports PortRange) bool {
	if !d.sameRule(o) || o.Certain && !d.Certain || d.Proto != "" && d.Proto != proto {
		return false
	}
	return d.Ports == nil || slices.ContainsFunc(d.Ports, func(p PortRange) bool { return p.First <= ports.First && ports.Last <= p.Last })
}

// part notes a rule that packets of the source match and a stranger's do not, or the reverse.
func (w *walk) part(c at, r *Rule, stranger, t truth, h *hit) {
	if stranger == t {
		return
	}
	w.fate.parted = &DropPlace{Table: c.Table.String(), Chain: c.Chain.Name, Hook: w.chain.Hook, Rule: r.String(), Handle: r.Handle}
	if h != nil {
		w.fate.parted.Set, w.fate.parted.Entry = h.set, h.entry
	}
}

// Affects is what these rules may do to packets, for rules of another kind.
func (r *Ruleset) Affects(p Packet) Others {
	var all Others
	for _, p.Interface = range r.interfaces() {
		w := newWalk(r, p)
		w.through()
		all.Untracks = all.Untracks || w.packet.tracking != plain
		all.Marks = all.Marks || w.marked != nil
	}
	return all
}
