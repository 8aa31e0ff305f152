package nftwalk

import (
	"encoding/binary"
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// A source may be blocked without a rule that drops its packets: a rule for this source sends them
// past the one that lets in everybody else, and then the policy, or a rule for anybody, ends
// them. To find this, packets to each port are followed twice: from the source, and from a
// stranger (a source that no rule and no set names).

// maxStepsInAll bounds the rules that are looked at for one source. Asking about 300 ports in
// 5,000 rules takes a fraction of it.
const maxStepsInAll = 1 << 20

// BySource returns the places where packets end because of their source. With cut there may be
// more, since there are too many ways through the rules to follow them all.
func BySource(r *nft.Ruleset, p Packet) (all []DropPlace, cut bool) {
	p.left = new(maxStepsInAll)
	return bySource(r, p)
}

func bySource(r *nft.Ruleset, p Packet) (all []DropPlace, cut bool) {
	r = metBy(r, p)
	f := FateOf(r, p)
	known := f.bySource()
	if f.parted == nil || len(f.Drops) == len(known) || p.stranger() {
		return known, f.Cut
	}
	cut = f.Cut
	var places []DropPlace
	var only []portrange.Of  // of each place
	closed := portrange.Of{} // to the source, whatever becomes of a stranger's packets
	for _, proto := range portrange.Protocols {
		kinds, whole := kinds(r, proto)
		for _, ports := range kinds {
			at := p
			at.Proto, at.Port = proto, max(ports[0].First, 1) // nothing listens on port 0
			mine := FateOf(r, at)
			at.strange = true
			theirs := FateOf(r, at)
			if cut = cut || mine.Cut || theirs.Cut; mine.Dropped {
				closed.Add(proto, ports...)
			}
			d, found := mine.unlike(theirs)
			if !found || mine.Cut || theirs.Cut || slices.ContainsFunc(known, func(k DropPlace) bool { return k.saysOf(d, proto, ports) }) {
				continue
			}
			d.Certain = d.Certain && whole
			i := slices.IndexFunc(places, func(o DropPlace) bool { return o.sameRule(d) && o.Then == d.Then && o.Certain == d.Certain })
			if i < 0 {
				i, places, only = len(places), append(places, d), append(only, portrange.Of{})
			}
			only[i].Add(proto, ports...)
		}
	}
	for i, d := range places {
		if d.Certain && closed.Every() {
			known = append(known, d) // the rest is closed to strangers too
			continue
		}
		known = append(known, placesOf(d, only[i])...)
	}
	return known, cut
}

// metBy returns the rules that can match the packets or a stranger's, judged by the addresses
// that the rules name.
func metBy(r *nft.Ruleset, p Packet) *nft.Ruleset {
	stranger := p
	stranger.strange = true
	return r.Without(func(rule *nft.Rule) bool { return passes(rule, p) && passes(rule, stranger) })
}

// passes reports whether a rule does nothing to the packets, judged by the address that it names.
func passes(r *nft.Rule, p Packet) bool {
	for _, s := range r.Steps {
		switch m := s.Match; {
		case m == nil && s.Note == "":
			return false
		case m == nil || m.Set != "" || !m.Fields[0].IsSource():
		case p.inRanges(m, nil) == map[bool]truth{false: no, true: yes}[m.Not]:
			return true
		}
	}
	return false
}

// placesOf returns one place for all packets, or one for each protocol.
func placesOf(d DropPlace, only portrange.Of) (all []DropPlace) {
	if only.Every() {
		return []DropPlace{d}
	}
	for _, proto := range portrange.Protocols {
		if len(only[proto]) == 0 {
			continue
		}
		if d.Proto, d.Ports = proto, only[proto]; slices.Equal(d.Ports, []PortRange{portrange.All}) {
			d.Ports = nil
		}
		all = append(all, d)
	}
	return all
}

// kinds groups the ports of a protocol that no rule tells apart. whole is false if there are more
// groups.
func kinds(r *nft.Ruleset, proto string) (kinds [][]PortRange, whole bool) {
	asked, masked := asked(r, proto)
	kinds, whole = portrange.Kinds(asked)
	return kinds, whole && !masked
}

// asked returns the ports of a protocol that rules ask for. masked means that some rules ask for
// bits of a port.
func asked(r *nft.Ruleset, proto string) (asked [][]PortRange, masked bool) {
	add := func(ranges ...nft.Range) {
		var ports []PortRange
		for _, g := range ranges {
			if len(g.First) == 2 && len(g.Last) == 2 {
				ports = append(ports, PortRange{First: binary.BigEndian.Uint16(g.First), Last: binary.BigEndian.Uint16(g.Last)})
			}
		}
		asked = append(asked, ports)
	}
	for i := range r.Tables {
		t := &r.Tables[i]
		for _, c := range t.Chains {
			for _, rule := range c.Rules {
				for _, s := range rule.Steps {
					if s.Match != nil && isOther(s.Match, proto) {
						break
					}
					switch of := t.ValuesOf(s, nft.Dport); {
					case s.Match != nil && len(s.Match.Fields) == 1:
						masked = masked || s.Match.Mask != nil && s.Match.Fields[0] == nft.Dport
						add(of...)
					default: // other fields of the key, or a verdict
						for _, g := range of {
							add(g)
						}
					}
				}
			}
		}
	}
	return asked, masked
}

// isOther reports whether a match is for another protocol.
func isOther(m *nft.Match, proto string) bool {
	return m.Fields[0] == nft.L4Proto && m.Set == "" && (Packet{Proto: proto}).inRanges(m, nil) == map[bool]truth{false: no, true: yes}[m.Not]
}

// passes reports whether all packets come through.
func (f Fate) passes() bool { return len(f.Drops) == 0 && !f.Cut }

// unlike returns where packets end, or may end, while a stranger's fare better.
func (f Fate) unlike(stranger Fate) (d DropPlace, found bool) {
	switch {
	case f.parted == nil || len(f.Drops) == 0 || stranger.Dropped:
		return d, false
	case !f.Dropped && !stranger.passes() && slices.Equal(f.trail, stranger.trail):
		return d, false // for both alike, such as a limit
	}
	d, end := *f.parted, f.Drops[len(f.Drops)-1]
	d.BySource, d.Certain = true, f.Dropped && stranger.passes()
	if slices.ContainsFunc(f.Drops, func(o DropPlace) bool { return o.BySource && (o.Certain || !d.Certain) }) {
		return d, false // it is found already, by its source
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

// saysOf reports whether a place already says the same as another about packets to some ports.
func (d DropPlace) saysOf(o DropPlace, proto string, ports []PortRange) bool {
	if !d.sameRule(o) || o.Certain && (!d.Certain || d.Part) || d.Proto != "" && d.Proto != proto {
		return false
	}
	return d.Ports == nil || !slices.ContainsFunc(ports, func(q PortRange) bool {
		return !slices.ContainsFunc(d.Ports, func(p PortRange) bool { return p.Covers(q) })
	})
}

// part records a rule that matches packets of the source and not a stranger's, or the reverse.
func (w *walk) part(c at, r *nft.Rule, stranger, t truth, h *hit) {
	if stranger == t {
		return
	}
	w.fate.parted = &DropPlace{Table: c.Table.String(), Chain: c.Chain.Name, Hook: w.chain.Hook, BehindNAT: behindNAT(w.chain.Chain), Rule: r.String(), Handle: r.Handle}
	if h != nil {
		w.fate.parted.Set, w.fate.parted.Entry = h.set, h.entry
	}
}

// Affects returns what these rules may do to packets that matters to rules of iptables.
func Affects(r *nft.Ruleset, p Packet) Others {
	if p.Answers {
		r = r.Turned()
	}
	all := Others{Translates: Translates(r, p.is6())}
	for _, p := range by(r, p) {
		w := newWalk(r, p)
		w.through()
		p.strange = true
		stranger := newWalk(r, p)
		stranger.through()
		all.Untracks = all.Untracks || w.packet.tracking != nft.Tracked || w.fate.Cut
		all.Marks = all.Marks || w.marked != nil || w.fate.Cut
		all.Apart = all.Apart || w.packet.tracking != stranger.packet.tracking
	}
	return all
}
