package hep

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// lookAgain is how often the addresses of this host are looked up at most.
const lookAgain = 2 * time.Second

// HostAddrs returns a function that says whether an address is one of this host, in the network
// namespace of the caller. It looks the addresses up when it does not know one; so an address
// that the host loses stays its own until then.
func HostAddrs() func(netip.Addr) bool {
	var mu sync.Mutex
	var own map[netip.Addr]bool
	var looked time.Time
	return func(a netip.Addr) bool {
		if a.IsLoopback() {
			return true
		}
		mu.Lock()
		defer mu.Unlock()
		if !own[a] && time.Since(looked) > lookAgain {
			looked = time.Now()
			if found := interfaceAddrs(); found != nil {
				own = found
			}
		}
		return own[a]
	}
}

// interfaceAddrs returns nil if the kernel does not say.
func interfaceAddrs() map[netip.Addr]bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	own := make(map[netip.Addr]bool, len(list))
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap().WithZone("")] = true
		}
	}
	return own
}
