package host

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// Watch tells on the channel that addresses or routes of this host have
// changed: then other addresses are to be protected, and servers may be reached
// that could not be. The kernel tells a lot of little, so it is told at most every
// WatchPause.
func Watch(ctx context.Context) <-chan struct{} {
	news := make(chan struct{}, 1)
	go func() {
		defer close(news)
		for ctx.Err() == nil {
			listenHost(ctx, news)
			WaitFor(ctx, WatchPause) // it has ended: too much news at once
		}
	}()
	return news
}

// WatchPause is how often at most [Watch] tells that something has changed.
const WatchPause = 2 * time.Second

// listenHost listens until it ends.
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

// drain lets whoever sends on the channel come to its end.
func drain[T any](c <-chan T) {
	go func() {
		for range c {
		}
	}()
}

// WaitFor waits, but not beyond the end of ctx.
func WaitFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Addresses names what protection depends on of the host: its own addresses,
// gateways and resolvers.
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
