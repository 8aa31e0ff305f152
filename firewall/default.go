package firewall

import (
	"net/netip"
	"slices"
	"strings"
)

// A source may be kept out without a rule that drops it: a rule for it alone sends it
// past the one that lets in everybody else, and then the policy, or a rule for anybody,
// ends its packets. To know that, packets to each port are followed twice: from the
// source, and from a stranger.

// maxPoints bounds the ranges of ports that are told apart.
const maxPoints = 512

// byDefault finds where packets of a source end although those of a stranger come through.
// known are the places that are found already.
func (t *Tracer) byDefault(source netip.Prefix, known []DropPlace) []DropPlace {
	var all []DropPlace
	var only, closed []portsOf // of each place; of each table: whatever becomes of a stranger's
	var in []int               // the table of each place
	points, whole := t.points()
	for _, proto := range protocols {
		for _, ports := range points {
			of := box{proto: proto, dports: []PortRange{ports}}
			theirs := t.run(source, of, true)
			for i, mine := range t.run(source, of, false) {
				if len(closed) == i {
					closed = append(closed, portsOf{})
				}
				if !mine.mayPass {
					closed[i].add(proto, ports)
				}
				p, found := mine.unlike(theirs[i])
				if !found || slices.ContainsFunc(known, func(k DropPlace) bool { return k.saysOf(p, proto, ports) }) {
					continue
				}
				p.Certain = p.Certain && whole
				at := slices.IndexFunc(all, func(o DropPlace) bool {
					return o.sameRule(p) && o.Then == p.Then && o.Certain == p.Certain
				})
				if at < 0 {
					at, all, only, in = len(all), append(all, p), append(only, portsOf{}), append(in, i)
				}
				only[at].add(proto, ports)
			}
		}
	}
	for i := range all {
		if all[i].Certain && closed[in[i]].words() == nil {
			continue // the rest is closed to strangers too
		}
		all[i].Only = only[i].words()
	}
	return all
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

// words say which packets they are; none for all.
func (o portsOf) words() (all []string) {
	every := PortRange{0, 65535}
	if slices.Equal(o["tcp"], []PortRange{every}) && slices.Equal(o["udp"], []PortRange{every}) {
		return nil
	}
	for _, proto := range protocols {
		for _, p := range o[proto] {
			if p == every {
				all = append(all, proto)
			} else {
				all = append(all, proto+" "+p.String())
			}
		}
	}
	return all
}

// points are ranges of ports between which no rule tells a difference. whole is false if
// there are more.
func (t *Tracer) points() (all []PortRange, whole bool) {
	firsts := []int{0}
	for _, rules := range t.read {
		for _, r := range rules {
			for _, p := range r.dports {
				firsts = append(firsts, int(p.First), int(p.Last)+1)
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

// unlike is where packets end, or may end, while a stranger's fare better.
func (t *trace) unlike(stranger *trace) (p DropPlace, found bool) {
	switch {
	case t.end == "" || t.parted == nil || !stranger.mayPass:
		return p, false
	case t.mayPass && stranger.end != "" && slices.Equal(t.trail, stranger.trail):
		return p, false // a limit that is for both, say
	}
	p = *t.parted
	if p.Forwarded = t.forwarded; t.end != "-A "+p.Chain+" "+p.Rule {
		p.Then = t.end
	}
	p.Certain = !t.mayPass && stranger.end == ""
	return p, true
}

func (p DropPlace) sameRule(o DropPlace) bool {
	return p.Table == o.Table && p.Chain == o.Chain && p.Rule == o.Rule && p.Forwarded == o.Forwarded
}

// saysOf reports whether a place says of packets to some ports what another one does.
func (p DropPlace) saysOf(o DropPlace, proto string, ports PortRange) bool {
	if !p.sameRule(o) || o.Certain && (!p.Certain || p.Part || p.In != "" || len(p.But) > 0) {
		return false
	}
	return len(p.Only) == 0 || slices.ContainsFunc(p.Only, func(only string) bool {
		of, rest, some := strings.Cut(only, " ")
		m := match{exact: true}
		return of == proto && (!some || coversPorts(m.ports(rest), []PortRange{ports}) && m.exact)
	})
}
