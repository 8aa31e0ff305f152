package nftwalk

import "github.com/voipbl/voipbl/nft"

// lookedUp returns whether the kernel looks for the connection before a base chain.
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

// ctState returns the value of "ct state" in a base chain, for a packet that begins a connection or
// for an answer. lookedUp says whether the kernel has looked for the connection before. The value
// may be unknown.
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

// settled returns one kind of packets for each connection state that they may have, if it is not
// known how they are tracked or whether the kernel has looked for their connection.
func (p Packet) settled() (all []Packet) {
	ways := []nft.Tracking{p.tracking}
	switch {
	case p.Answers && (p.tracking == nft.MaybeTracked || p.tracking == nft.Templated):
		// Not tracked as they came in, so the answers begin a connection.
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

// become returns the state after a rule that removes packets from tracking or sets how they are
// tracked, for all or some of them. It is too late for packets whose connection is known.
func become(t nft.Tracking, to nft.Tracking, lookedUp truth, all bool) nft.Tracking {
	switch {
	case lookedUp == yes, t == to, t == nft.Templated:
		return t
	case t == nft.Tracked && lookedUp == no && all:
		return to
	}
	return nft.MaybeTracked
}
