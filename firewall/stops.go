package firewall

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
)

// Packet is packets of a kind that begin something.
type Packet struct {
	Source netip.Prefix // invalid: somebody whom no rule and no set names
	Proto  string       // tcp or udp
	Ports  PortRange    // of this host
	In     string       // the interface that they come by; empty: it is not known
	Here   []netip.Addr // the addresses of this host that they may be for; none: not known
	Theirs bool         // the rules of voipbl are left out

	// Away is that they may be sent on, to nobody knows whom: they come to PREROUTING alone.
	Away bool

	// Of packets that nat sends elsewhere: to whom, if that is one address, and to which of its
	// ports, or to which of this host's; without a port, to those that they have come for, or with AnyPort to others,
	// which are not known.
	To      netip.Addr
	ToPort  uint16
	AnyPort bool
}

// Stop is a rule or a policy that ends packets for certain, whoever has made it.
type Stop struct {
	Table, Chain string
	Rule         string // without "-A CHAIN"; empty for the policy
	Ours         bool   // it is voipbl's

	// BySource is that it does so for where the packets come from. Of somebody whom no set
	// names that is a set whose members fare better, and who is in it is not asked.
	BySource bool

	Ports []PortRange // of those that were asked about
}

// maxStops bounds how many rules are named that one after the other would end the same
// packets.
const maxStops = 8

// Stops finds what ends packets, all of those of a port: each rule and policy that does so,
// and those that would do so then if it were not there, up to one of voipbl's.
func (t *Tracer) Stops(p Packet) (all []Stop) {
	v := t.view(p.Source)
	for of, ports := range v.kindsOf(p) {
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

// Open are those of the ports to which some of the packets may come.
func (t *Tracer) Open(p Packet) (open []PortRange) {
	v := t.view(p.Source)
	for of, ports := range v.kindsOf(p) {
		if _, line := v.stop(of); line == "" {
			open = append(open, ports...)
		}
	}
	return portrange.Joined(open)
}

// kindsOf are the packets to each of some ports, those together that rules treat alike.
func (v *view) kindsOf(p Packet) iter.Seq2[packets, []PortRange] {
	return func(yield func(packets, []PortRange) bool) {
		v.meet()
		kinds, _ := v.kinds(p.Proto)
		for _, kind := range kinds {
			ports := portrange.Within(kind, p.Ports)
			if len(ports) == 0 {
				continue
			}
			of := packets{box: box{proto: p.Proto, dports: ports[:1], in: p.In}, stranger: !p.Source.IsValid(), ends: true, here: p.Here, theirs: p.Theirs}
			of.sent, of.turned, of.away = p.sent(of.box), p.ToPort != 0, p.Away
			if !yield(of, ports) {
				return
			}
		}
	}
}

// sent is the packets of a box once they are sent on.
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

// meet looks at all chains that the packets may come to, also behind rules that end them.
func (v *view) meet() {
	for _, w := range v.along.ways() {
		if w.forwarded && v.along == Inwards {
			break
		}
		for queue := []string{w.at.chain}; len(queue) > 0; queue = queue[1:] {
			for _, r := range v.chain(place{w.at.table, queue[0]}) {
				if _, known := v.met[place{w.at.table, r.target}]; r.isChain && !known {
					v.chain(place{w.at.table, r.target})
					queue = append(queue, r.target)
				}
			}
		}
	}
}

// stop is what ends packets first, and its line; none if some may come through.
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
