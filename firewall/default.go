package firewall

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/portkinds"
)

// A source may be kept out without a rule that drops it: a rule for it alone sends it
// past the one that lets in everybody else, and then the policy, or a rule for anybody,
// ends its packets. To know that, packets to each port are followed twice: from the
// source, and from a stranger.

// maxKinds bounds the kinds of ports that are told apart.
const maxKinds = 512

// byDefault finds where packets of the source end although those of a stranger come
// through. known are the places that are found already.
func (v *view) byDefault(known []DropPlace) []DropPlace {
	var all []DropPlace
	var only, closed []portsOf // of each place; of each table: whatever becomes of a stranger's
	var in []int               // the table of each place
	for _, proto := range protocols {
		kinds, whole := v.kinds(proto)
		for _, kind := range kinds {
			ports := portRanges(kind)
			of := packets{box: box{proto: proto, dports: ports[:1]}, ends: true}
			mine := v.run(of)
			of.stranger = true
			theirs := v.run(of)
			for i, mine := range mine {
				if len(closed) == i {
					closed = append(closed, portsOf{})
				}
				if !mine.mayPass {
					closed[i].add(proto, kind)
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
				only[at].add(proto, kind)
			}
			if v.steps > maxSteps {
				break
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
type portsOf map[string][]portkinds.Range

func (o portsOf) add(proto string, ports []portkinds.Range) { o[proto] = append(o[proto], ports...) }

// words say which packets they are; none for all.
func (o portsOf) words() (all []string) {
	every := PortRange{0, 65535}
	tcp, udp := portRanges(portkinds.Joined(o["tcp"])), portRanges(portkinds.Joined(o["udp"]))
	if slices.Equal(tcp, []PortRange{every}) && slices.Equal(udp, []PortRange{every}) {
		return nil
	}
	for i, ports := range [][]PortRange{tcp, udp} {
		proto := protocols[i]
		for _, p := range ports {
			if p == every {
				all = append(all, proto)
			} else {
				all = append(all, proto+" "+p.String())
			}
		}
	}
	return all
}

// kinds are the ports of a protocol, those together between which no rule that is met
// tells a difference. whole is false if there are more kinds.
func (v *view) kinds(proto string) (kinds [][]portkinds.Range, whole bool) {
	var asked [][]portkinds.Range
	for _, rules := range v.met {
		for _, r := range rules {
			if r.dports != nil && (r.proto == "" || r.proto == proto) {
				var ports []portkinds.Range
				for _, p := range r.dports {
					ports = append(ports, portkinds.Range{p.First, p.Last})
				}
				asked = append(asked, ports)
			}
		}
	}
	return portkinds.Of(asked, maxKinds)
}

// unlike is where packets end, or may end, while a stranger's fare better.
func (t *trace) unlike(stranger *trace) (p DropPlace, found bool) {
	switch {
	case t.end == "" || t.by == nil || !stranger.mayPass:
		return p, false
	case t.mayPass && stranger.end != "" && slices.Equal(t.trail, stranger.trail):
		return p, false // a limit that is for both, say
	}
	p = *t.by
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
func (p DropPlace) saysOf(o DropPlace, proto string, ports []PortRange) bool {
	if !p.sameRule(o) || o.Certain && (!p.Certain || p.Part || p.In != "" || len(p.But) > 0) {
		return false
	}
	return len(p.Only) == 0 || slices.ContainsFunc(p.Only, func(only string) bool {
		of, rest, some := strings.Cut(only, " ")
		m := match{exact: true}
		return of == proto && (!some || coversPorts(m.ports(rest), ports) && m.exact)
	})
}
