package nftwalk

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/nft"
)

// Published is a port of this host whose packets are sent on to a container or another host. They
// never reach the input chains.
type Published struct {
	Proto string     `json:"proto,omitempty"`
	Ports PortRange  `json:"ports"`
	To    netip.Addr `json:"to,omitzero"` // invalid if it is not a single address
	Table string     `json:"table"`
	Chain string     `json:"chain"`

	ToPort  uint16 `json:"-"` // the port there; 0 for the same port
	AnyPort bool   `json:"-"` // it may be any of several
}

// PublishedPorts finds the rules that send incoming packets of a family to other hosts.
func PublishedPorts(r *nft.Ruleset, is6 bool) []Published {
	var found []Published
	for _, c := range base(r, nft.Prerouting, is6) {
		if c.Type == "nat" {
			p := publisher{at: c, is6: is6, seen: map[string]int{}}
			p.walk(c.Chain, area{}, 0)
			found = append(found, p.found...)
		}
	}
	slices.SortFunc(found, func(a, b Published) int {
		return cmp.Or(cmp.Compare(a.Ports.First, b.Ports.First), cmp.Compare(a.Proto, b.Proto), a.To.Compare(b.To), cmp.Compare(a.Chain, b.Chain))
	})
	return slices.Compact(found)
}

// publisher looks through a base chain.
type publisher struct {
	at
	is6   bool
	seen  map[string]int // how often a chain was walked
	found []Published
}

// maxWalks bounds how often a chain that several rules go to is walked.
const maxWalks = 256

func (p *publisher) walk(c *nft.Chain, from area, depth int) {
	if p.seen[c.Name]++; depth > maxDepth || p.seen[c.Name] > maxWalks {
		return
	}
	for i := range c.Rules {
		p.rule(c, &c.Rules[i], from, depth)
	}
}

func (p *publisher) rule(c *nft.Chain, r *nft.Rule, here area, depth int) {
	any := Packet{Is6: p.is6}
	for i := range r.Steps {
		switch s := &r.Steps[i]; {
		case s.Match != nil:
			if !p.match(s.Match, any, &here) {
				return
			}
		case s.Map != nil:
			for _, e := range p.Sets[s.Map.Set].All() {
				within := here
				if e.First != nil && len(s.Map.Fields) == 1 {
					within.narrowTo(s.Map.Fields[0], []nft.Range{{First: e.First, Last: e.Last}})
				}
				p.follow(e.Verdict, within, depth)
			}
			return
		case s.Verdict != nil:
			p.follow(s.Verdict, here, depth)
			return
		case s.NAT != nil:
			if !s.NAT.Local && s.NAT.About(p.is6) && (!s.NAT.To.IsValid() || !s.NAT.To.IsLoopback() && s.NAT.To.Is6() == p.is6) {
				p.add(c, s.NAT, here)
			}
			return
		}
	}
}

func (p *publisher) follow(v *nft.Verdict, here area, depth int) {
	if v == nil || v.Kind != nft.Jump && v.Kind != nft.Goto {
		return
	}
	if to := p.Table.Chain(v.Chain); to != nil {
		p.walk(to, here, depth+1)
	}
}

// match restricts the packets, and reports whether any packet from elsewhere may match.
func (p *publisher) match(m *nft.Match, any Packet, here *area) bool {
	set := p.Sets[m.Set]
	for _, f := range m.Fields {
		if any.span(f, nil).never {
			return m.Not
		}
	}
	if !m.Fields[0].IsAddress() && len(m.Fields) == 1 {
		t := any.asks(set, m, nil, new([]nft.Element))
		if m.Not {
			t = t.not()
		}
		if t == no {
			return false
		}
	}
	if f := m.Fields[0]; (f == nft.Daddr4 || f == nft.Daddr6) && !m.Not && m.Set == "" && !slices.ContainsFunc(m.Ranges, func(r nft.Range) bool {
		first, ok := netip.AddrFromSlice(r.First)
		return !ok || !first.IsLoopback()
	}) {
		return false
	}
	here.narrow(m, set)
	return !here.empty()
}

func (p *publisher) add(c *nft.Chain, n *nft.NAT, here area) {
	ports := here.ports
	if ports == nil {
		ports = []PortRange{portrange.All}
	}
	for _, r := range ports {
		p.found = append(p.found, Published{Proto: nft.ProtoName(here.proto), Ports: r, To: n.To, Table: p.Table.String(), Chain: c.Name, ToPort: n.Port, AnyPort: n.AnyPort})
	}
}
