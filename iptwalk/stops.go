package iptwalk

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
)

// Packet is a kind of packets that begin a connection.
type Packet struct {
	Source netip.Prefix // invalid: a stranger, whom no rule and no set names
	Proto  string       // tcp or udp
	Ports  PortRange    // of this host
	In     string       // the incoming interface; empty if not known
	Here   []netip.Addr // the addresses of this host that they may be for; none if not known
	Theirs bool         // leave out voipbl's rules

	// Away means that they may be sent on to somebody unknown, so they are followed through
	// PREROUTING alone.
	Away bool

	// Where nat sends them, if it does: To is the host, if that is one address, and else the
	// port is another one of this host. Without a port they keep theirs, or with AnyPort get one
	// that is not known.
	To      netip.Addr
	ToPort  uint16
	AnyPort bool
}

// Stop is a rule or policy, of any program, that certainly ends packets.
type Stop struct {
	Table, Chain string
	Rule         string // without "-A CHAIN"; empty for the policy
	Ours         bool   // it is voipbl's

	// BySource means that it does so because of the source. For a stranger that means a set whose
	// members fare better; who is in it is not looked up.
	BySource bool

	Ports []PortRange // of those that were asked about
}

// maxStops bounds how many rules are named that would end the same packets one after the other.
const maxStops = 8

// Stops finds every rule and policy that ends all packets to a port, and those that would do so if
// it were not there, up to one of voipbl's.
func (t *Tracer) Stops(p Packet) (all []Stop) {
	v := t.view(p.Source)
	for of, ports := range v.eachKind(p) {
		of.without = make(map[string]bool)
		for range maxStops {
			stop, line := v.stop(of)
			if line == "" || stop.Ours {
				break
			}
			of.without[stop.Table+" "+line] = true
			at := slices.IndexFunc(all, func(s Stop) bool { return s.Table == stop.Table && s.Chain == stop.Chain && s.Rule == stop.Rule })
			if at < 0 {
				at, all = len(all), append(all, stop)
			}
			all[at].Ports = append(all[at].Ports, ports...)
		}
	}
	for i := range all {
		all[i].Ports = portrange.Joined(all[i].Ports)
	}
	return all
}

// Open returns those of the ports that some of the packets may reach.
func (t *Tracer) Open(p Packet) (open []PortRange) {
	v := t.view(p.Source)
	for of, ports := range v.eachKind(p) {
		if _, line := v.stop(of); line == "" {
			open = append(open, ports...)
		}
	}
	return portrange.Joined(open)
}

// eachKind returns, for each group of ports that rules treat alike, packets to one of them, and the
// group.
func (v *view) eachKind(p Packet) iter.Seq2[packets, []PortRange] {
	return func(yield func(packets, []PortRange) bool) {
		for _, ports := range v.kindsOf(p.Proto).Within(p.Ports) {
			one := PortRange{First: ports[0].First, Last: ports[0].First}
			of := packets{box: box{proto: p.Proto, dports: []PortRange{one}, in: p.In}, stranger: !p.Source.IsValid(), ends: true, here: p.Here, theirs: p.Theirs}
			of.sent, of.turned, of.away = p.sent(of.box), p.ToPort != 0, p.Away
			if v.cut() || !yield(of, ports) {
				return
			}
		}
	}
}

// sent returns a box's packets after nat has sent them on.
func (p Packet) sent(b box) *box {
	if p.To.IsValid() {
		b.dst = netip.PrefixFrom(p.To, p.To.BitLen())
	}
	if p.AnyPort {
		b.dports = nil
	} else if p.ToPort != 0 {
		b.dports = []PortRange{{First: p.ToPort, Last: p.ToPort}}
	}
	return &b
}

// kindsOf is of whom kinds of ports are.
type kindsOf struct {
	source netip.Prefix
	proto  string
}

// kindsOf groups the ports of a protocol that no rule tells apart, in any chain that the packets
// may reach, even behind rules that end them.
func (v *view) kindsOf(proto string) *portrange.Index {
	of := kindsOf{v.source, proto}
	if v.kinds[of] == nil {
		var asked [][]PortRange
		for _, w := range v.along.ways() {
			if w.forwarded && v.along == Inwards {
				break
			}
			seen := map[string]bool{w.at.chain: true}
			for queue := []string{w.at.chain}; len(queue) > 0; queue = queue[1:] {
				c := v.chain(place{w.at.table, queue[0]})
				asked = append(asked, c.ports(proto)...)
				for _, r := range c.rules {
					if r.isChain && !seen[r.target] {
						seen[r.target] = true
						queue = append(queue, r.target)
					}
				}
			}
		}
		kinds, _ := portrange.AllKinds(asked)
		v.left.Take(len(asked))
		v.kinds[of] = portrange.NewIndex(kinds)
	}
	return v.kinds[of]
}

// stop returns what first ends the packets, and its line; nothing if some may come through.
func (v *view) stop(of packets) (s Stop, line string) {
	for _, tr := range v.run(of) {
		if tr.mayPass || tr.forwarded && v.along == Inwards || of.away && !tr.early {
			continue
		}
		s = Stop{Table: tr.table, Chain: tr.endsIn, BySource: tr.endBySource}
		if tr.ender != nil {
			s.Rule, s.Ours = tr.ender.text, tr.ender.ours
		}
		return s, tr.end
	}
	return s, ""
}
