package iptwalk

import "slices"

// tracking is what is known of a packet's connection from the rules it has passed. A packet that
// begins a connection has the state NEW once the kernel has looked for its connection, between
// raw and mangle. In raw it has none yet, and matches there as INVALID.
type tracking int

const (
	plain     tracking = iota
	untracked          // raw has removed it from tracking: it stays UNTRACKED
	templated          // raw has set how to track it, by "-j CT": it is NEW from then on
	unclear            // any of those
)

// states returns those that a packet that begins a connection may have in a table, or with back its
// answer.
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
	case back: // not tracked as it came in, so the answer begins a connection
		return []string{fresh, "NEW", "ESTABLISHED", "UNTRACKED"}
	}
	return []string{fresh, "NEW", "UNTRACKED"}
}

// askedState are states of a connection that a rule asks for.
type askedState struct {
	states []string
	not    bool
}

// of returns how many packets in a table have one of the states. dnat is how many of them nat has
// sent elsewhere; see [trace.sentElsewhere].
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

// tracked returns the tracking after "-j CT" or "-j NOTRACK", for all packets or only some. A packet
// that is UNTRACKED or has a template stays so (see xt_ct_target in the kernel).
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

// sentElsewhere returns how many packets have the state DNAT: nat has sent them to another port or
// host.
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
