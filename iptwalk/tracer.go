package iptwalk

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/internal/portrange"
	"github.com/voipbl/voipbl/internal/steps"
	"github.com/voipbl/voipbl/iptables"
)

// maxSteps bounds the rules that are looked at for one source. Following its packets to 300
// different ports through 5,000 rules takes less. The bound is for chains that each call the
// next one twice.
const maxSteps = 1 << 20

// Tracer finds out where packets of sources are dropped by the rules of one family in one backend.
// It reads each rule once.
type Tracer struct {
	saved  *iptables.Saved
	in     Sources
	read   map[place][]asks
	met    map[netip.Prefix]map[place]*metChain // by source
	kinds  map[kindsOf]*portrange.Index
	known  map[affected]Others
	left   *steps.Left
	others Others
	along  Along
}

// NewTracer reads the rules.
func NewTracer(s *iptables.Saved, in Sources) *Tracer {
	return &Tracer{
		saved: s, in: in, read: make(map[place][]asks), met: make(map[netip.Prefix]map[place]*metChain),
		kinds: make(map[kindsOf]*portrange.Index), known: make(map[affected]Others),
	}
}

// Within returns a tracer that takes its steps from left. When none are left, it stops as at its
// own bound.
func (t *Tracer) Within(left *steps.Left) *Tracer {
	within := *t
	within.left = left
	return &within
}

// Asking returns a tracer of the same rules with other sets and lists.
func (t *Tracer) Asking(in Sources) *Tracer {
	asking := NewTracer(t.saved, in)
	asking.read, asking.along, asking.left = t.read, t.along, t.left
	return asking
}

// Behind returns a tracer for packets that other rules may have changed before.
func (t *Tracer) Behind(o Others) *Tracer {
	behind := *t
	behind.others = o
	return &behind
}

// Others is what rules outside the tracer may have done to packets before: the kernel keeps one
// connection and one mark for all rules.
type Others struct {
	Untracks bool // removed them from connection tracking, or changed how they are tracked
	Marks    bool // marked them by their source
	Apart    bool // tracked a stranger's packets otherwise than these

	// Translates means that they may have sent packets to another port or host.
	Translates bool
}

// Affects returns what these rules may do, that matters to other rules, to packets of a source, or
// without one to a stranger's.
func (t *Tracer) Affects(source netip.Prefix) (o Others) {
	of := affected{source, t.others}
	if known, yes := t.known[of]; yes {
		return known
	}
	o = t.affects(source)
	if !t.left.Out() {
		t.known[of] = o
	}
	return o
}

// affected is what the answers of [Tracer.Affects] are kept by.
type affected struct {
	source netip.Prefix
	others Others
}

func (t *Tracer) affects(source netip.Prefix) (o Others) {
	v := t.view(source)
	theirs := v.run(packets{stranger: true})
	for i, tr := range v.run(packets{stranger: !source.IsValid()}) {
		o.Untracks = o.Untracks || tr.tracking != plain
		o.Marks = o.Marks || tr.marked
		o.Apart = o.Apart || tr.tracking != theirs[i].tracking
	}
	if v.cut() {
		o = Others{Untracks: true, Marks: true, Apart: true}
	}
	o.Translates = Translates(t.saved)
	return o
}

func (t *Tracer) rules(at place) []asks {
	rules, known := t.read[at]
	if !known {
		for i, r := range t.saved.Rules(at.table, at.chain) {
			for _, a := range readEach(r.Text, t.along.isBack()) {
				a.ours, a.isChain = iptables.IsOurs(at.chain, r.Text), t.saved.HasChain(at.table, a.target)
				a.index, a.line = i, "-A "+at.chain+" "+r.Text
				rules = append(rules, a)
			}
		}
		t.read[at] = rules
	}
	return rules
}

// view is the rules that packets of one source, or a stranger's, can match; all others are left
// out. Without a source, there is only the stranger.
type view struct {
	*Tracer
	source netip.Prefix
	met    map[place]*metChain
	steps  int // taken so far
}

// goOn takes a step, and reports whether there was one left.
func (v *view) goOn() bool {
	if v.steps++; v.steps > maxSteps {
		v.left.End()
		return false
	}
	return v.left.Take(1)
}

// cut reports whether not everything was followed.
func (v *view) cut() bool { return v.steps > maxSteps || v.left.Out() }

// met is a rule, and its answer as long as no rule above changes a set.
type met struct {
	*asks
	known bool
	here  answer
}

// answer says how many packets of the source and of a stranger a rule matches, by what it asks for
// the source, and what names them.
type answer struct {
	share, other Share
	member       SetMember
	set          string
}

func (t *Tracer) view(source netip.Prefix) *view {
	if t.met[source] == nil {
		t.met[source] = make(map[place]*metChain)
	}
	return &view{Tracer: t, source: source, met: t.met[source]}
}

// chain returns the part of a chain that packets meet.
func (v *view) chain(at place) *metChain {
	c := v.met[at]
	if c == nil {
		c = &metChain{}
		rules := v.rules(at)
		v.left.Take(len(rules))
		for i := range rules {
			r := &rules[i]
			share := NoneOf
			if v.source.IsValid() {
				share, _ = r.byAddress(v.source)
			}
			if share != NoneOf || r.meetsStranger() {
				c.rules = append(c.rules, met{asks: r})
			}
		}
		v.met[at] = c
	}
	return c
}

// answer evaluates a rule. in are the sets and lists, if a rule above has changed some.
func (v *view) answer(m *met, in *Sources) answer {
	if in != nil && len(m.sets)+len(m.lists) > 0 {
		return v.ask(m.asks, *in)
	}
	if !m.known {
		m.here, m.known = v.ask(m.asks, v.in), true
	}
	return m.here
}

func (v *view) ask(r *asks, in Sources) (a answer) {
	if v.source.IsValid() {
		a.share, a.member, a.set = r.of(v.source, in)
	}
	a.other = r.ofStranger(v.source, in)
	return a
}

// packets are those that are followed, of a view's source or of a stranger.
type packets struct {
	box
	sent     *box // packets that are sent on are then in this box; nil: in the same
	turned   bool // packets for this host are then in that box, too
	away     bool // they are followed through PREROUTING alone
	stranger bool
	ends     bool // only where they end is asked, and not which places are about the source

	here    []netip.Addr    // the addresses of this host that they may be for; none if not known
	theirs  bool            // leave out voipbl's rules
	without map[string]bool // leave out these rules and policies, each as "TABLE LINE"
}

// run follows packets through each table.
func (v *view) run(of packets) (all []*trace) {
	v.left.Take(len(v.along.ways()))
	p := &passage{marked: v.others.Marks, added: make(map[string][]box)}
	if v.others.Untracks && !(v.others.Apart && of.stranger) {
		p.tracking = unclear
	}
	routed := p // as the packets are after routing
	for _, w := range v.along.ways() {
		switch {
		case w.at.chain == "PREROUTING":
		case routed == p, w.forwarded && !all[len(all)-1].forwarded:
			p = routed.fork()
		}
		tr := &trace{view: v, passage: p, packets: of, table: w.at.table, forwarded: w.forwarded, early: w.at.chain == "PREROUTING" && !w.forwarded}
		if of.sent != nil && (w.forwarded || of.turned && !tr.early) {
			tr.box = *of.sent
		}
		tr.through(w.at)
		all = append(all, tr)
	}
	return all
}

// through follows packets through a chain of the kernel, including its policy.
func (t *trace) through(at place) {
	ended := t.walk(at.chain, way{box: t.box, share: AllOf}, 0)
	policy, drop := policy(t.saved, at), "-P "+at.chain+" DROP"
	if t.without[at.table+" "+drop] {
		policy = "ACCEPT"
	}
	t.mayPass = len(t.letIn) > 0 || !ended && policy != "DROP" || t.cut()
	if !ended && policy == "DROP" {
		t.closes, t.end = true, drop
		t.ender, t.endsIn, t.endBySource = nil, at.chain, false
		t.trail = append(t.trail, step{t.end, true})
	}
	t.by = t.parted
}

func policy(s *iptables.Saved, at place) string {
	if c := s.Tables[at.table][at.chain]; c != nil {
		return c.Policy
	}
	return ""
}

// passage is what the rules have done to packets so far, table after table.
type passage struct {
	tracking tracking
	marked   bool             // by their source
	parted   *DropPlace       // the last rule that treats the source and a stranger differently
	added    map[string][]box // sets and lists that packets were added to, and which packets
}

func (p *passage) fork() *passage {
	forked := *p
	forked.added = maps.Clone(p.added)
	for name, boxes := range forked.added {
		forked.added[name] = slices.Clip(boxes)
	}
	return &forked
}
