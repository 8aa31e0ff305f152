package hep

import (
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/internal/bounded"
)

// Numbers of nonces that are kept. A flood of packets with invented sources makes the PBX send
// thousands a second, which nobody returns; they push each other out. A source that is really there
// returns its nonce within a second, and then it is kept apart.
const (
	maxSent     = 8 << 10
	maxReturned = 8 << 10
)

// distrust is for how long nonces prove nothing after two askers were sent the same one.
const distrust = time.Hour

// nonces are those that the PBX has sent in challenges. An address that returns one has received it,
// if it was sent to that address and to no other:
//
//   - Kamailio sends the same nonce to all that ask in the same second, unless it has nonce_count or
//     one_time_nonce. It tells of its answer only after it has sent it, so that a nonce may come back before
//     it is known that another was sent it too. So once that has happened, no nonce proves anything.
//   - Asterisk makes the nonce of the second and the source, and sends it to where the topmost Via has
//     its maddr. So a stranger can have a nonce of another address sent to its own. Only that nonce
//     is worthless then, lest a stranger make all of them so.
type nonces struct {
	sent, returned bounded.Table[receiver] // by nonce
	common         time.Time               // when two askers were sent the same nonce

	// By nonce, receiver and account. A PBX that challenges one account and lets another in without
	// a password does not check what is sent along for the other.
	challenges, answered bounded.Table[struct{}]
}

// receiver is to whom a nonce was sent.
type receiver struct {
	addr   [16]byte // without a pointer, so that the collector of garbage need not look
	asked  bool     // it has asked for it
	others bool     // others were sent it too
}

func newNonces() nonces {
	return nonces{
		sent: bounded.NewTable[receiver](maxSent), returned: bounded.NewTable[receiver](maxReturned),
		challenges: bounded.NewTable[struct{}](maxSent), answered: bounded.NewTable[struct{}](maxReturned),
	}
}

// send notes that a nonce was sent, and whether the receiver has asked for it. nonce and challenge are
// hashes: of the nonce; of nonce, receiver and account.
func (n *nonces) send(at time.Time, nonce, challenge uint64, to receiver) {
	n.challenges.Put(challenge, struct{}{})
	for _, t := range []*bounded.Table[receiver]{&n.sent, &n.returned} {
		r, ok := t.Get(nonce)
		if !ok {
			continue
		}
		if r.addr != to.addr {
			r.others = true
			if r.asked && to.asked {
				n.common = at
			}
		} else {
			r.asked = r.asked || to.asked
		}
		t.Put(nonce, r)
		return
	}
	n.sent.Put(nonce, to)
}

// take notes that a nonce has come from an address. It returns whether that proves the address, and
// whether the nonce was sent to it for this account.
func (n *nonces) take(at time.Time, nonce, challenge uint64, from netip.Addr) (proved, same bool) {
	_, same = n.answered.Get(challenge)
	if !same {
		if _, same = n.challenges.Get(challenge); same {
			n.challenges.Remove(challenge)
			n.answered.Put(challenge, struct{}{})
		}
	}
	r, returned := n.returned.Get(nonce)
	if !returned {
		var sent bool
		if r, sent = n.sent.Get(nonce); !sent || r.addr != from.As16() {
			return false, same
		}
		n.sent.Remove(nonce)
		n.returned.Put(nonce, r)
	}
	return r.addr == from.As16() && !r.others && !n.distrusted(at), same
}

// distrusted reports whether no nonce proves anything. That ends if the clock is set by more than an
// hour: if it was a year ahead, that year would be long.
func (n *nonces) distrusted(at time.Time) bool {
	passed := at.Sub(n.common)
	return !n.common.IsZero() && -distrust < passed && passed < distrust
}

// forget forgets all. When packets are lost, a nonce may have been sent to others too.
func (n *nonces) forget() {
	n.sent.Clear()
	n.returned.Clear()
	n.challenges.Clear()
	n.answered.Clear()
}
