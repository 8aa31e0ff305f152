// Package flows tells who talks with this host now, and what for: by the kernel's table of tracked
// connections (conntrack), and by the host's own TCP connections. It only looks, at one flow at a
// time, so that a table of a million takes no memory. Package impact asks it whom a new list cuts off,
// and rules who uses a listener that base rules are about to close.
package flows

import (
	"cmp"
	"net/netip"
)

// Flow is what an address and this host, or a host behind it, send each other. UDP counts only if both
// have sent, and go on doing so (Linux 5.16, and updates of 5.10 and 5.15: after two seconds); TCP if
// the connection is established. So packets with a forged source are none. What an address of this host
// sends to itself is none either.
type Flow struct {
	Peer     netip.Addr
	TCP      bool   // else UDP
	Own      bool   // it has a socket of this host; else the kernel tracks it
	Port     uint16 // of this host
	PeerPort uint16
}

// Proto is "tcp" or "udp".
func (f Flow) Proto() string {
	if f.TCP {
		return "tcp"
	}
	return "udp"
}

// Seen says how much of all flows was seen.
type Seen struct {
	Tracked int   // flows that the kernel tracks, in any state; 0 if it tracks none
	Err     error // why not all flows are known
}

// Ask prepares a look at all flows of the network namespace, and returns how to look, once. Only Ask
// must be called in that namespace. see is called with each flow, once for each of its ends, in no
// order; with one that both sources know twice.
func Ask() (look func(see func(Flow)) Seen) {
	tracked, n, err := askTracked()
	own, errTCP := askTCP()
	return func(see func(Flow)) Seen {
		return Seen{n, cmp.Or(err, errTCP, tracked.read(see), own.read(see))}
	}
}

// Early is a look at who talks with this host, which may be made while the caller does something else.
type Early struct {
	done  chan struct{}
	ports Ports
	all   Talkers
	seen  Seen
}

// Begin begins a look.
func Begin(ports Ports) *Early {
	e := &Early{done: make(chan struct{}), ports: ports}
	look := Ask()
	go e.take(look)
	return e
}

// Now looks at once.
func Now(ports Ports) *Early {
	e := &Early{done: make(chan struct{}), ports: ports}
	e.take(Ask())
	return e
}

func (e *Early) take(look func(see func(Flow)) Seen) {
	defer close(e.done)
	e.seen = look(func(f Flow) { e.all.Add(f, e.ports.Use(f)) })
}

// Among returns who of some addresses talks with this host.
func (e *Early) Among(these func(netip.Addr) bool) (Talkers, Seen) {
	<-e.done
	if !e.all.Full {
		return e.all.only(these), e.seen
	}
	var all Talkers // again, since there are more than were kept
	seen := Ask()(func(f Flow) {
		if use := e.ports.Use(f); use != "" && these(f.Peer) {
			all.Add(f, use)
		}
	})
	return all, seen
}
