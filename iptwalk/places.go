package iptwalk

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
)

// DropPlace is a rule, on the way of packets for this host or its containers, that asks for the
// source and drops or rejects its packets.
type DropPlace struct {
	Table, Chain string
	Rule         string       // the rule that names the source, without "-A CHAIN"
	Ours         bool         // it is voipbl's
	Set          string       // the set in which it looks for the source
	Entry        netip.Prefix // the entry of the set, or the rule's own address
	Rejected     bool         // the sender gets an answer
	Forwarded    bool         // only packets for containers come here, not those for this host
	Early        bool         // all packets come here, before it is known who they are for
	Part         bool         // only for some of the addresses asked about
	Only         []string     // only these packets, such as "udp 5060:5061"; empty for all
	But          []string     // rules above that let some of these packets in, each as "-A CHAIN RULE"
	Certain      bool         // every such packet is dropped
	In           string       // only packets that come in by this interface; empty for any

	// Then is the rule or policy for anybody that ends the packets, if Rule does not end them
	// itself: Rule has sent them there, or, with Missed, has not let them in as it lets in a
	// stranger's.
	Then   string
	Missed bool

	Packets, Bytes uint64 // counted by the rule, from any source
}

// Places returns where packets of a source are or may be dropped. Rules that close a port to
// everybody, or limit everybody alike, do not count. With cut there may be more, since there are
// too many ways through the rules to follow them all. The places are for packets to all ports, or
// for those that nat sends from some ports to another.
func (t *Tracer) Places(p Packet) (all []DropPlace, cut bool) {
	of := packets{box: box{in: p.In}, here: p.Here}
	if p.ToPort != 0 {
		of.proto, of.dports = p.Proto, []PortRange{p.Ports}
		of.sent, of.turned = p.sent(of.box), true
	}
	return t.view(p.Source).places(of)
}

func (v *view) places(of packets) (all []DropPlace, cut bool) {
	byDefault := false
	for _, tr := range v.run(of) {
		all = append(all, tr.found...)
		byDefault = byDefault || tr.closes && tr.by != nil
	}
	if byDefault {
		all = append(all, v.byDefault(of, all)...)
	}
	return all, v.cut()
}

// only describes the packets of a way: those that a set names, of the rule's protocol, or those of
// the box.
func (w way) only() []string {
	if len(w.limits) == 0 {
		return w.box.words()
	}
	var of []string
	for _, limit := range w.limits {
		if proto, _, _ := strings.Cut(limit, " "); w.proto == "" || proto == w.proto {
			of = append(of, limit)
		}
	}
	if of == nil {
		return append(slices.Clone(w.limits), w.box.words()...)
	}
	return of
}

// drop adds a place where packets end, unless all of them have gone elsewhere before.
func (t *trace) drop(w way, rejected bool) {
	p := w.named.place
	p.Rejected, p.Forwarded, p.Early = rejected, t.forwarded, t.early
	p.Part, p.Certain = w.share == SomeOf, w.share != Unknown
	if p.Only = w.only(); w.in != t.packets.in { // only by that interface
		p.In = w.in
	}
	if w.sports != nil || len(w.limits) > 0 && (w.dports != nil || w.dst.IsValid() || w.out != "") {
		p.Certain = false // little is known of a sender's ports, or of what the set and the rule both name
	}
	for _, e := range slices.Concat(t.letIn, w.back) {
		switch {
		case !overlaps(e.box, w.box):
		case e.sure && e.covers(w.box):
			return
		case e.sure:
			if e.matters() {
				p.But = append(p.But, e.rule)
			}
		case e.covers(w.box): // perhaps all of them
			p.Certain = false
			p.But = append(p.But, e.rule)
		case e.matters(): // perhaps some of them, such as those below a limit
			p.But = append(p.But, e.rule)
		}
	}
	for i, q := range t.found {
		if q.Table == p.Table && q.Chain == p.Chain && q.Rule == p.Rule {
			if !q.Certain && p.Certain || len(q.Only) > 0 && len(p.Only) == 0 {
				t.found[i] = p
			} else if q.Certain == p.Certain && len(q.Only) > 0 {
				t.found[i].Only = append(q.Only, p.Only...)
			}
			return
		}
	}
	t.found = append(t.found, p)
}

// matters reports whether the packets of an exit can be a caller's. Those of the network itself,
// such as pings, DHCP and multicast, are not.
func (e exit) matters() bool {
	if e.proto != "" && !slices.Contains([]string{"tcp", "udp", "sctp"}, e.proto) || e.dst.IsValid() && (e.dst.Addr().IsMulticast() || e.dst.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255})) {
		return false
	}
	return e.dports == nil || slices.ContainsFunc(e.dports, func(p PortRange) bool {
		return p.First != p.Last || !slices.Contains([]uint16{67, 68, 546, 547}, p.First)
	})
}

// words describes the packets of a box, apart from their source; nil for all.
func (b box) words() []string {
	var all []string
	if b.dports != nil {
		for _, p := range b.dports {
			all = append(all, strings.TrimSpace(b.proto+" "+p.String()))
		}
	} else if b.proto != "" {
		all = append(all, b.proto)
	} else if b.notProto != "" {
		for _, proto := range portrange.Protocols {
			if proto != b.notProto {
				all = append(all, proto)
			}
		}
		all = append(all, "other protocols")
	}
	var also string
	if b.dst.IsValid() {
		also += " to " + b.dst.String()
	}
	if b.sports != nil {
		also += " from some ports"
	}
	if b.out != "" {
		also += " going out by " + b.out
	}
	if also == "" {
		return all
	}
	if len(all) == 0 {
		return []string{"packets" + also}
	}
	for i := range all {
		all[i] += also
	}
	return all
}

// overlaps reports whether a packet may be in both boxes, apart from its source.
func overlaps(a, b box) bool {
	switch {
	case a.proto != "" && (b.proto != "" && a.proto != b.proto || a.proto == b.notProto), b.proto != "" && a.notProto == b.proto,
		a.dst.IsValid() && b.dst.IsValid() && !a.dst.Overlaps(b.dst),
		a.in != "" && b.in != "" && !coversInterface(a.in, b.in) && !coversInterface(b.in, a.in),
		a.out != "" && b.out != "" && !coversInterface(a.out, b.out) && !coversInterface(b.out, a.out):
		return false
	}
	return portsOverlap(a.dports, b.dports) && portsOverlap(a.sports, b.sports)
}

func portsOverlap(a, b []PortRange) bool {
	if a == nil || b == nil {
		return true
	}
	return slices.ContainsFunc(a, func(p PortRange) bool {
		return slices.ContainsFunc(b, p.Overlaps)
	})
}
