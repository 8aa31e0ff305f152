package iptwalk

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/portrange"
)

// A DropPlace is a rule on the way of packets for this host, or for the containers on it, that
// asks for the source and drops or rejects what comes from there.
type DropPlace struct {
	Table, Chain string
	Rule         string       // the one that names the source, without "-A CHAIN"
	Ours         bool         // it is voipbl's
	Set          string       // that it asks for the source
	Entry        netip.Prefix // the entry of the set, or what the rule says itself
	Rejected     bool         // the sender is told
	Forwarded    bool         // packets for this host do not come here: those for containers do
	Early        bool         // all packets come here, before it is known who they are for
	Part         bool         // only some addresses of those asked about
	Only         []string     // only these packets, such as "udp 5060:5061"; empty for all
	But          []string     // rules above that let some of these packets in, each as "-A CHAIN RULE"
	Certain      bool         // each such packet is dropped
	In           string       // only what comes in by this interface; empty for any

	// Then is the rule or policy, for anybody, that ends the packets which Rule has sent
	// there, or, if it has Missed them, which it has not let in as it does a stranger's.
	// It is empty if Rule does so itself.
	Then   string
	Missed bool

	Packets, Bytes uint64 // that the rule has counted, of whoever
}

// Places are where packets of a source are dropped or may be. What closes a port to
// everybody, and what limits everybody alike, is none. With cut there may be more: there
// are too many ways through the rules to follow them all. They are those of packets to all
// ports, or of what nat sends from some of them to another one.
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

// only are the packets of a way, in words: those that a set names, of the rule's protocol,
// or those of the box.
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

// drop keeps a place where packets end, unless all of them have gone elsewhere before.
func (t *trace) drop(w way, rejected bool) {
	p := w.named.place
	p.Rejected, p.Forwarded, p.Early = rejected, t.forwarded, t.early
	p.Part, p.Certain = w.share == SomeOf, w.share != Unknown
	if p.Only = w.only(); w.in != t.packets.in { // they come by that one
		p.In = w.in
	}
	if w.sports != nil || len(w.limits) > 0 && (w.dports != nil || w.dst.IsValid() || w.out != "") {
		p.Certain = false // of a sender's ports, or of what the set and the rule both name, little is known
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
		case e.matters(): // perhaps some of them: those below a limit, say
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

// matters reports whether packets that go another way can be a caller's: not those of the
// network itself, such as pings, DHCP and what is for groups of hosts.
func (e exit) matters() bool {
	if e.proto != "" && !slices.Contains([]string{"tcp", "udp", "sctp"}, e.proto) || e.dst.IsValid() && (e.dst.Addr().IsMulticast() || e.dst.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255})) {
		return false
	}
	return e.dports == nil || slices.ContainsFunc(e.dports, func(p PortRange) bool {
		return p.First != p.Last || !slices.Contains([]uint16{67, 68, 546, 547}, p.First)
	})
}

// words say what packets a box is of, apart from where they come from; none for all.
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

// overlaps reports whether a packet may be in both boxes, whatever their sources.
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
