package ruleset

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// Admits reports whether the base rules certainly let in a new TCP connection from an address to
// a port of this host. Rules with further conditions (limits, bans) do not count.
//
// It looks at voipbl's own rules only. Other programs' rules in INPUT come first and may decide
// otherwise.
// and may let the connection in, or not.
func (b Base) Admits(from netip.Addr, port uint16) bool {
	from = from.Unmap().WithZone("")
	if from.IsLoopback() { // through a tunnel that ends on this host
		return true
	}
	f := iptables.IPv4
	if from.Is6() {
		f = iptables.IPv6
	}
	for _, r := range b.Rules(f) {
		if r.meets(from, port) {
			return r.Target == "ACCEPT"
		}
	}
	return false
}

// meets reports whether the rule certainly decides about a new TCP connection.
func (r Rule) meets(from netip.Addr, port uint16) bool {
	return len(r.Matches) == 0 &&
		r.In == "" &&
		(!r.From.IsValid() || r.From.Contains(from)) &&
		(r.Proto == "" || r.Proto == "tcp") &&
		(len(r.Ports) == 0 || slices.ContainsFunc(r.Ports, func(p iptables.PortRange) bool { return p.Has(port) })) &&
		(r.Target == "ACCEPT" || r.Target == "DROP")
}
