package nftwalk

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/steps"
	"github.com/voipbl/voipbl/nft"
)

// truth says whether a packet matches.
type truth int

const (
	no truth = iota
	perhaps
	yes
)

func (t truth) not() truth { return yes - t }

// Packet is a kind of packets that begin a connection. A zero field means that anything is
// possible.
type Packet struct {
	// Source is where the packets come from. Without one they are a stranger's, whom no rule and
	// no set names, of the family that Is6 says.
	Source netip.Prefix
	Is6    bool

	Proto     string // "tcp" or "udp"
	Port      uint16 // the destination port
	Interface string // by which they come in

	// Here are the addresses of this host that they may be for.
	Here []netip.Addr

	// Forwarded packets are for another host or a container; others are for this host. To is
	// where nat sends them, if that is known, and ToPort the port there, which may also be
	// another port of this host. Without ToPort the port stays, or with AnyPort it may be any.
	Forwarded bool
	To        netip.Addr
	ToPort    uint16
	AnyPort   bool

	// Away means that packets for this host may be sent on to somebody unknown, so they are
	// followed only until then.
	Away bool

	// Answers are the answers to such packets, to Source, out by Interface.
	Answers bool

	// Others is what rules that are not read here may have done to the packets before.
	Others Others

	// Left are the steps that the caller may still take in all; nil: as many as in each walk.
	Left *steps.Left

	strange  bool         // they are a stranger's, although Source is known
	tracking nft.Tracking // set by the rules that the packets have passed
	lookedUp truth        // see Chain.lookedUp
	left     *int         // steps left in all; nil: as many as in each walk
	index    int          // of the interface; 0: not known
	sent     bool         // nat has sent them on
	past     []string     // tables and base chains to skip, by the names of Named
}

// Others is what rules of another kind may do to packets: the kernel keeps one connection and one
// mark for all rules.
type Others struct {
	Untracks bool // removed them from connection tracking, or changed how they are tracked
	Marks    bool // marked them by their source
	Apart    bool // tracked a stranger's packets otherwise than these

	// Translates means that they may have sent packets to another port or host.
	Translates bool
}

func (p Packet) is6() bool {
	if p.Source.IsValid() {
		return p.Source.Addr().Is6() && !p.Source.Addr().Is4In6()
	}
	return p.Is6
}

func (p Packet) stranger() bool { return p.strange || !p.Source.IsValid() }

// span is the range of values that a field of the packets may have, if that is known.
type span struct {
	first, last []byte
	known       bool // all these values occur; otherwise it may be anything
	never       bool // packets of this kind do not have the field
}

func exactly(b ...byte) span { return span{first: b, last: b, known: true} }

// span returns what is known of a field. mark is the mark that the rules have set.
func (p Packet) span(f nft.Field, mark []byte) span {
	is6 := p.is6()
	switch f {
	case nft.Saddr4, nft.Saddr6:
		if is6 != (f == nft.Saddr6) {
			return span{never: true}
		}
		if p.stranger() {
			return span{}
		}
		masked := p.Source.Masked()
		first := masked.Addr().AsSlice()
		return span{first: first, last: nft.LastOf(first, masked.Bits()), known: true}
	case nft.Daddr4, nft.Daddr6:
		if is6 == (f == nft.Daddr6) && p.sent && p.To.IsValid() {
			return exactly(p.To.AsSlice()...)
		}
		return span{never: is6 != (f == nft.Daddr6)}
	case nft.NFProto:
		if is6 {
			return exactly(nft.NFProtoV6)
		}
		return exactly(nft.NFProtoV4)
	case nft.EtherType:
		if is6 {
			return exactly(nft.EtherIPv6>>8, nft.EtherIPv6&0xff)
		}
		return exactly(nft.EtherIPv4>>8, nft.EtherIPv4&0xff)
	case nft.L4Proto:
		switch p.Proto {
		case "tcp":
			return exactly(nft.ProtoTCP)
		case "udp":
			return exactly(nft.ProtoUDP)
		}
	case nft.Dport:
		if p.sent && (p.ToPort != 0 || p.AnyPort) {
			if p.Port = p.ToPort; p.AnyPort {
				return span{}
			}
		}
		if p.Proto != "" && p.Port != 0 {
			return exactly(byte(p.Port>>8), byte(p.Port))
		}
	case nft.IIFName:
		if p.Interface != "" {
			return exactly(nft.Fill([]byte(p.Interface), 16, 0)...)
		}
	case nft.IIF:
		if p.index != 0 {
			return exactly(nft.Native32(uint32(p.index))...)
		}
	case nft.CTState:
		return ctState(p.tracking, p.lookedUp, p.Answers)
	case nft.PktType:
		if !p.Answers {
			return exactly(0) // PACKET_HOST
		}
	case nft.DaddrType:
		if !p.Forwarded {
			return exactly(nft.Native32(nft.RTNLocal)...)
		}
	case nft.MarkField:
		if mark != nil {
			return exactly(mark...)
		}
	}
	return span{}
}

// in returns whether a span is within ranges.
func (s span) in(ranges []nft.Range) truth {
	t := no
	for _, r := range ranges {
		switch {
		case bytes.Compare(r.First, s.first) <= 0 && bytes.Compare(s.last, r.Last) <= 0:
			return yes
		case bytes.Compare(r.Last, s.first) >= 0 && bytes.Compare(s.last, r.First) >= 0:
			t = perhaps
		}
	}
	return t
}

// inRanges returns whether the packets match ranges of a field.
func (p Packet) inRanges(m *nft.Match, mark []byte) truth {
	if m.Fields[0] == nft.CTState {
		if each := p.settled(); len(each) > 1 {
			t := each[0].inRanges(m, mark)
			if slices.ContainsFunc(each[1:], func(p Packet) bool { return p.inRanges(m, mark) != t }) {
				return perhaps
			}
			return t
		}
	}
	f, s := m.Fields[0], p.span(m.Fields[0], mark)
	switch {
	case (f == nft.Daddr4 || f == nft.Daddr6) && !s.never && m.Mask == nil && len(p.here()) > 0:
		return p.eachHere(func(s span) truth { return s.in(m.Ranges) })
	case s.never:
		return no
	case m.Mask != nil:
		if f == nft.CTStatus && !p.Forwarded && !p.Answers && bytes.Equal(and(m.Mask, nft.Native32(nft.CTNATBits)), m.Mask) {
			if s = exactly(nft.Native32(0)...); p.ToPort != 0 { // without a ToPort, nat has translated nothing for this host
				s = exactly(nft.Native32(nft.CtDNAT)...)
			}
		}
		if !s.known || !bytes.Equal(s.first, s.last) {
			return perhaps
		}
		masked := and(s.first, m.Mask)
		return span{first: masked, last: masked}.in(m.Ranges)
	case s.known:
		return s.in(m.Ranges)
	}
	for _, r := range m.Ranges {
		if isAll(r) {
			return yes
		}
	}
	if f.IsSource() || nft.OnlyLoopback(f, m.Ranges) {
		return no // for a stranger; no packet from elsewhere comes in by lo
	}
	return perhaps
}

// here returns the addresses of the packets' family that they may be for.
func (p Packet) here() (all []netip.Addr) {
	if p.Forwarded {
		return nil
	}
	for _, a := range p.Here {
		if a.Unmap().Is6() == p.is6() && !a.IsLoopback() { // packets from elsewhere are not for loopback
			all = append(all, a.Unmap())
		}
	}
	return all
}

// eachHere returns what holds for packets to each of this host's addresses.
func (p Packet) eachHere(holds func(span) truth) truth {
	var never, always = true, true
	for _, a := range p.here() {
		t := holds(exactly(a.AsSlice()...))
		never, always = never && t == no, always && t == yes
	}
	switch {
	case never:
		return no
	case always:
		return yes
	}
	return perhaps
}

func isAll(r nft.Range) bool {
	return len(bytes.Trim(r.First, "\x00")) == 0 && len(bytes.Trim(r.Last, "\xff")) == 0
}

func and(a, b []byte) []byte {
	out := make([]byte, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] & b[i]
	}
	return out
}

// has returns the elements of a set that the packets may be in, and whether they certainly are in
// the set.
func (p Packet) has(s *nft.Set, fields []nft.Field, mark []byte) (found []nft.Element, t truth) {
	if s == nil {
		return nil, perhaps
	}
	if slices.Contains(fields, nft.CTState) {
		if each := p.settled(); len(each) > 1 {
			return hasEither(each, s, fields, mark)
		}
	}
	for _, f := range fields {
		if v := p.span(f, mark); v.never || f.IsSource() && p.stranger() {
			return otherwise(s, nil, no)
		}
	}
	if !s.Read {
		return nil, perhaps
	}
	if len(fields) == 1 && !s.Concat {
		v := p.span(fields[0], mark)
		if f := fields[0]; (f == nft.Daddr4 || f == nft.Daddr6) && len(p.here()) > 0 {
			return otherwise(s, s.Elements, p.eachHere(func(v span) truth { return v.in(s.Ranges()) }))
		}
		if !v.known {
			if len(s.Elements) == 0 {
				return otherwise(s, nil, no)
			}
			if nft.OnlyLoopback(fields[0], s.Ranges()) {
				return otherwise(s, nil, no)
			}
			return otherwise(s, s.Elements, perhaps)
		}
		found, all := s.Find(v.first, v.last)
		switch {
		case len(found) == 0:
			return otherwise(s, nil, no)
		case !all:
			return otherwise(s, found, perhaps)
		}
		return found, yes
	}
	t = no
	for _, e := range s.Elements {
		switch p.inBox(e, fields, mark) {
		case yes:
			return []nft.Element{e}, yes
		case perhaps:
			found, t = append(found, e), perhaps
		}
	}
	return otherwise(s, found, t)
}

// hasEither is has for packets that are one of several kinds.
func hasEither(each []Packet, s *nft.Set, fields []nft.Field, mark []byte) (found []nft.Element, t truth) {
	found, t = each[0].has(s, fields, mark)
	for _, p := range each[1:] {
		more, of := p.has(s, fields, mark)
		if of != t || !slices.EqualFunc(found, more, nft.Element.Same) {
			t = perhaps
		}
		for _, e := range more {
			if !slices.ContainsFunc(found, e.Same) {
				found = append(found[:len(found):len(found)], e)
			}
		}
	}
	return found, t
}

// otherwise adds the element for all other keys.
func otherwise(s *nft.Set, found []nft.Element, t truth) ([]nft.Element, truth) {
	switch {
	case s.Rest == nil:
		return found, t
	case t == no:
		return []nft.Element{*s.Rest}, yes
	}
	return append(found[:len(found):len(found)], *s.Rest), perhaps
}

// inBox returns whether the packets are within an element of a concatenation.
func (p Packet) inBox(e nft.Element, fields []nft.Field, mark []byte) truth {
	t, at := yes, 0
	for _, f := range fields {
		length := f.Length()
		if length == 0 || at+length > len(e.First) || at+length > len(e.Last) {
			return perhaps
		}
		r := nft.Range{First: e.First[at : at+length], Last: e.Last[at : at+length]}
		at += (length + 3) / 4 * 4
		t = min(t, p.inRanges(&nft.Match{Fields: []nft.Field{f}, Ranges: []nft.Range{r}}, mark))
	}
	return t
}
