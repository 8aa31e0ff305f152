package agent

import (
	"net"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"
)

const (
	// mostScrapes and mostAsks are the most connections that the metrics and the socket have
	// at a time. Others wait in the kernel, where they cost the agent no memory (12 KB each,
	// measured) and no descriptor. Anybody on this host may ask for metrics; the socket is
	// for root, who may ban many addresses at once.
	mostScrapes = 64
	mostAsks    = 256

	// fewestConnections keeps both usable under a low limit of descriptors.
	fewestConnections = 4

	// ownDescriptors are for the agent itself: 20 at rest, and some ten for each of two tools that
	// run at a time.
	ownDescriptors = 48
)

// connectionsFor is how many connections are allowed under a limit of descriptors: a quarter of
// those that the agent itself does not need, and no more than most.
func connectionsFor(descriptors uint64, most int) int {
	left := max(descriptors, ownDescriptors) - ownDescriptors
	return int(min(max(left/4, fewestConnections), uint64(most)))
}

// limited limits how many connections a listener has at a time.
func limited(l net.Listener, most int) net.Listener {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return netutil.LimitListener(l, fewestConnections)
	}
	return netutil.LimitListener(l, connectionsFor(limit.Cur, most))
}
