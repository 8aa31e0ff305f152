package iptwalk

import (
	"net/netip"
	"slices"
	"strings"
)

// trace is the way of packets through one table.
type trace struct {
	*view
	*passage
	packets
	table     string
	forwarded bool
	early     bool   // it is PREROUTING
	letIn     []exit // packets that have been let through the table
	found     []DropPlace

	closes  bool       // a rule or policy for anybody may drop some
	mayPass bool       // some may come through the table
	end     string     // the last rule that may drop some, as "-A CHAIN RULE", or the policy
	ender   *asks      // that rule; nil for the policy
	endsIn  string     // its chain
	trail   []step     // what may have ended some of the packets
	by      *DropPlace // the last rule that told the source from a stranger, here or before

	endBySource bool // the end is because of the source
}

// step is a rule or policy that may have ended packets, and whether it ended all.
type step struct {
	line string
	all  bool
}

// way is the packets that reach a rule.
type way struct {
	box
	share  Share
	named  *naming // the rule on the way that asked for the source last
	listed bool    // a rule on the way asked for a set or a list
	limits []string
	back   []exit // packets that returned to a chain above, or to the policy
}

// naming is a rule that asks for the source, and the packets that reached it.
type naming struct {
	way
	place       DropPlace
	letIn, back int // the number of exits at that point
}

// someNaming stands for any such rule, when nobody asks which.
var someNaming naming

// exit is packets that leave the way.
type exit struct {
	box
	rule string // as "-A CHAIN RULE"
	sure bool
	by   *asks // that rule, where the table is left
}

// walk follows packets through a chain, and reports whether none leaves it at its end.
func (t *trace) walk(chain string, w way, depth int) (ended bool) {
	if depth == maxDepth {
		return false
	}
	back := len(w.back)
	for r := range t.chain(place{t.table, chain}).of(w.dports) {
		if !t.goOn() {
			return false
		}
		asked, holds := t.asked(r, w)
		if r.in == "lo" && !t.source.Addr().IsLoopback() || holds == NoneOf || !overlaps(asked, w.box) || t.leftOut(r) {
			continue
		}
		here := w
		here.box = asked.within(w.box)
		here.src = netip.Prefix{}
		got := t.answer(r, t.changed(here.box))
		state := r.state(t.tracking, t.table, t.along.isBack(), t.sentElsewhere())
		theirs := state
		if t.others.Apart && len(r.states) > 0 {
			theirs = r.state(plain, t.table, t.along.isBack(), t.sentElsewhere()) // as for a stranger whom other rules leave alone
		}
		share, other := got.share.both(state), got.other.both(theirs)
		if share != other && r.target != "" && (t.parted == nil || !passive(r.target)) {
			t.parted = t.placeOf(chain, r, got)
			t.parted.Missed = share == NoneOf
		}
		if t.stranger {
			share, got.member = got.other.both(state), SetMember{}
		}
		if share == NoneOf {
			continue
		}
		here.share = w.share.both(share).both(holds)
		if !r.exact {
			here.share = here.share.both(Unknown)
		}
		t.note(r.asks, here)
		if r.target == "" {
			continue
		}
		direct := !t.stranger && (r.about(w.dports == nil) || r.marks && t.marked)
		if direct {
			if here.named = &someNaming; !t.ends {
				here.named = &naming{way: here, letIn: len(t.letIn), back: len(w.back), place: *t.placeOf(chain, r, got)}
			}
		}
		if direct && len(got.member.Limits) > 0 {
			here.limits = got.member.Limits
		}
		here.listed = here.listed || len(r.sets)+len(r.lists) > 0
		sure := here.share == AllOf && len(here.limits) == 0
		all := sure && here.box.covers(w.box)
		if (!r.isChain || r.goTo) && !passive(r.target) {
			t.trail = append(t.trail, step{r.line, all})
		}
		switch f := fateOf(r.target); {
		case f == accepted:
			t.letIn = append(t.letIn, exit{here.box, r.line, sure, r.asks})
			ended = all
		case f == closed || r.target == "TARPIT":
			if here.named != nil && !t.ends && (direct || t.endsAll(here)) {
				t.drop(here, r.target != "DROP")
			}
			t.closes, t.end, ended = t.closes || !direct, r.line, all
			t.ender, t.endsIn, t.endBySource = r.asks, chain, here.named != nil || here.listed
		case r.target == "RETURN":
			w.back = append(w.back[:len(w.back):len(w.back)], exit{here.box, r.line, sure, nil})
			if all {
				return false
			}
		case r.isChain:
			ended = t.walk(r.target, here, depth+1) && all
			if r.goTo && all && !ended {
				return false
			}
			if r.goTo && !all { // packets that come back go on in the chain above
				w.back = append(w.back[:len(w.back):len(w.back)], exit{here.box, r.line, false, nil})
			}
		case r.target == "CT" || r.target == "NOTRACK":
			everything := sure && here.box.covers(t.box)
			t.tracking = t.tracking.tracked(r.asks, everything && len(t.letIn)+len(w.back) == 0)
		case !passive(r.target): // another program decides, such as by NFQUEUE
			t.letIn = append(t.letIn, exit{here.box, r.line, sure && translates(r.target), r.asks})
			ended = all && translates(r.target)
		}
		if ended {
			return len(w.back) == back
		}
	}
	return false
}

// asked returns the packets of the way that a rule asks for, apart from their source and its
// negated matches, and for how many of them it holds.
func (t *trace) asked(r *met, w way) (b box, share Share) {
	b, share = r.box, AllOf
	if r.local && t.forwarded {
		return b, NoneOf
	}
	if b.dst.IsValid() {
		switch of := t.forThis(b.dst); {
		case of == AllOf:
			b.dst = netip.Prefix{}
		case of == NoneOf && !t.early:
			return b, NoneOf
		}
	}
	if r.notDst.IsValid() {
		share = t.forThis(r.notDst).negated()
	}
	if r.notOut != "" && t.forwarded {
		share = share.both(Unknown)
	}
	switch {
	case r.notIn == "", w.in != "" && !strings.HasSuffix(w.in, "+") && !coversInterface(r.notIn, w.in):
		return b, share
	case w.in != "" && coversInterface(r.notIn, w.in):
		return b, NoneOf
	}
	return b, share.both(Unknown)
}

// forThis returns how many packets are for an address or network, whichever of this host's
// addresses they were sent to.
func (t *trace) forThis(dst netip.Prefix) Share {
	var some, others bool
	for _, a := range t.here {
		if a.Is6() == dst.Addr().Is6() {
			some, others = some || dst.Contains(a), others || !dst.Contains(a)
		}
	}
	switch {
	case t.forwarded, some == others:
		return Unknown
	case some:
		return AllOf
	}
	return NoneOf
}

// leftOut reports whether packets are followed as if the rule were not there.
func (t *trace) leftOut(r *met) bool {
	return t.theirs && r.ours || len(t.without) > 0 && t.without[t.table+" "+r.line]
}

// placeOf returns a rule as a place, by its answer.
func (t *trace) placeOf(chain string, r *met, got answer) *DropPlace {
	saved := t.saved.Rules(t.table, chain)[r.index]
	return &DropPlace{
		Table: t.table, Chain: chain, Rule: r.text, Ours: r.ours, Set: got.set, Entry: got.member.Entry,
		Packets: saved.Packets, Bytes: saved.Bytes,
	}
}

// note records what a rule does to packets besides sending them somewhere.
func (t *trace) note(r *asks, here way) {
	if strings.HasSuffix(r.target, "MARK") && (here.named != nil || r.about(here.dports == nil)) {
		t.marked = true
	}
	for _, name := range r.adds {
		t.added[name] = append(t.added[name], here.box)
	}
}

// changed returns the sets and lists as they are for some packets: if a rule above adds packets to
// one, or removes them from it, its content is not known. It returns nil if none has changed.
func (t *trace) changed(of box) *Sources {
	if len(t.added) == 0 {
		return nil
	}
	changed := func(name string) bool {
		return slices.ContainsFunc(t.added[name], func(b box) bool { return overlaps(b, of) })
	}
	return &Sources{
		Set: func(of SetMatch, q netip.Prefix) SetMember {
			if changed(of.Name) {
				return SetMember{Share: Unknown}
			}
			return t.Tracer.in.Set(of, q)
		},
		Recent: func(name string, q netip.Prefix) Share {
			if changed(recentPrefix + name) {
				return Unknown
			}
			return t.Tracer.in.Recent(name, q)
		},
	}
}

// endsAll reports whether a rule for anybody ends all packets that the rule before it sent there
// because of their source. If not, that rule does not count as one about the source: a network
// may have its own rules, which let in some packets and drop the rest.
func (t *trace) endsAll(w way) bool {
	n := w.named
	return w.share == n.share && w.box.covers(n.box) && len(t.letIn) == n.letIn && len(w.back) == n.back
}
