package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
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

// Whole reports whether each packet that begins something is dropped for certain,
// from all addresses that were asked about, to all ports of this host.
func (p DropPlace) Whole() bool {
	return p.Certain && !p.Part && !p.Forwarded && len(p.Only)+len(p.But) == 0
}

// maxSteps bounds the rules that are looked at for one source. 20,000 rules are more than
// the kernel gets through in good time, but chains can call each other twice each.
const maxSteps = 1 << 20

// Tracer finds out where packets of sources are dropped by the rules of one family in one
// backend. Each rule is read once.
type Tracer struct {
	saved  *Saved
	in     Sources
	read   map[place][]asks
	others Others
}

// NewTracer reads the rules.
func (s *Saved) NewTracer(in Sources) *Tracer {
	return &Tracer{saved: s, in: in, read: make(map[place][]asks)}
}

// Behind is a tracer for packets that other rules may have changed before.
func (t *Tracer) Behind(o Others) *Tracer {
	behind := *t
	behind.others = o
	return &behind
}

// Places are where packets of a source are dropped or may be. What closes a port to
// everybody, and what limits everybody alike, is none.
func (t *Tracer) Places(source netip.Prefix) []DropPlace {
	var all []DropPlace
	byDefault := false
	for _, tr := range t.run(source, box{}, false) {
		all = append(all, tr.found...)
		byDefault = byDefault || tr.closes && tr.parted != nil
	}
	if byDefault {
		all = append(all, t.byDefault(source, all)...)
	}
	return all
}

// Others is what other rules than those of a tracer may have done to packets before they
// come to these: the kernel keeps one connection and one mark for all.
type Others struct {
	Untracks bool // they may have taken them out of the tracking of connections, or changed how they are tracked
	Marks    bool // they may have marked them by their source
}

// Affects is what these rules may do to packets of a source, for other rules.
func (t *Tracer) Affects(source netip.Prefix) (o Others) {
	for _, tr := range t.run(source, box{}, false) {
		o.Untracks = o.Untracks || tr.tracking != plain
		o.Marks = o.Marks || tr.marked
	}
	return o
}

// waysIn are the chains that packets come through, in their order.
var waysIn = []struct {
	at        place
	forwarded bool
}{
	{place{"raw", "PREROUTING"}, false}, {place{"mangle", "PREROUTING"}, false},
	{place{"mangle", "INPUT"}, false}, {place{"filter", "INPUT"}, false},
	{place{"security", "INPUT"}, false},
	{place{"mangle", "FORWARD"}, true}, {place{"filter", "FORWARD"}, true}, {place{"security", "FORWARD"}, true},
}

// run follows packets of a source through each table; see trace.stranger.
func (t *Tracer) run(source netip.Prefix, of box, stranger bool) []*trace {
	var all []*trace
	p := &passage{marked: t.others.Marks, added: make(map[string][]box)}
	if t.others.Untracks {
		p.tracking = unclear
	}
	for _, w := range waysIn {
		tr := &trace{Tracer: t, passage: p, table: w.at.table, source: source, forwarded: w.forwarded, stranger: stranger}
		ended := tr.walk(w.at.chain, way{box: of, share: AllOf}, 0)
		policy := t.saved.policy(w.at)
		tr.mayPass = len(tr.letIn) > 0 || !ended && policy != "DROP"
		if !ended && policy == "DROP" {
			tr.closes, tr.end = true, "-P "+w.at.chain+" DROP"
			tr.trail = append(tr.trail, tr.end)
		}
		all = append(all, tr)
	}
	return all
}

func (s *Saved) policy(at place) string {
	if c := s.tables[at.table][at.chain]; c != nil {
		return c.policy
	}
	return ""
}

func (t *Tracer) rules(at place) []asks {
	rules, known := t.read[at]
	if !known {
		for _, r := range t.saved.rules(at.table, at.chain) {
			rules = append(rules, readAsks(r.text))
		}
		t.read[at] = rules
	}
	return rules
}

// passage is what the rules have made of packets so far, table after table.
type passage struct {
	tracking tracking
	marked   bool             // by their source
	parted   *DropPlace       // the last rule that is about the source and not about a stranger, or the reverse
	added    map[string][]box // sets and lists that they were put into, and which packets were
}

// trace is the way of one source's packets through one table.
type trace struct {
	*Tracer
	*passage
	table     string
	source    netip.Prefix
	forwarded bool
	letIn     []exit // what ends the way through the table
	found     []DropPlace
	steps     int

	// stranger is that the packets are not the source's but those of somebody whom no
	// rule and no set names.
	stranger bool

	closes  bool     // a rule or policy that is for anybody may drop some
	mayPass bool     // some may come through the table
	end     string   // the last rule that may drop some, as "-A CHAIN RULE", or the policy
	trail   []string // what may have ended the way of some, and whether of all
}

// way is the packets that come to a rule.
type way struct {
	box
	share  Share
	named  *naming // the rule on the way that asked for the source last
	limits []string
	back   []exit // what has gone back to a chain above, or to the policy
}

// naming is a rule that asks for the source, as it was come to.
type naming struct {
	way
	place       DropPlace
	letIn, back int // how many exits there were
}

// exit is packets that go another way.
type exit struct {
	box
	rule string // as "-A CHAIN RULE"
	sure bool
}

// walk follows packets through a chain, and reports whether none comes out of it.
func (t *trace) walk(chain string, w way, depth int) (ended bool) {
	if depth == maxDepth {
		return false
	}
	at := place{t.table, chain}
	saved := t.saved.rules(t.table, chain)
	back := len(w.back)
	for i := range t.rules(at) {
		r := &t.read[at][i]
		if t.steps++; t.steps > maxSteps {
			return false
		}
		if r.in == "lo" && !t.source.Addr().IsLoopback() || !overlaps(r.box, w.box) {
			continue
		}
		within := r.box.within(w.box)
		within.src = netip.Prefix{}
		share, member, set := r.of(t.source, t.sources(within))
		share = share.both(r.state(t.tracking, t.table))
		other := r.ofStranger(t.source, t.sources(within)).both(r.state(t.tracking, t.table))
		place := DropPlace{
			Table: t.table, Chain: chain, Rule: r.text, Ours: isOurs(chain, r.text), Set: set, Entry: member.Entry,
			Packets: saved[i].packets, Bytes: saved[i].bytes,
		}
		if share != other && r.target != "" && (t.parted == nil || !passive(r.target)) {
			t.parted = &place
			t.parted.Missed = share == NoneOf
		}
		if t.stranger {
			share, member = other, SetMember{}
		}
		if share == NoneOf {
			continue
		}
		here := w
		here.box, here.share = within, w.share.both(share)
		if !r.exact {
			here.share = here.share.both(Unknown)
		}
		t.note(r, here)
		if r.target == "" {
			continue
		}
		direct := !t.stranger && (r.about(w.dports == nil) || r.marks && t.marked)
		if direct {
			here.named = &naming{way: here, letIn: len(t.letIn), back: len(w.back), place: place}
			if len(member.Limits) > 0 {
				here.limits = member.Limits
			}
		}
		all := here.share == AllOf && len(here.limits) == 0 && here.box.covers(w.box)
		line := "-A " + chain + " " + r.text
		if r.target != "" && !passive(r.target) && !t.saved.HasChain(t.table, r.target) {
			t.trail = append(t.trail, fmt.Sprint(line, all))
		}
		switch f := fateOf(r.target); {
		case f == accepted:
			t.letIn = append(t.letIn, exit{here.box, line, here.share == AllOf && len(here.limits) == 0})
			ended = all
		case f == closed || r.target == "TARPIT":
			if here.named != nil && (direct || t.endsAll(here)) {
				t.drop(here, r.target != "DROP")
			}
			t.closes, t.end, ended = t.closes || !direct, line, all
		case r.target == "RETURN":
			w.back = append(w.back[:len(w.back):len(w.back)], exit{here.box, line, here.share == AllOf && len(here.limits) == 0})
			if all {
				return false
			}
		case t.saved.HasChain(t.table, r.target):
			ended = t.walk(r.target, here, depth+1) && all
			if r.goTo && all && !ended {
				return false
			}
			if r.goTo && !all { // what comes back from there goes on in the chain above
				w.back = append(w.back[:len(w.back):len(w.back)], exit{here.box, line, false})
			}
		case r.target == "CT" || r.target == "NOTRACK":
			everything := here.share == AllOf && len(here.limits) == 0 && here.box.covers(box{})
			t.tracking = t.tracking.tracked(r, everything && len(t.letIn)+len(w.back) == 0)
		case !passive(r.target): // what another program decides, such as NFQUEUE
			t.letIn = append(t.letIn, exit{here.box, line, false})
		}
		if ended {
			return len(w.back) == back
		}
	}
	return false
}

// note remembers what a rule does to packets beside sending them anywhere.
func (t *trace) note(r *asks, here way) {
	if strings.HasSuffix(r.target, "MARK") && (here.named != nil || r.about(here.dports == nil)) {
		t.marked = true
	}
	for _, name := range r.adds {
		t.added[name] = append(t.added[name], here.box)
	}
}

// sources are the sets and lists as they are for some packets: of one that a rule above
// puts packets into, or takes them out of, nothing is known.
func (t *trace) sources(of box) Sources {
	changed := func(name string) bool {
		return slices.ContainsFunc(t.added[name], func(b box) bool { return overlaps(b, of) })
	}
	return Sources{
		Set: func(name string, by []string, q netip.Prefix) SetMember {
			if changed(name) {
				return SetMember{Share: Unknown}
			}
			return t.in.Set(name, by, q)
		},
		Recent: func(name string, q netip.Prefix) Share {
			if changed(recentPrefix + name) {
				return Unknown
			}
			return t.in.Recent(name, q)
		},
	}
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

// endsAll reports whether a rule that is about anybody ends all the packets that the rule
// before it sent there because of their source. Else that is no rule about the source: a
// network has rules of its own, which let in some of it and keep out the rest.
func (t *trace) endsAll(w way) bool {
	n := w.named
	return w.share == n.share && w.box.covers(n.box) && len(t.letIn) == n.letIn && len(w.back) == n.back
}

// drop keeps a place where packets end, unless all of them have gone elsewhere before.
func (t *trace) drop(w way, rejected bool) {
	p := w.named.place
	p.Rejected, p.Forwarded = rejected, t.forwarded
	p.Part, p.Certain = w.share == SomeOf, w.share != Unknown
	p.Only, p.In = w.only(), w.in
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
	case a.proto != "" && b.proto != "" && a.proto != b.proto,
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
		return slices.ContainsFunc(b, func(q PortRange) bool { return p.First <= q.Last && q.First <= p.Last })
	})
}
