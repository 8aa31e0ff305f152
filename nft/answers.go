package nft

import (
	"net/netip"
	"slices"
)

// Answers are followed as what they answer is: all that rules ask of whom they are for is
// read as if they asked it of a source.

// turned are the rules that answers come to, read the other way round.
func (r *Ruleset) turned() *Ruleset {
	if r.back != nil {
		return r.back
	}
	back := &Ruleset{Generation: r.Generation, Misread: r.Misread, Tables: slices.Clone(r.Tables), devices: r.devices}
	for i := range back.Tables {
		t := &back.Tables[i]
		t.Chains = slices.DeleteFunc(slices.Clone(t.Chains), func(c Chain) bool { return c.Type == "nat" }) // which answers do not come to
		for j := range t.Chains {
			c := &t.Chains[j]
			c.Rules = slices.Clone(c.Rules)
			for k := range c.Rules {
				c.Rules[k].Steps = slices.Clone(c.Rules[k].Steps)
				for l := range c.Rules[k].Steps {
					c.Rules[k].Steps[l].turn()
				}
			}
		}
		t.index()
	}
	r.back = back
	return back
}

// MayStop reports whether there is a base chain where packets come by.
func (r *Ruleset) MayStop(p Packet) bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool {
		return slices.ContainsFunc(t.Chains, func(c Chain) bool { return c.Hook != "" && slices.Contains(p.hooks(), c.Hook) })
	})
}

func (s *Step) turn() {
	switch {
	case s.Match != nil:
		m := *s.Match
		m.Fields = turnedFields(m.Fields)
		s.Match = &m
	case s.Map != nil:
		m := *s.Map
		m.Fields = turnedFields(m.Fields)
		s.Map = &m
	case s.Add != nil:
		a := *s.Add
		a.Fields = turnedFields(a.Fields)
		s.Add = &a
	}
}

func turnedFields(fields []Field) []Field {
	back := slices.Clone(fields)
	for i, f := range back {
		back[i] = f.otherEnd()
	}
	return back
}

// otherEnd is the same field of the other end of a connection.
func (f Field) otherEnd() Field {
	for _, e := range [][2]Field{{Saddr4, Daddr4}, {Saddr6, Daddr6}, {Sport, Dport}, {IIF, OIF}, {IIFName, OIFName}} {
		switch f {
		case e[0]:
			return e[1]
		case e[1]:
			return e[0]
		}
	}
	if f == DaddrType {
		return "fib daddr type of an answer"
	}
	return f
}

// hooks are where packets come by, in their order.
func (p Packet) hooks() []Hook {
	switch {
	case p.Forwarded:
		return []Hook{Ingress, Prerouting, Forward, Postrouting, Egress}
	case p.Away:
		return []Hook{Ingress, Prerouting}
	case p.Answers:
		return []Hook{Output, Postrouting, Egress}
	}
	return []Hook{Ingress, Prerouting, Input}
}

// comeTo are the packets as they come to a base chain. Those whose address or port is
// translated have another one from then on, and answers up to where that is undone.
func (p Packet) comeTo(c at) Packet {
	switch {
	case p.Answers && (c.Hook == Egress || c.Hook == Postrouting && c.Priority > priorityNATSource):
		p.sent = false
	case p.Answers && c.Hook == Postrouting && c.Priority == priorityNATSource: // before or behind it
		p.sent, p.To, p.AnyPort = p.translated(), netip.Addr{}, true
	case p.Answers:
		p.sent = p.translated()
	case c.Hook == Prerouting && c.Priority == priorityNATDest:
		p.sent, p.To, p.AnyPort = p.translated(), netip.Addr{}, true
	default:
		p.sent = p.translated() && c.Hook != Ingress && !(c.Hook == Prerouting && c.Priority < priorityNATDest)
	}
	return p
}

// translated reports whether packets are for another address or port than they were sent to.
func (p Packet) translated() bool { return p.Forwarded || p.ToPort != 0 }

// behindNAT reports whether packets come in through nat before they come to a base chain, or
// may: with its own priority it is not known.
func (c *Chain) behindNAT() bool {
	return c.Hook != Ingress && (c.Hook != Prerouting || c.Priority >= priorityNATDest)
}

// The priorities of nat: NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC.
const (
	priorityNATDest   = -100
	priorityNATSource = 100
)

// seesAll reports whether a base chain sees all packets: a bridge sees some of them, and a
// device the packets that come or go by it. By which one a container has them is not known.
func (p Packet) seesAll(c at) bool {
	back := c.Hook == Ingress && p.Answers || c.Hook == Egress && !p.Answers
	return c.Family != Bridge && (len(c.Devices) == 0 || slices.Contains(c.Devices, p.Interface) && !(p.Forwarded && back))
}
