package ipsetsync

import (
	"strings"

	"github.com/voipbl/voipbl/cidr"
)

// Ask tells how much of some source addresses a rule finds in the set that asks for it by
// one word for each dimension, "src" or "dst" ("--match-set NAME src,dst"). The kernel
// finds nothing in a set that has more dimensions than the rule has words, also within a
// list:set (ip_set_test); spare words do no harm.
func (m *Members) Ask(p cidr.Prefix, by []string) Membership {
	_, dimensions, _ := strings.Cut(m.Type, ":")
	of := strings.Split(dimensions, ",")
	got := m.Look(p)
	switch {
	case len(by) < len(of):
		return Membership{}
	case got.Share == Unknown:
		return got
	case by[0] != "src":
		return Membership{Share: Unknown}
	case len(of) == 1:
		return got
	case len(m.except) > 0: // for some ports, say
		return Membership{Share: Unknown}
	case got.Share == NoneOf:
		return got
	case len(of) == 2 && (of[1] == "port" && by[1] == "dst" || of[1] == "iface" && by[1] == "src"):
		return got
	}
	return Membership{Share: Unknown} // it depends on more than ports of this host
}
