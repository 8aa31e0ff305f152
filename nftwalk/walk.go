package nftwalk

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/nft"
)

// newWalk returns a walk that has not begun.
func newWalk(r *nft.Ruleset, p Packet) *walk {
	w := &walk{rules: r, packet: p, changed: make(map[*nft.Set][]area)}
	if p.Others.Untracks && !(p.Others.Apart && p.stranger()) {
		w.packet.tracking = nft.MaybeTracked
	}
	if p.Others.Marks && !p.stranger() {
		w.marked = &hit{}
	}
	return w
}

// trail records what may end some packets.
func (w *walk) trail(r *nft.Rule, all bool) {
	w.fate.trail = append(w.fate.trail, step{r.Handle, all})
}

// walk is a walk through the rules.
type walk struct {
	rules  *nft.Ruleset
	packet Packet
	fate   Fate
	steps  int
	nat    []Translation // what nat may do to packets

	changed map[*nft.Set][]area // sets that rules add packets to, and which packets

	chain    at
	mark     []byte // nil: not known
	marked   *hit   // the match of their source that led to their mark
	accepted []area // what may have left the base chain
	returned []area // what may have left the chain and its callers
}

// way is how packets reach a rule.
type way struct {
	area
	source  *hit // the last match of their source
	some    bool // not all packets that reached the base chain
	part    bool // only those from some of the addresses
	native  bool // they were sent by a rule that the tools of iptables show wrong
	ported  bool // a rule has matched their port
	unknown bool // a rule has matched something that is not understood
	listed  bool // a rule has looked the source up in a named set
}

// hit is a match of the source.
type hit struct {
	set   string
	entry netip.Prefix
	not   bool // negated: they come from elsewhere than what the rule names
}

// names reports whether packets are dropped because of their source. A rule that opens a port for
// one network alone, such as "ip saddr != NETWORK tcp dport 22 drop", does not count: it is about
// the port.
func (h *hit) names(here way) bool { return h != nil && !(h.not && here.ported) }

// end is what has become of all packets after a chain.
type end int

const (
	goOn end = iota
	left     // accepted, or taken by something else
	gone     // dropped
)

// base walks a base chain, and reports whether no packet is left.
func (w *walk) base(c at, from way) bool {
	w.chain, w.accepted, w.returned, w.mark = c, nil, nil, nil
	w.packet.lookedUp = lookedUp(c.Chain)
	switch w.walk(c, from, 0) {
	case gone:
		return !from.unclear
	case left:
		return false
	}
	if !c.Drops || w.fate.Cut {
		return false
	}
	w.note(from, c.Chain.Name, nil)
	return !from.unclear && len(w.accepted) == 0
}

// walk follows packets through a chain.
func (w *walk) walk(c at, from way, depth int) end {
	if depth > maxDepth {
		w.fate.Cut = true
		return goOn
	}
	mine := len(w.returned)
	defer func() { w.returned = w.returned[:mine] }()
	for i := range c.Rules {
		if w.steps++; w.steps > maxSteps {
			w.packet.Left.End()
		}
		if w.steps > maxSteps || !w.packet.mayGoOn() {
			w.fate.Cut = true
			return goOn
		}
		e, returned := w.rule(c, &c.Rules[i], from, depth)
		if e != goOn && len(w.returned) > mine {
			return goOn // some have returned to the chain above
		}
		if e != goOn {
			return e
		}
		if returned {
			return goOn
		}
	}
	return goOn
}

// mayGoOn takes a step of those that are left.
func (p Packet) mayGoOn() bool {
	if p.left != nil {
		if *p.left--; *p.left < 0 {
			p.Left.End()
			return false
		}
	}
	return p.Left.Take(1)
}

// rule follows packets through a rule. returned means that all of them leave the chain.
func (w *walk) rule(c at, r *nft.Rule, from way, depth int) (e end, returned bool) {
	here, all := from, true // the packets that have matched so far, and whether these are all
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case s.Unknown != "":
			here.unclear, here.unknown, all = true, true, false
		case s.Mark != nil:
			if w.mark = s.Mark.Value; !all || here.some {
				w.mark = nil
			}
			if here.source != nil {
				w.marked = here.source
			}
		case s.Track != nft.Tracked:
			everything := all && !here.some && !here.unclear && len(w.accepted)+len(w.returned) == 0
			w.packet.tracking = become(w.packet.tracking, s.Track, w.packet.lookedUp, everything)
		case s.Add != nil:
			switch w.adds(c, s.Add, &here) {
			case no:
				return goOn, false
			case perhaps:
				here.unclear, all = true, false
			}
		case s.NAT != nil:
			if !s.NAT.About(w.packet.is6()) {
				continue
			}
			w.trail(r, all)
			certain := all && !here.some && !here.unclear && len(w.accepted)+len(w.returned) == 0
			w.nat = append(w.nat, Translation{NAT: *s.NAT, Table: c.Table.String(), Chain: c.Chain.Name, Certain: certain})
			w.accepted = append(w.accepted, here.area)
			if all {
				return left, false
			}
			return goOn, false
		case s.Match != nil:
			t := w.match(c, r, s.Match, &here)
			if t == no || here.empty() {
				return goOn, false
			}
			all = all && t == yes
		case s.Map != nil:
			return w.verdicts(c, r, s.Map, here, all, depth)
		case s.Verdict != nil:
			return w.verdict(c, r, s.Verdict, here, all, depth)
		}
	}
	return goOn, false
}

// match restricts the packets to those that match.
func (w *walk) match(c at, r *nft.Rule, m *nft.Match, here *way) truth {
	here.ported = here.ported || slices.Contains(m.Fields, nft.Dport)
	set := c.Sets[m.Set]
	var t truth
	var found []nft.Element
	switch {
	case len(m.Fields) == 1 && m.Fields[0] == nft.L4Proto && here.proto != 0:
		known := w.packet
		known.Proto = nft.ProtoName(here.proto)
		if t = known.asks(set, m, w.mark, &found); known.Proto == "" {
			t = perhaps
		}
	default:
		t = w.packet.asks(set, m, w.mark, &found)
	}
	changed := t != yes && w.mayHaveChanged(set, here.area)
	if changed {
		t = perhaps
	}
	if m.Not {
		t = t.not()
	}
	switch t {
	case yes:
		w.source(m, set, found, here)
	case perhaps:
		if !here.narrow(m, set) {
			w.divide(m.Fields, set, m.Set != "" || m.Mask != nil, changed, here)
			w.source(m, set, found, here)
		}
	}
	if slices.ContainsFunc(m.Fields, nft.Field.IsSource) {
		here.listed = here.listed || set != nil && !set.Anonymous
		w.part(c, r, w.ofStranger(set, m, here), t, here.source)
	} else if w.packet.Others.Apart && !w.packet.stranger() && m.Fields[0] == nft.CTState {
		w.part(c, r, w.ofStranger(set, m, here), t, here.source)
	}
	return t
}

// divide records that a match holds for some of the packets: for those from some of the addresses,
// if it asks for nothing else, or for unknown ones. After two such matches it is not known whether
// both hold for any packet.
func (w *walk) divide(fields []nft.Field, set *nft.Set, inSet, changed bool, here *way) {
	byAddress := len(fields) == 1 && fields[0].IsSource() && !w.packet.stranger() && !changed &&
		(!inSet || set != nil && set.Read && !set.Concat && set.Rest == nil)
	if !byAddress || here.part {
		here.unclear = true
	}
	here.part = here.part || byAddress
}

// ofStranger returns the answer of a match for a stranger's packets.
func (w *walk) ofStranger(set *nft.Set, m *nft.Match, here *way) truth {
	p := w.packet
	p.strange = true
	if p.Others.Apart {
		p.tracking = nft.Tracked // as for a stranger whom other rules leave alone
	}
	t := p.asks(set, m, w.mark, new([]nft.Element))
	if t != yes && w.mayHaveChanged(set, here.area) {
		t = perhaps
	}
	if m.Not {
		t = t.not()
	}
	return t
}

// asks evaluates a match without its negation.
func (p Packet) asks(set *nft.Set, m *nft.Match, mark []byte, found *[]nft.Element) (t truth) {
	if m.Set == "" {
		return p.inRanges(m, mark)
	}
	*found, t = p.has(set, m.Fields, mark)
	return t
}

// source records that packets came this way because of their source.
func (w *walk) source(m *nft.Match, set *nft.Set, found []nft.Element, here *way) {
	if w.packet.stranger() || m.Set == "" && slices.ContainsFunc(m.Ranges, isAll) {
		return
	}
	if slices.Contains(m.Fields, nft.MarkField) && !m.Not && here.source == nil {
		here.source = w.marked
	}
	if !slices.ContainsFunc(m.Fields, nft.Field.IsSource) {
		return
	}
	if m.Not {
		if here.source == nil {
			here.source = &hit{not: true}
		}
		return
	}
	h := &hit{}
	if set != nil && !set.Anonymous {
		h.set = set.Name
	}
	first, last := []byte(nil), []byte(nil)
	if m.Set == "" && m.Mask == nil && len(m.Ranges) == 1 {
		first, last = m.Ranges[0].First, m.Ranges[0].Last
	} else if len(found) == 1 && len(m.Fields) == 1 {
		first, last = found[0].First, found[0].Last
	}
	h.entry = nft.PrefixOf(first, last)
	here.source = h
}

// verdicts goes on with a verdict map.
func (w *walk) verdicts(c at, r *nft.Rule, m *nft.Map, from way, all bool, depth int) (end, bool) {
	from.ported = from.ported || slices.Contains(m.Fields, nft.Dport)
	set := c.Sets[m.Set]
	found, t := w.packet.has(set, m.Fields, w.mark)
	changed := t != yes && w.mayHaveChanged(set, from.area)
	if changed {
		t = perhaps
	}
	if slices.ContainsFunc(m.Fields, nft.Field.IsSource) {
		p := w.packet
		p.strange = true
		if theirs, of := p.has(set, m.Fields, w.mark); of != t || len(theirs) != len(found) || len(found) > 0 && !slices.Equal(theirs[0].First, found[0].First) {
			w.part(c, r, no, yes, nil)
		}
	}
	if t == no {
		return goOn, false
	}
	for _, e := range found {
		if e.Verdict == nil {
			continue
		}
		here := from
		match := &nft.Match{Fields: m.Fields, Ranges: []nft.Range{{First: e.First, Last: e.Last}}}
		if t == perhaps {
			if len(m.Fields) != 1 || e.First == nil || !here.narrow(match, nil) {
				w.divide(m.Fields, set, true, changed, &here)
			}
			if here.empty() {
				continue
			}
		}
		w.source(&nft.Match{Fields: m.Fields, Set: m.Set}, set, []nft.Element{e}, &here)
		if e, returned := w.verdict(c, r, e.Verdict, here, all && t == yes, depth); e != goOn || returned {
			return e, returned
		}
	}
	if set == nil || !set.Read {
		from.unclear = true
		w.accepted = append(w.accepted, from.area) // whatever the map says
	}
	return goOn, false
}

// verdict applies the verdict at the end of a rule.
func (w *walk) verdict(c at, r *nft.Rule, v *nft.Verdict, here way, all bool, depth int) (e end, returned bool) {
	switch v.Kind {
	case nft.Drop, nft.Reject:
		w.trail(r, all)
		w.note(here, c.Chain.Name, r)
		if all && !here.unclear && len(w.accepted)+len(w.returned) == 0 {
			return gone, false
		}
		if all {
			return left, false
		}
	case nft.Accept, nft.Taken:
		w.trail(r, all)
		w.accepted = append(w.accepted, here.area)
		if all {
			return left, false
		}
	case nft.Return:
		w.trail(r, all)
		if all {
			return goOn, true
		}
		w.returned = append(w.returned, here.area)
	case nft.Jump, nft.Goto:
		to := c.Table.Chain(v.Chain)
		if to == nil {
			return goOn, false
		}
		if v.Kind == nft.Goto {
			w.trail(r, all)
		}
		here.some, here.native = here.some || !all, here.native || r.Native
		if here.source != nil && here.source.not {
			here.source = nil // what follows is for everybody else
		}
		e := w.walk(at{Table: c.Table, Chain: to}, here, depth+1)
		switch {
		case all && e != goOn:
			return e, false
		case v.Kind == nft.Goto && all:
			return goOn, true
		case v.Kind == nft.Goto:
			w.returned = append(w.returned, here.area)
		}
	}
	return goOn, false
}

// note adds a place where packets are dropped: a rule, or without one the policy.
func (w *walk) note(here way, chain string, r *nft.Rule) {
	if w.chain.Shown && !(r != nil && r.Native) && !here.native {
		return // the tools of iptables show it
	}
	d := DropPlace{
		Table: w.chain.Table.String(), Chain: chain, Hook: w.chain.Hook, BehindNAT: behindNAT(w.chain.Chain), Base: w.chain.Chain.Name,
		Proto: nft.ProtoName(here.proto), Ports: here.ports, Certain: !here.unclear,
	}
	if r != nil {
		d.Rule, d.Handle = r.String(), r.Handle
	}
	d.Unknown, d.listed, d.Part = here.unknown, here.listed, here.part
	if here.source.names(here) {
		d.BySource, d.Set, d.Entry = true, here.source.set, here.source.entry
	}
	for _, a := range slices.Concat(w.accepted, w.returned) {
		d.Certain = d.Certain && !a.overlaps(here.area)
	}
	w.fate.Drops = append(w.fate.Drops, d)
}
