package hub

import (
	"time"

	"github.com/voipbl/voipbl/fleet"
)

// Event is what happens on a connection. In this order: [Connected], [NewStream] if the hub does not
// have what was read from it before, a [Slot] or a [Document] for each that is new, [Synced], more of
// these, and [Lost].
type Event interface{ event() }

// Connected says that the hub has admitted this host.
type Connected struct {
	URL string // of the hub
}

// NewStream says that the hub has lost what it had: all that it has now follows.
type NewStream struct{}

// Slot is what a host says of its bans in one slot from now on. It may be this host.
type Slot struct {
	Name fleet.Name
	Slot int
	fleet.Message
	At  time.Duration // when the hub stored it, by this host's uptime: see [Conn.Now]
	Seq uint64        // the message's number in the stream
}

// Document is the operator's, as it is at the hub. Nobody has checked it.
type Document struct{ Text []byte }

// Synced says that all has been read that the hub has.
type Synced struct{}

// Lost says that there is no connection, or none that can be used. Another one is being made.
type Lost struct {
	Err     error
	Refused bool // the hub does not admit this host: it is revoked, or its credentials have ended
}

func (Connected) event() {}
func (NewStream) event() {}
func (Slot) event()      {}
func (Document) event()  {}
func (Synced) event()    {}
func (Lost) event()      {}

// Health is how a connection is.
type Health struct {
	Name      string
	Hub       string        // URL of the one that it is connected to; "" if to none
	Connected time.Time     // since when; zero if it is not
	Synced    bool          // all has been read that the hub has
	Sequence  uint64        // of the last message that was read
	Error     string        // why it is not connected, or why it cannot say what this host says
	Refused   bool          // the hub does not admit this host
	Twin      time.Time     // when another host last spoke by this host's name; zero if never
	Ends      time.Time     // when the credentials end; zero: never
	Unsaid    int           // own bans that the hub does not have as they are now
	Ignored   uint64        // messages that are not understood, or not wholly
	Clock     time.Duration // how far this host's clock is ahead of the hub's
}
