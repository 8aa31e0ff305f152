package nft

// lookedUp tells whether the kernel has looked for the connection before a base chain.
func (c *Chain) lookedUp() truth {
	switch {
	case c.Hook == Ingress, (c.Hook == Prerouting || c.Hook == Output) && c.Priority < priorityConntrack:
		return no
	case (c.Hook == Prerouting || c.Hook == Output) && c.Priority == priorityConntrack:
		return perhaps
	}
	return yes
}

// priorityConntrack is NF_IP_PRI_CONNTRACK.
const priorityConntrack = -200

// state is what "ct state" is, in a base chain where the connection has been looked for or
// not, of what begins a connection or of an answer. It is unknown if that is not known.
func (t tracking) state(lookedUp truth, answer bool) span {
	switch {
	case answer && t == plain && lookedUp == yes:
		return exactly(native32(ctStateEstablished)...)
	case answer && t == templated:
		return span{}
	case t == untracked:
		return exactly(native32(ctStateUntracked)...)
	case t == templated, t == plain && lookedUp == yes:
		return exactly(native32(ctStateNew)...)
	case t == plain && lookedUp == no:
		return exactly(native32(ctStateInvalid)...)
	}
	return span{}
}

// settled are the packets as they may be where it is not known how their connection is
// tracked, or whether it has been looked for: one for each state that they may have.
func (p Packet) settled() (all []Packet) {
	ways := []tracking{p.tracking}
	switch {
	case p.Answers && (p.tracking == unclear || p.tracking == templated):
		// What was not tracked as it came in begins something as it goes out.
		ways = []tracking{plain, untracked}
		begins := p
		begins.tracking, begins.Answers = plain, false
		all = append(all, begins)
	case p.tracking == unclear:
		ways = []tracking{plain, untracked, templated}
	}
	for _, p.tracking = range ways {
		looked := []truth{p.lookedUp}
		if p.lookedUp == perhaps && p.tracking == plain {
			looked = []truth{no, yes}
		}
		for _, p.lookedUp = range looked {
			all = append(all, p)
		}
	}
	return all
}

// become is the state after a rule that takes packets out, or says how they are tracked:
// all or some of them. It comes too late for those whose connection is known.
func (t tracking) become(to tracking, lookedUp truth, all bool) tracking {
	switch {
	case lookedUp == yes, t == to, t == templated:
		return t
	case t == plain && lookedUp == no && all:
		return to
	}
	return unclear
}
