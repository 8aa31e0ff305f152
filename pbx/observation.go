// Package pbx has what a running PBX sees of its phones and attackers, as values: observations. Its
// sub-packages make them from HEP packets (hep) and from Asterisk's manager interface (ami), and
// decide what follows from them (detect). Nothing here changes the kernel.
package pbx

import (
	"context"
	"net/netip"
	"time"
)

// What is what a source did.
type What string

// What a source can do.
const (
	Authenticated  What = "authenticated"   // it has proved a password, by a right answer to a challenge
	Registered     What = "registered"      // likewise, and a phone is registered from there until Until
	Unregistered   What = "unregistered"    // likewise, and it has taken its registration back
	WrongPassword  What = "wrong password"  // it answered a challenge wrongly
	UnknownAccount What = "unknown account" // it named an account that the PBX does not have; if it also answered a challenge, it did both
	Refused        What = "refused"         // the PBX knows the account, and refuses this source
	Asked          What = "asked"           // a request that was challenged; each phone does that first
	Scanned        What = "scanned"         // OPTIONS, SUBSCRIBE and the like of a stranger
	Malformed      What = "malformed"       // not SIP, or such that the PBX cannot read it
	Trunk          What = "trunk"           // the PBX itself has the host Called as a trunk, and is registered there as Account; Source is not valid
	Lost           What = "lost"            // the source of observations has lost some; Source is not valid
)

// Observation is one thing that a PBX has seen.
type Observation struct {
	At        time.Time
	Source    netip.AddrPort // where the packet came from; what it claims of itself never counts
	Transport string         // one of Transports

	// Proved says that the source is where the packet says: it has returned a nonce that the PBX
	// sent to this address, or the transport has a handshake. Anybody can forge what is not proved.
	Proved bool

	What   What
	Method string // of the request: "REGISTER", "INVITE", …; "" if unknown

	// Text of the packet, so of a stranger: at most MaxText bytes, printable, valid UTF-8.
	Account string
	Agent   string // the User-Agent
	Called  string // the user part of what was called

	Until time.Time // of Registered: when the registration ends
}

// Source makes observations until ctx ends, or until it fails. It calls see from one goroutine.
type Source interface {
	Watch(ctx context.Context, see func(Observation)) error
}
