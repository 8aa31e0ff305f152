package testns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// deliverWait is how long the last of what was sent is waited for before all is sent once
// more.
const deliverWait = time.Second

// Deliver sends a text in a packet of UDP from an address of a host to the host in the
// middle, and reports whether conn, which is open there, has it. The answer is not a guess:
// another packet follows, which is seen as it comes in by the wire, before any rule, and the
// kernel takes what comes by a wire from one processor in its order. Whatever had to become
// of the first one has become of it then.
func (s *Star) Deliver(h *Host, from netip.Addr, conn *net.UDPConn, text string) bool {
	s.t.Helper()
	return s.DeliverTo(h, from, conn.LocalAddr().(*net.UDPAddr), conn, text)
}

// DeliverTo is Deliver for a packet that is sent to another port than that of conn.
func (s *Star) DeliverTo(h *Host, from netip.Addr, to *net.UDPAddr, conn *net.UDPConn, text string) bool {
	s.t.Helper()
	if s.tap == 0 {
		s.openTap()
	}
	if !h.knows {
		h.know()
	}
	for i := range 60 {
		last := fmt.Sprintf("%s: and that is all (%d)", text, i)
		h.Do(func() { s.must(sendInOrder(from, to, text, last)) })
		if s.tapped(last) {
			return s.has(conn, text)
		}
	}
	s.t.Fatalf("nothing that %s sends comes to %s, not even to the wire", from, to)
	return false
}

// openTap opens a socket for all that comes to the middle.
func (s *Star) openTap() {
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in the byte order of the network
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
	s.must(err)
	s.tap = fd
	s.t.Cleanup(func() { unix.Close(fd) })
}

// know makes the host remember where the middle is: rules may drop what it would find that
// out by.
func (h *Host) know() {
	link, err := netlink.LinkByName(h.name)
	h.star.must(err)
	h.Do(func() {
		own, err := netlink.LinkByName(wire)
		h.star.must(err)
		for _, a := range h.star.centre {
			h.star.must(netlink.NeighSet(&netlink.Neigh{
				LinkIndex: own.Attrs().Index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: link.Attrs().HardwareAddr,
			}))
		}
	})
	h.knows = true
}

// Know makes all hosts and the middle remember each other for good.
func (s *Star) Know() {
	s.t.Helper()
	for _, h := range s.hosts {
		h.know()
		h.knows = true
		link, err := netlink.LinkByName(h.name)
		s.must(err)
		var own netlink.Link
		h.Do(func() { own, err = netlink.LinkByName(wire) })
		s.must(err)
		for _, n := range h.networks {
			s.must(netlink.NeighSet(&netlink.Neigh{
				LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: n.Addr().AsSlice(), HardwareAddr: own.Attrs().HardwareAddr,
			}))
		}
	}
}

// sendInOrder sends all from one processor.
func sendInOrder(from netip.Addr, to *net.UDPAddr, texts ...string) error {
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for cpu := range 64 * len(before) {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &before) // programs that the test starts may run anywhere
	// Not connected: such a socket is told of no refusal, and sends on.
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, text := range texts {
		if _, err := conn.WriteToUDP([]byte(text), to); err != nil {
			return err
		}
	}
	return nil
}

// tapped waits for a packet that has a text in it, and reports whether it has come.
func (s *Star) tapped(text string) bool {
	s.t.Helper()
	end := time.Now().Add(deliverWait)
	buf := make([]byte, 4096)
	for {
		n, from, err := unix.Recvfrom(s.tap, buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			left := time.Until(end)
			if left <= 0 {
				return false
			}
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.tap), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
			if err != nil && !errors.Is(err, unix.EINTR) {
				s.t.Fatal("wait for packets: ", err)
			}
		case err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENETDOWN):
			s.t.Fatal("read packets: ", err)
		case err == nil && from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_OUTGOING && bytes.Contains(buf[:n], []byte(text)):
			return true
		}
	}
}

// has reports whether a text is among what a socket has now, and takes all of that.
func (s *Star) has(conn *net.UDPConn, text string) (found bool) {
	s.t.Helper()
	raw, err := conn.SyscallConn()
	s.must(err)
	buf := make([]byte, 4096)
	for {
		var n int
		var readErr error
		s.must(raw.Control(func(fd uintptr) { n, _, readErr = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT) }))
		switch {
		case errors.Is(readErr, unix.EAGAIN):
			return found
		case readErr != nil && !errors.Is(readErr, unix.EINTR) && !errors.Is(readErr, unix.ECONNREFUSED):
			s.t.Fatal("read what has arrived: ", readErr)
		case readErr == nil && string(buf[:n]) == text:
			found = true
		}
	}
}
