package iptwalk

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
)

// A source may be blocked without a rule that drops its packets: a rule for this source sends them
// past the one that lets in everybody else, and then the policy, or a rule for anybody, ends
// them. To find this, packets to each port are followed twice: from the source, and from a
// stranger (a source that no rule and no set names).

// byDefault finds where packets of the source end although a stranger's come through. known are
// the places found already.
func (v *view) byDefault(asked packets, known []DropPlace) []DropPlace {
	var all []DropPlace
	var only, closed []portrange.Of // of each place; of each table: whatever becomes of a stranger's
	var in []int                    // the table of each place
	for _, proto := range portrange.Protocols {
		kinds, whole := v.kindsMet(proto)
		for _, ports := range kinds {
			of := asked
			of.proto, of.dports, of.ends = proto, ports[:1], true
			mine := v.run(of)
			of.stranger = true
			theirs := v.run(of)
			for i, mine := range mine {
				if len(closed) == i {
					closed = append(closed, portrange.Of{})
				}
				if !mine.mayPass {
					closed[i].Add(proto, ports...)
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
					at, all, only, in = len(all), append(all, p), append(only, portrange.Of{}), append(in, i)
				}
				only[at].Add(proto, ports...)
			}
			if v.cut() {
				break
			}
		}
	}
	for i := range all {
		if all[i].Certain && closed[in[i]].Every() {
			continue // the rest is closed to strangers too
		}
		all[i].Only = wordsOf(only[i])
	}
	return all
}

// wordsOf describes the packets of some ports; nil means all.
func wordsOf(ports portrange.Of) (all []string) {
	if ports.Every() {
		return nil
	}
	for _, proto := range portrange.Protocols {
		for _, p := range ports[proto] {
			if p == portrange.All {
				all = append(all, proto)
			} else {
				all = append(all, proto+" "+p.String())
			}
		}
	}
	return all
}

// kindsMet groups the ports of a protocol that no rule tells apart. whole is false if there are
// more groups.
func (v *view) kindsMet(proto string) (kinds [][]PortRange, whole bool) {
	var asked [][]PortRange
	for _, c := range v.met {
		asked = append(asked, c.ports(proto)...)
	}
	return portrange.Kinds(asked)
}

// ports returns the ports that the rules ask for, by rule.
func (c *metChain) ports(proto string) (asked [][]PortRange) {
	for _, r := range c.rules {
		if r.dports != nil && (r.proto == "" || r.proto == proto) {
			asked = append(asked, r.dports)
		}
	}
	return asked
}

// unlike returns where packets end, or may end, while a stranger's fare better.
func (t *trace) unlike(stranger *trace) (p DropPlace, found bool) {
	switch {
	case t.end == "" || t.by == nil || !stranger.mayPass:
		return p, false
	case t.mayPass && stranger.end != "" && slices.Equal(t.trail, stranger.trail):
		return p, false // for both alike, such as a limit
	}
	p = *t.by
	p.Early = t.early
	if p.Forwarded = t.forwarded; t.end != "-A "+p.Chain+" "+p.Rule {
		p.Then = t.end
	}
	p.Certain = !t.mayPass && stranger.end == ""
	return p, true
}

func (p DropPlace) sameRule(o DropPlace) bool {
	return p.Table == o.Table && p.Chain == o.Chain && p.Rule == o.Rule && p.Forwarded == o.Forwarded
}

// saysOf reports whether a place already says the same as another about packets to some ports.
func (p DropPlace) saysOf(o DropPlace, proto string, ports []PortRange) bool {
	if !p.sameRule(o) || o.Certain && (!p.Certain || p.Part || p.In != "" || len(p.But) > 0) {
		return false
	}
	return len(p.Only) == 0 || slices.ContainsFunc(p.Only, func(only string) bool {
		of, rest, some := strings.Cut(only, " ")
		m := match{exact: true}
		return of == proto && (!some || coversPorts(m.ports(rest, false), ports) && m.exact)
	})
}
