package reach

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nftwalk"
	"github.com/voipbl/voipbl/ruleset"
)

// This file follows packets through nat. What nat sends to another port of this host passes
// INPUT with that port, and what it sends to another host does not pass INPUT. So a rule of
// INPUT for the port that a phone sends to does not decide about it.

// part is the packets of an admission that nat treats alike.
type part struct {
	admission
	leg        // with the port that they have after nat
	away  bool // they may go to another host, or to an unknown one
	turns stop // what sends them to another port of this host; see turned
}

// arrival is an admission and the interface by which it arrives.
type arrival struct {
	admission
	by string
}

// parts returns the parts of an admission that arrives by an interface, or of the answers.
func (f *filters) parts(a admission, by string, l leg) []part {
	parts, known := f.parted[arrival{a, by}]
	if !known {
		parts = f.part(a, by)
		f.parted[arrival{a, by}] = parts
	}
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].along = l.along
	}
	return parts
}

func (f *filters) part(a admission, by string) (parts []part) {
	kinds, translates := [][]iptables.PortRange{{a.ports}}, false
	cut := func(within func(iptables.PortRange) [][]iptables.PortRange) {
		var pieces [][]iptables.PortRange
		for _, kind := range kinds {
			for _, ports := range kind {
				pieces = append(pieces, within(ports)...)
			}
		}
		kinds, translates = pieces, true
	}
	for i, t := range f.all {
		if iptwalk.Translates(t.saved) {
			cut(f.kindsOf(fmt.Sprint(i), func() [][]iptables.PortRange {
				kinds, _ := portrange.AllKinds(iptwalk.NATPorts(t.saved))
				return kinds
			}))
		}
	}
	if is6 := f.family == iptables.IPv6; f.Native != nil && nftwalk.Translates(f.Native, is6) {
		cut(f.kindsOf("native "+a.proto, func() [][]iptables.PortRange { return nftwalk.NATKinds(f.Native, a.proto, is6) }))
	}
	for _, kind := range kinds {
		for _, ports := range kind {
			p := part{admission: a, leg: toHere}
			if p.ports = ports; translates {
				f.translate(&p, by)
			}
			parts = append(parts, p)
		}
	}
	return parts
}

// kindsOf returns the kinds of ports that nat rules distinguish, found only once.
func (f *filters) kindsOf(rules string, kinds func() [][]iptables.PortRange) func(iptables.PortRange) [][]iptables.PortRange {
	if f.nat[rules] == nil {
		f.nat[rules] = portrange.NewIndex(kinds()).Within
	}
	return f.nat[rules]
}

// translate finds where nat sends a part.
func (f *filters) translate(p *part, by string) {
	packet := f.packet(p.admission, by, toHere)
	packet.Port = max(p.ports.First, 1)
	others := f.affects(packet, toHere)
	found := 0
	for i, t := range f.all {
		to := t.follows(toHere).Behind(others[i]).Translated(iptwalk.Packet{Source: p.from, Proto: p.proto, Ports: p.ports, In: by, Here: packet.Here})
		if to.Share == iptwalk.NoneOf {
			continue
		}
		found++
		tool := RulesCommand(t.backend, t.family)
		where := fmt.Sprintf("%s: \"-t nat -A %s %s\"", tool, to.Chain, to.Rule)
		remedy := fmt.Sprintf("take it out: %s -t nat -D %s %s", tool, to.Chain, to.Rule)
		o := Obstacle{where: whereOf(t.backend, t.family, "nat", to.Chain), rule: "-A " + to.Chain + " " + to.Rule, Error: where, Remedy: remedy}
		if to.Share == iptwalk.AllOf && isLost(to.To, by) {
			p.lose(o, "-j REDIRECT"+portOption(" --to-ports %d", to.ToPort))
			continue
		}
		p.turn(to.Share == iptwalk.AllOf && (to.Local || isOwn(f.own(), to.To)), to.ToPort, to.AnyPort, stop{Obstacle: o})
	}
	if f.Native != nil {
		packet.Others = nftwalk.Others(others[len(f.all)])
		if to := nftwalk.Translated(f.Native, packet); to != nil {
			found++
			s := nativeObstacle(nftwalk.Stop{Of: to.Table}, toHere)
			s.Remedy = fmt.Sprintf("take the rule out (\"nft list table %s\" shows it)", to.Table)
			if to.Certain && isLost(to.To, by) {
				p.lose(s, "redirect"+portOption(" to :%d", to.Port))
			} else {
				p.turn(to.Certain && (to.Local || isOwn(f.own(), to.To)), to.Port, to.AnyPort, stop{Obstacle: s})
			}
		}
	}
	if found > 1 {
		p.away, p.turns.turned.lost = true, false
	}
}

// isLost reports whether the kernel drops packets that arrive by an interface and that nat sends
// to a loopback address, which nothing from outside may reach.
func isLost(to netip.Addr, by string) bool {
	return to.Is4() && to.IsLoopback() && host.DropsLoopback(by)
}

// portOption formats an option with a port; "" without a port.
func portOption(format string, port uint16) string {
	if port == 0 {
		return ""
	}
	return fmt.Sprintf(format, port)
}

// lose notes that packets of a part are lost, and which target of a rule would let them in.
func (p *part) lose(o Obstacle, target string) {
	o.Kind = Unreached
	o.Remedy += fmt.Sprintf("; and make one with \"%s\" in its place; or \"sysctl -w net.ipv4.conf.all.route_localnet=1\", for a program that listens on 127.0.0.1 alone", target)
	p.away = true // they never pass INPUT
	p.turns = stop{Obstacle: o, turned: turnedTo{proto: p.proto, lost: true}, ports: []iptables.PortRange{p.ports}}
}

// turn notes where packets of a part go.
func (p *part) turn(here bool, port uint16, any bool, by stop) {
	switch {
	case !here || any:
		p.away = true
	case port != 0 && (port != p.ports.First || port != p.ports.Last):
		p.to.ToPort, p.turns = port, by
		p.turns.Kind, p.turns.ports = Unreached, []iptables.PortRange{p.ports}
		p.turns.turned = turnedTo{proto: p.proto, port: port}
	}
}

// turnedTo is the port of this host to which nat sends packets. The zero value means that they
// keep their port.
type turnedTo struct {
	proto string
	port  uint16
	lost  bool // the target is a loopback address, so the kernel drops them
}

func (to turnedTo) String() string { return fmt.Sprintf("%s %d", to.proto, to.port) }

// openRemedy is a remedy that opens the port for exactly those whom the base rules let in by the
// ports that are sent to it; "" if there is none. After nat, what is let in from everywhere and
// from the local networks looks the same, and a port that the base rules already have is open
// for others.
func (to turnedTo) openRemedy(base ruleset.Base, sent []admission) string {
	has := func(r iptables.PortRange) bool { return r.Has(to.port) }
	isSIP := func(a admission) bool { return slices.ContainsFunc(base.SIP, a.ports.Overlaps) }
	for _, a := range sent {
		if isSIP(a) != isSIP(sent[0]) || !isSIP(a) && a.from.IsValid() != sent[0].from.IsValid() {
			return ""
		}
	}
	forSIP := isSIP(sent[0])
	if slices.ContainsFunc(base.SIP, has) || forSIP && has(base.RTP) || slices.ContainsFunc(base.Services, func(s ruleset.Service) bool {
		return (forSIP || s.Proto == to.proto) && slices.ContainsFunc(s.Ports, has)
	}) {
		return ""
	}
	if forSIP {
		return fmt.Sprintf("; or write %d into firewall.sip.ports, too", to.port)
	}
	from := "any"
	if sent[0].from.IsValid() {
		from = "lan"
	}
	return fmt.Sprintf("; or add {name: %s-%d, proto: %s, ports: \"%[2]d\", from: %[4]s} to firewall.services", sent[0].name, to.port, to.proto, from)
}

// turned returns the parts of an admission that arrive at another port, which the base rules
// keep closed, or nowhere. If the search is cut short, it reports nothing.
func (f *filters) turned(a admission, by string) (all []stop) {
	for _, p := range f.parts(a, by, toHere) {
		closed := p.turns.turned.port != 0 && !p.away && len(f.stopsOf(p, by)) == 0 && len(f.openOf(p, by)) == 0
		if p.turns.turned.lost || closed && !f.Left.Out() {
			all = append(all, p.turns)
		}
	}
	return all
}

// openOf returns those ports of a part whose packets may come in.
func (f *filters) openOf(p part, by string) (open []iptables.PortRange) {
	packet := f.packet(p.admission, by, p.leg)
	others := f.affects(packet, toHere)
	for i, t := range f.all {
		if open = t.follows(toHere).Behind(others[i]).Open(iptwalk.Packet{Source: p.from, Proto: p.proto, Ports: p.ports, In: by, Here: packet.Here, ToPort: p.to.ToPort}); open == nil {
			return nil
		}
	}
	return open
}

// own returns all addresses of this host, looked up only once.
func (f *filters) own() []netip.Addr {
	if f.addresses == nil {
		f.addresses, _ = host.OwnAddresses() // without these, each target of nat counts as another host
	}
	return f.addresses
}

// isOwn reports whether an address is this host's.
func isOwn(own []netip.Addr, a netip.Addr) bool {
	return a.IsValid() && (a.IsLoopback() || slices.Contains(own, a.Unmap()))
}
