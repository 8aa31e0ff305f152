package ipsetsync

import (
	"strings"

	"github.com/voipbl/voipbl/cidr"
)

// Ask returns how much of the source addresses p a rule matches in the set. by has the
// rule's words for the dimensions of the set, "src" or "dst" ("--match-set NAME
// src,dst"). If a set has more dimensions than the rule has words, also within a
// list:set, the kernel matches nothing (ip_set_test); extra words are ignored.
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
	case len(m.except) > 0: // exceptions for some ports, for example
		return Membership{Share: Unknown}
	case got.Share == NoneOf:
		return got
	case len(of) == 2 && (of[1] == "port" && by[1] == "dst" || of[1] == "iface" && by[1] == "src"):
		return got
	}
	return Membership{Share: Unknown} // it also depends on the other end's port or on the interface
}
