package iptwalk

import "slices"

// tracking is what is known of the connection that a packet belongs to, by the rules that
// it has come through. A packet that begins something has the state NEW once the kernel
// has looked for its connection, which it does between raw and mangle. In raw it has none,
// and matches there as INVALID.
type tracking int

const (
	plain     tracking = iota
	untracked          // raw has taken it out: it stays UNTRACKED
	templated          // raw has told the kernel how to track it, by "-j CT": it is NEW from then on
	unclear            // any of those
)

// states are those that a packet may have in a table: one that begins something, or back,
// its answer.
func (t tracking) states(table string, back bool) []string {
	fresh := "NEW"
	if back {
		fresh = "ESTABLISHED"
	}
	if table == "raw" {
		fresh = "INVALID"
	}
	switch {
	case t == plain:
		return []string{fresh}
	case t == untracked:
		return []string{"UNTRACKED"}
	case t == templated && !back:
		return []string{"NEW"}
	case back: // what was not tracked as it came in begins something as it goes out
		return []string{fresh, "NEW", "ESTABLISHED", "UNTRACKED"}
	}
	return []string{fresh, "NEW", "UNTRACKED"}
}

// askedState are states of a connection that a rule asks for.
type askedState struct {
	states []string
	not    bool
}

// of is how many of the packets of a table have one of the states. dnat is how many nat has
// sent elsewhere, as of [trace.sentElsewhere].
func (a askedState) of(t tracking, table string, back bool, dnat Share) Share {
	share := NoneOf
	asked := func(s string) bool { return slices.Contains(a.states, s) }
	switch of := t.states(table, back); {
	case !slices.ContainsFunc(of, func(s string) bool { return !asked(s) }), asked("DNAT") && dnat == AllOf:
		share = AllOf
	case slices.ContainsFunc(of, asked), asked("DNAT") && dnat != NoneOf, table != "raw" && asked("SNAT"):
		share = Unknown
	}
	if a.not {
		return share.negated()
	}
	return share
}

// tracked is what "-j CT" and "-j NOTRACK" make of packets, all of them or only some. What
// is UNTRACKED or has a template already stays so (see xt_ct_target in the kernel).
func (t tracking) tracked(r *asks, all bool) tracking {
	to := templated
	if r.target == "NOTRACK" || slices.Contains(r.options, "--notrack") {
		to = untracked
	}
	switch {
	case t == untracked || t == templated || t == to:
		return t
	case t == plain && all:
		return to
	}
	return unclear
}

// sentElsewhere is how many of the packets have the state DNAT, which nat has sent to another
// port or host.
func (t *trace) sentElsewhere() Share {
	switch {
	case t.forwarded || t.along.isBack() && t.table != "raw":
		return Unknown
	case t.early || t.table == "raw": // before nat
		return NoneOf
	case t.turned:
		return AllOf
	case t.others.Translates || Translates(t.saved):
		return Unknown
	}
	return NoneOf
}
