package testns

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Pair is two hosts on one wire: the namespace of the test, which is the PBX
// host, and one outside of it. Neither has a way out.
type Pair struct {
	t               testing.TB
	inside, outside netns.NsHandle
}

// The wire's ends are called the same on both sides.
const wire = "wire0"

// EnterPair is [Enter], with a second namespace joined by a veth pair. host is
// the PBX host's address, peers are addresses of the other side; all of them
// reach each other whatever their networks are, public ones as well.
func EnterPair(t testing.TB, host []netip.Addr, peers []netip.Addr) *Pair {
	t.Helper()
	Enter(t)
	p := &Pair{t: t}
	var err error
	if p.inside, err = netns.Get(); err != nil {
		t.Fatal(err)
	}
	if err := Unshare(); err != nil {
		t.Fatal(err)
	}
	if p.outside, err = netns.Get(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.inside.Close(); p.outside.Close() })
	if err := netns.Set(p.inside); err != nil {
		t.Fatal(err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: wire}, PeerName: wire, PeerNamespace: netlink.NsFd(p.outside)}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal("join the namespaces: ", err)
	}
	p.must(p.addresses(host, peers))
	p.Outside(func() { p.must(p.addresses(peers, host)) })
	return p
}

func (p *Pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// addresses gives this side its own addresses and routes to the others.
func (p *Pair) addresses(own, others []netip.Addr) error {
	link, err := netlink.LinkByName(wire)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, a := range own {
		// Without duplicate address detection an IPv6 address is ready at once.
		addr := &netlink.Addr{IPNet: netlink.NewIPNet(a.AsSlice()), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("address %s: %w", a, err)
		}
	}
	for _, a := range others {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netlink.NewIPNet(a.AsSlice()), Scope: netlink.SCOPE_LINK}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("route to %s: %w", a, err)
		}
	}
	return nil
}

// Outside runs f on the other side. Sockets that f opens and programs that it
// starts stay there. It is for the goroutine that called EnterPair.
func (p *Pair) Outside(f func()) {
	p.t.Helper()
	p.must(netns.Set(p.outside))
	defer func() { p.must(netns.Set(p.inside)) }()
	f()
}

// GoOutside runs f on the other side in a goroutine of its own.
func (p *Pair) GoOutside(f func()) {
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is spoilt
		if err := netns.Set(p.outside); err != nil {
			p.t.Error(err)
			return
		}
		f()
	}()
}
