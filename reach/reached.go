package reach

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
)

// This file follows packets of a set's member to the ports of phones. A rule that drops the
// members may have others above it, or be for some packets only. The member is in no other set
// and is named by no rule.

// memberOf returns the sets as they look for an address that is in these sets and in no other.
func memberOf(sets []string) iptwalk.Sources {
	in := Nobody
	in.Set = func(of iptwalk.SetMatch, source netip.Prefix) iptwalk.SetMember {
		if slices.Contains(sets, of.Name) && !of.Exceptions {
			return iptwalk.SetMember{Share: iptwalk.AllOf}
		}
		return Nobody.Set(of, source)
	}
	return in
}

// dropsFirst reports whether a rule drops all members of a set before anybody else's rule, so
// that there is nothing to follow.
func (p Passed) dropsFirst(f iptables.Family, set string, theirs bool) bool {
	return slices.ContainsFunc(p.Rules, func(k KernelRules) bool {
		return slices.ContainsFunc(k.Saved[f].DropRules(set), func(d iptables.DropRule) bool { return d.First() && !(theirs && d.Ours) })
	})
}

// ErrTooMany means that a search was not finished, so its result does not count, whether it
// found anything or not.
var ErrTooMany = errors.New("there are too many rules to follow all packets")

// Reached returns the ports of phones, each as "udp 5060", that members of a set can reach; the
// set is in lists. With theirs, voipbl's rules are left out. With an error the answer is not
// known. Each call has its own search limit.
func (f *filters) Reached(cfg config.Config, set string, lists []string, theirs bool) (ports []string, err error) {
	if f.dropsFirst(f.family, set, theirs) {
		return nil, nil
	}
	f.Left.Renew()
	members := f.asking(memberOf(append(lists, set)))
	for _, proto := range portrange.Protocols {
		var open []iptables.PortRange
		for _, r := range cfg.Firewall.SIP.Ports {
			for _, by := range f.by(netip.Prefix{}, f.family) {
				open = append(open, members.open(admission{proto: proto, ports: iptables.PortRange(r)}, by, theirs)...)
			}
		}
		for _, r := range portrange.Joined(open) {
			ports = append(ports, proto+" "+r.String())
		}
	}
	if err := f.Left.Err(ErrTooMany); err != nil {
		return nil, err
	}
	return ports, nil
}

// asking returns the same rules with other sets.
func (f *filters) asking(in iptwalk.Sources) *filters {
	other := *f
	other.all, other.parted = nil, make(map[arrival][]part)
	for _, t := range f.all {
		asking := familyTracer{t.backend, t.family, t.Asking(in)}
		other.all = append(other.all, filter{asking, t.saved, t.owners, map[iptwalk.Along]*iptwalk.Tracer{iptwalk.Inwards: asking.Tracer}})
	}
	return &other
}

// open returns those ports of an admission whose packets may pass all rules of iptables.
func (f *filters) open(a admission, by string, theirs bool) []iptables.PortRange {
	packet := f.packet(a, by, toHere)
	others := f.affects(packet, toHere)
	left := []iptables.PortRange{a.ports}
	for i, t := range f.all {
		var open []iptables.PortRange
		for _, r := range left {
			open = append(open, t.Behind(others[i]).Open(iptwalk.Packet{Source: a.from, Proto: a.proto, Ports: r, In: by, Here: packet.Here, Theirs: theirs})...)
		}
		left = open
	}
	return left
}

// ReachedWords says that members of a set reach ports although a rule drops them.
func ReachedWords(set string, ports []string) string {
	return "the members of " + set + " reach " + strings.Join(ports, ", ") + " past the rule that drops them"
}
