package hep

import (
	"hash/maphash"
	"net/netip"
	"strings"

	"github.com/voipbl/voipbl/pbx/sip"
)

// hash returns the hash of an address and texts. Strangers do not know the seed.
func (t *Tracker) hash(a netip.AddrPort, texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	addr := a.Addr().As16()
	h.Write(addr[:])
	h.WriteByte(byte(a.Port() >> 8))
	h.WriteByte(byte(a.Port()))
	for _, s := range texts {
		h.WriteString(s)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// transaction returns the hash of what a request and its response have in common. The branch of Via is
// not in it, nor is a port: a stranger who writes two branches, or another port into Via, has a response
// that fits to none of these requests, and guesses unseen.
func (t *Tracker) transaction(remote netip.Addr, m *sip.Message) uint64 {
	return t.hash(netip.AddrPortFrom(remote, 0), m.CallID, strings.TrimLeft(m.CSeq, "0"), m.CSeqMethod)
}

// call is transaction, wherever the response goes: by maddr in Via, that is another host.
func (t *Tracker) call(m *sip.Message) uint64 { return t.transaction(netip.IPv6Unspecified(), m) }

// challenge returns the hash of a nonce, its receiver and the account that was asked for a
// password.
func (t *Tracker) challenge(remote netip.Addr, nonce string, m *sip.Message) uint64 {
	return t.hash(netip.AddrPortFrom(remote, 0), nonce, m.From.User, strings.ToLower(m.From.Host))
}

// nonce returns the hash of a nonce.
func (t *Tracker) nonce(nonce string) uint64 {
	return t.hash(netip.AddrPortFrom(netip.IPv6Unspecified(), 0), nonce)
}

// credentials returns the hash of all credentials of a request, 0 if there are none.
func (t *Tracker) credentials(m *sip.Message) uint64 {
	if len(m.Credentials) == 0 {
		return 0
	}
	var texts []string
	for _, c := range m.Credentials {
		texts = append(texts, c.Username, c.Nonce, c.Response)
	}
	return max(t.hash(netip.AddrPortFrom(netip.IPv6Unspecified(), 0), texts...), 1)
}
