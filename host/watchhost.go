package host

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// Watch sends on the channel when addresses or routes of this host have changed: then other
// addresses must be exempt, and servers may have come into reach. The kernel reports many small
// changes, so it sends at most once every WatchPause.
func Watch(ctx context.Context) <-chan struct{} {
	news := make(chan struct{}, 1)
	go func() {
		defer close(news)
		for ctx.Err() == nil {
			listenHost(ctx, news)
			WaitFor(ctx, WatchPause) // it has ended: too many messages at once
		}
	}()
	return news
}

// WatchPause is the shortest time between two messages of [Watch].
const WatchPause = 2 * time.Second

// listenHost forwards the kernel's messages until its subscription ends.
func listenHost(ctx context.Context, news chan<- struct{}) {
	done := make(chan struct{})
	defer close(done)
	addrs, routes := make(chan netlink.AddrUpdate), make(chan netlink.RouteUpdate)
	if netlink.AddrSubscribe(addrs, done) != nil {
		return
	}
	defer drain(addrs)
	if netlink.RouteSubscribe(routes, done) != nil {
		return
	}
	defer drain(routes)
	for {
		select {
		case _, ok := <-addrs:
			if !ok {
				return
			}
		case _, ok := <-routes:
			if !ok {
				return
			}
		case <-ctx.Done():
			return
		}
		select {
		case news <- struct{}{}:
		default:
		}
	}
}

// drain reads the channel until its sender closes it.
func drain[T any](c <-chan T) {
	go func() {
		for range c {
		}
	}()
}

// WaitFor waits for d, or until ctx ends.
func WaitFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Addresses returns the addresses that exemptions depend on, as text: this host's own, its gateways
// and its resolvers.
func Addresses() string {
	own, _ := OwnAddresses()
	gws, _ := Gateways()
	var all []string
	for _, a := range slices.Concat(own, gws, Resolvers(ResolvConfs)) {
		all = append(all, a.String())
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}
