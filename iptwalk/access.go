package iptwalk

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// Access says from where a connection to a port of this host can be begun.
type Access struct {
	Everyone bool           // perhaps with limits
	From     []netip.Prefix // else only from these networks
}

// BaseAccess returns from where the base rules let somebody begin a connection to a port; 0 is for
// a protocol without ports, such as "esp".
func BaseAccess(b ruleset.Base, f iptables.Family, proto string, port uint16) Access {
	var texts []string
	for _, r := range b.Rules(f) {
		texts = append(texts, r.String())
	}
	w := walk{class: classOf(proto, port), lenient: true, chain: func(string) []string { return nil }}
	access, _ := w.access(texts, 0)
	return access
}

// AccessOf returns from where other programs' rules in INPUT certainly let somebody begin a
// connection to a port, as [BaseAccess] does for voipbl's. What they let in, they still let in
// when base rules come after them.
func AccessOf(s *iptables.Saved, proto string, port uint16) Access {
	w := walk{class: classOf(proto, port), chain: func(name string) []string {
		if iptables.IsOurChain(name) {
			return nil
		}
		return s.Texts("filter", name)
	}}
	access, _ := w.access(w.chain("INPUT"), 0)
	return access
}

// Union returns from where either lets somebody in.
func (a Access) Union(b Access) Access {
	if a.Everyone || b.Everyone {
		return Access{Everyone: true}
	}
	all := slices.Clone(a.From)
	for _, p := range b.From {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return Access{From: all}
}

// within returns the part of an access that comes from a network; all of it for no network.
func (a Access) within(from netip.Prefix) Access {
	switch {
	case !from.IsValid():
		return a
	case a.Everyone:
		return Access{From: []netip.Prefix{from}}
	}
	var all []netip.Prefix
	for _, p := range a.From {
		if coversPrefix(p, from) {
			p = from
		}
		if coversPrefix(from, p) {
			all = append(all, p)
		}
	}
	return Access{From: all}
}

// classOf returns the packets to a port.
func classOf(proto string, port uint16) box {
	b := box{proto: iptables.ProtocolOf(proto)}
	if port > 0 {
		b.dports = []PortRange{{First: port, Last: port}}
	}
	return b
}

// walk follows the first packets of connections through rules. With lenient, a rule that lets in
// only a part of the packets, such as a limit, counts as letting them in.
type walk struct {
	class   box
	lenient bool
	chain   func(name string) []string
}

// access returns from where rules let the packets in, and whether none reaches the end.
func (w walk) access(rules []string, depth int) (all Access, ended bool) {
	if depth == maxDepth {
		return Access{}, false
	}
	for _, rule := range rules {
		m, first := readFirst(rule)
		m.proto, m.notProto = iptables.ProtocolOf(m.proto), iptables.ProtocolOf(m.notProto)
		wide := m.box
		wide.src = netip.Prefix{}
		if !first || !wide.covers(w.class) { // for other packets, or for one interface, such as lo
			continue
		}
		sure, everyone := m.exact, !m.src.IsValid()
		switch {
		case m.target == "ACCEPT" && (sure || w.lenient):
			all = all.Union(Access{Everyone: true}.within(m.src))
			if everyone {
				return all, true
			}
		case fateOf(m.target) == closed, m.target == "RETURN", m.goTo:
			if sure && everyone {
				return all, fateOf(m.target) == closed
			}
		case m.target != "" && sure:
			inner, innerEnds := w.access(w.chain(m.target), depth+1)
			all = all.Union(inner.within(m.src))
			if everyone && (innerEnds || all.Everyone) {
				return all, true
			}
		}
	}
	return all, false
}

// readFirst reads a rule as it applies to the first packet of a connection. ok is false if it
// applies to no such packet.
func readFirst(rule string) (m match, ok bool) {
	var kept []string
	all := iptables.Words(rule)
	for i := 0; i < len(all); i++ {
		switch all[i] {
		case "-j", "-g":
			return readWords(append(kept, all[i:]...)), true
		case "--state", "--ctstate":
			negated := len(kept) > 0 && kept[len(kept)-1] == "!"
			if negated {
				kept = kept[:len(kept)-1]
			}
			i++
			if i == len(all) || slices.Contains(strings.Split(all[i], ","), "NEW") == negated {
				return match{}, false
			}
		case "-m":
			if i+1 < len(all) && (all[i+1] == "state" || all[i+1] == "conntrack") {
				i++
				continue
			}
			kept = append(kept, all[i])
		default:
			kept = append(kept, all[i])
		}
	}
	return readWords(kept), true
}
