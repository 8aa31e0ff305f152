package nftwalk

import "github.com/voipbl/voipbl/nft"

// lookedUp tells whether the kernel has looked for the connection before a base chain.
func lookedUp(c *nft.Chain) truth {
	switch {
	case c.Hook == nft.Ingress, (c.Hook == nft.Prerouting || c.Hook == nft.Output) && c.Priority < priorityConntrack:
		return no
	case (c.Hook == nft.Prerouting || c.Hook == nft.Output) && c.Priority == priorityConntrack:
		return perhaps
	}
	return yes
}

// priorityConntrack is NF_IP_PRI_CONNTRACK.
const priorityConntrack = -200

// ctState is what "ct state" is, in a base chain where the connection has been looked for or
// not, of what begins a connection or of an answer. It is unknown if that is not known.
func ctState(t nft.Tracking, lookedUp truth, answer bool) span {
	switch {
	case answer && t == nft.Tracked && lookedUp == yes:
		return exactly(nft.Native32(nft.CTStateEstablished)...)
	case answer && t == nft.Templated:
		return span{}
	case t == nft.Untracked:
		return exactly(nft.Native32(nft.CTStateUntracked)...)
	case t == nft.Templated, t == nft.Tracked && lookedUp == yes:
		return exactly(nft.Native32(nft.CTStateNew)...)
	case t == nft.Tracked && lookedUp == no:
		return exactly(nft.Native32(nft.CTStateInvalid)...)
	}
	return span{}
}

// settled are the packets as they may be where it is not known how their connection is
// tracked, or whether it has been looked for: one for each state that they may have.
func (p Packet) settled() (all []Packet) {
	ways := []nft.Tracking{p.tracking}
	switch {
	case p.Answers && (p.tracking == nft.MaybeTracked || p.tracking == nft.Templated):
		// What was not tracked as it came in begins something as it goes out.
		ways = []nft.Tracking{nft.Tracked, nft.Untracked}
		begins := p
		begins.tracking, begins.Answers = nft.Tracked, false
		all = append(all, begins)
	case p.tracking == nft.MaybeTracked:
		ways = []nft.Tracking{nft.Tracked, nft.Untracked, nft.Templated}
	}
	for _, p.tracking = range ways {
		looked := []truth{p.lookedUp}
		if p.lookedUp == perhaps && p.tracking == nft.Tracked {
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
func become(t nft.Tracking, to nft.Tracking, lookedUp truth, all bool) nft.Tracking {
	switch {
	case lookedUp == yes, t == to, t == nft.Templated:
		return t
	case t == nft.Tracked && lookedUp == no && all:
		return to
	}
	return nft.MaybeTracked
}
