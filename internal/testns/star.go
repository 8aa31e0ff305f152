package testns

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Star is several hosts, each on a wire of its own to the host in the middle,
// which is the namespace of the test. None has a way out, so the addresses may be
// public ones.
type Star struct {
	t      testing.TB
	inside netns.NsHandle
	centre []netip.Addr
	hosts  []*Host
	tap    int // see Deliver; 0: not open
}

// Host is one of the hosts around the middle. It sends everything there, and
// has all addresses of its networks.
type Host struct {
	star     *Star
	ns       netns.NsHandle
	networks []netip.Prefix
	last     []netip.Addr // the newest address in each network
	name     string       // of its wire, in the middle
	knows    bool         // the middle, for good; see Deliver
}

// EnterStar is [Enter], for a test that then joins hosts. addrs are the addresses
// of the host in the middle.
func EnterStar(t testing.TB, addrs ...netip.Addr) *Star {
	t.Helper()
	Enter(t)
	s := &Star{t: t, centre: addrs}
	var err error
	if s.inside, err = netns.Get(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.inside.Close() })
	return s
}

// Join adds a host with its networks. The address in each prefix is its first one.
// The host in the middle is in none of them.
func (s *Star) Join(networks ...netip.Prefix) *Host {
	s.t.Helper()
	h := &Host{star: s, networks: networks}
	for _, n := range networks {
		h.last = append(h.last, n.Addr())
	}
	s.must(Unshare())
	var err error
	if h.ns, err = netns.Get(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { h.ns.Close() })
	s.must(netns.Set(s.inside))

	s.hosts = append(s.hosts, h)
	h.name = fmt.Sprint("host", len(s.hosts))
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: h.name}, PeerName: wire, PeerNamespace: netlink.NsFd(h.ns)}
	if err := netlink.LinkAdd(veth); err != nil {
		s.t.Fatal("join a host: ", err)
	}
	s.must(s.wire(h.name, h))
	h.Do(func() { s.must(h.wire()) })
	return h
}

func (s *Star) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// wire sets up the middle's end of a host's wire. The network is behind the
// host's first address, so only that one has to be asked for on the wire.
func (s *Star) wire(name string, h *Host) error {
	link, err := linkUp(name)
	if err != nil {
		return err
	}
	for _, a := range s.centre {
		if err := addAddr(link, a); err != nil {
			return err
		}
		if err := own(netip.PrefixFrom(a, a.BitLen())); err != nil {
			return err
		}
	}
	for _, n := range h.networks {
		if err := addRoutes(link, n.Addr(), n.Masked()); err != nil {
			return err
		}
	}
	return nil
}

// wire sets up the host's own end.
func (h *Host) wire() error {
	link, err := linkUp(wire)
	if err != nil {
		return err
	}
	for _, n := range h.networks {
		if err := addAddr(link, n.Addr()); err != nil {
			return err
		}
		if err := own(n.Masked()); err != nil {
			return err
		}
	}
	// IPv6 sockets may have the addresses that only the route makes the host's.
	if err := os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1"), 0); err != nil {
		return err
	}
	for _, a := range h.star.centre {
		everywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if a.Is6() {
			everywhere = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if err := addRoutes(link, a, everywhere); err != nil {
			return err
		}
	}
	return nil
}

// Do runs f on the host. Sockets that f opens and programs that it starts stay
// there. It is for the goroutine that called EnterStar.
func (h *Host) Do(f func()) {
	h.star.t.Helper()
	h.star.must(netns.Set(h.ns))
	defer func() { h.star.must(netns.Set(h.star.inside)) }()
	f()
}

// Go runs f on the host in a goroutine of its own.
func (h *Host) Go(f func()) {
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is spoilt
		if err := netns.Set(h.ns); err != nil {
			h.star.t.Error(err)
			return
		}
		f()
	}()
}

// Addr is the host's first address of a family.
func (h *Host) Addr(is6 bool) netip.Addr {
	h.star.t.Helper()
	return h.networks[h.network(is6)].Addr()
}

// Fresh is one more address of the host, that nobody has seen yet. In an IPv6 network
// that is wider than a /64 it is in the next /64: limits count those.
func (h *Host) Fresh(is6 bool) netip.Addr {
	h.star.t.Helper()
	i := h.network(is6)
	next := h.last[i].Next()
	if is6 && h.networks[i].Bits() < 64 {
		next = in64(h.last[i])
	}
	if !h.networks[i].Contains(next) {
		h.star.t.Fatalf("network %s has no address left", h.networks[i])
	}
	h.last[i] = next
	return next
}

// in64 is the same host in the next /64.
func in64(a netip.Addr) netip.Addr {
	b := a.As16()
	binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])+1)
	return netip.AddrFrom16(b)
}

// network is the index of the host's network of a family.
func (h *Host) network(is6 bool) int {
	h.star.t.Helper()
	for i, n := range h.networks {
		if n.Addr().Is6() == is6 {
			return i
		}
	}
	h.star.t.Fatal("the host has no network of that family")
	return -1
}

// Forward lets the host in the middle forward between the others.
func (s *Star) Forward() {
	s.t.Helper()
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		// These files are those of the network namespace of who opens them.
		s.must(os.WriteFile("/proc/sys/net/"+name, []byte("1"), 0))
	}
}

// Forget empties the neighbour tables of all hosts: whom they speak to next they
// have to look for first.
func (s *Star) Forget() {
	s.t.Helper()
	known, err := forget()
	s.must(err)
	for _, h := range s.hosts {
		h.Do(func() {
			n, err := forget()
			s.must(err)
			known += n
		})
	}
	if known == 0 {
		s.t.Fatal("no host knew a neighbour")
	}
}

// forget empties one host's table and returns how many were in it.
func forget() (known int, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		neighbours, err := netlink.NeighList(0, family)
		if err != nil {
			return 0, fmt.Errorf("list neighbours: %w", err)
		}
		for _, n := range neighbours {
			if n.State&(netlink.NUD_NOARP|netlink.NUD_PERMANENT) != 0 {
				continue // such as multicast addresses: nobody is asked about them
			}
			if err := netlink.NeighDel(&n); err != nil {
				return 0, fmt.Errorf("forget neighbour %s: %w", n.IP, err)
			}
			known++
		}
	}
	return known, nil
}

func linkUp(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	return link, netlink.LinkSetUp(link)
}

func addAddr(link netlink.Link, a netip.Addr) error {
	// Without duplicate address detection an IPv6 address is ready at once.
	addr := &netlink.Addr{IPNet: netlink.NewIPNet(a.AsSlice()), Flags: unix.IFA_F_NODAD}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("address %s: %w", a, err)
	}
	return nil
}

// own makes all addresses of a network the host's, at once: the kernel adds its
// own route to a new IPv6 address only a little later, and packets that come
// before that are lost.
func own(network netip.Prefix) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: ipNet(network),
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("own %s: %w", network, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// addRoutes makes one neighbour reachable, and a network behind it.
func addRoutes(link netlink.Link, neighbour netip.Addr, network netip.Prefix) error {
	index := link.Attrs().Index
	for _, r := range []*netlink.Route{
		{LinkIndex: index, Dst: netlink.NewIPNet(neighbour.AsSlice()), Scope: netlink.SCOPE_LINK},
		{LinkIndex: index, Dst: ipNet(network), Gw: neighbour.AsSlice()},
	} {
		if err := netlink.RouteAdd(r); err != nil {
			return fmt.Errorf("route to %s: %w", r.Dst, err)
		}
	}
	return nil
}
