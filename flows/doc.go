// Package flows tells who talks with this host now, and what for: by the kernel's table of tracked
// connections (conntrack), and by the host's own TCP connections. It only looks, at one flow at a
// time, so that a table of a million takes no memory. Package blocklist asks it whom a new list cuts
// off.
package flows

import "net/netip"

// Flow is what an address and this host, or a host behind it, send each other. UDP counts only if both
// have sent, and go on doing so (since Linux 5.12 for two seconds); TCP if the connection is
// established. So packets with a forged source are none.
type Flow struct {
	Peer     netip.Addr
	TCP      bool   // else UDP
	Own      bool   // it has a socket of this host; else the kernel tracks it
	Port     uint16 // of this host
	PeerPort uint16
}

// Seen says how much of all flows Each has seen.
type Seen struct {
	Tracked int   // flows that the kernel tracks, in any state; 0 if it tracks none
	Err     error // why not all flows are known
}

// Each calls see with each flow of the network namespace, once for each of its ends, in no order. A
// flow that both sources know is seen twice. see must not use netlink.
func Each(see func(Flow)) Seen {
	tracked, err := eachTracked(see)
	if errTCP := eachTCP(see); err == nil {
		err = errTCP
	}
	return Seen{tracked, err}
}
