package reach

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// This file is about a PBX in a container, which is reached by ports that this host sends on. A
// rule that drops what is forwarded there, or the answers, cuts it off; base rules do not
// matter.

// forwardedElsewhere finds what certainly drops packets that are sent on to ports of phones, or
// the answers to them.
func forwardedElsewhere(cfg config.Config, p Passed, known []Obstacle) (found []Obstacle) {
	var all droppers
	for _, f := range iptables.Families {
		filters := p.Filters(f, Nobody)
		for _, to := range Published(p.Rules, p.Native, f) {
			for _, a := range forPhones(cfg, to) {
				for _, s := range filters.stopsOnwards(a, to) {
					d := all.of(s)
					for _, ports := range s.ports {
						if name := PortName(iptwalk.Published{Proto: a.proto, Ports: ports}); !slices.Contains(d.dropped, name) {
							d.dropped = append(d.dropped, name)
						}
					}
				}
			}
		}
	}
	for _, d := range all {
		if slices.ContainsFunc(known, func(o Obstacle) bool { return o.where == d.where && o.rule == d.rule }) {
			continue
		}
		what := "what is sent on to containers or other hosts"
		if d.answers {
			what = "the answers of containers or other hosts"
		}
		d.Error = fmt.Sprintf("%s drops %s: %s", d.Error, what, firstFew(d.dropped, 4))
		found = append(found, d.Obstacle)
	}
	return found
}

// stopsOnwards returns where packets of an admission that are sent on end, or the answers to
// them, no matter by which interface they arrive.
func (f *filters) stopsOnwards(a admission, to iptwalk.Published) (all []stop) {
	for _, along := range []iptwalk.Along{iptwalk.Onwards, iptwalk.Answered} {
		var some []stop
		for i, in := range f.by(netip.Prefix{}, f.family) {
			found := f.stops(a, in, leg{along, to})
			if i == 0 {
				some = found
			}
			for j := range some {
				some[j].ports = some[j].alsoBy(found)
			}
		}
		all = append(all, slices.DeleteFunc(some, func(s stop) bool { return len(s.ports) == 0 })...)
	}
	return all
}

// alsoBy returns those ports of a stop at which packets by another interface also end there;
// other has the stops of that interface.
func (s stop) alsoBy(other []stop) (ports []iptables.PortRange) {
	for _, o := range other {
		if o.where == s.where && o.rule == s.rule {
			for _, r := range o.ports {
				ports = append(ports, portrange.Within(s.ports, r)...)
			}
		}
	}
	return portrange.Joined(ports)
}

// sentOn returns the ports of a family that are sent on, without those whose packets all end on
// their way, no matter from whom.
func (p Passed) sentOn(f iptables.Family) (ports []iptwalk.Published) {
	filters := p.Filters(f, Nobody)
	for _, to := range Published(p.Rules, p.Native, f) {
		protos := []string{to.Proto}
		if to.Proto == "" {
			protos = portrange.Protocols
		}
		if slices.ContainsFunc(protos, func(proto string) bool {
			var ended []iptables.PortRange
			for _, s := range filters.stopsOnwards(admission{proto: proto, ports: to.Ports}, to) {
				if !s.answers {
					ended = append(ended, s.ports...)
				}
			}
			return !slices.ContainsFunc(portrange.Joined(ended), func(r iptables.PortRange) bool { return r.Covers(to.Ports) })
		}) {
			ports = append(ports, to)
		}
	}
	return ports
}

// forPhones returns those packets to a published port that phones send.
func forPhones(cfg config.Config, p iptwalk.Published) (all []admission) {
	add := func(proto string, r config.PortRange) {
		if ports := portrange.Within([]iptables.PortRange{p.Ports}, iptables.PortRange(r)); len(ports) > 0 && (p.Proto == "" || p.Proto == proto) {
			all = append(all, admission{proto: proto, ports: ports[0]})
		}
	}
	for _, r := range cfg.Firewall.SIP.Ports {
		add("udp", r)
		add("tcp", r)
	}
	add("udp", cfg.Firewall.RTP)
	return all
}
