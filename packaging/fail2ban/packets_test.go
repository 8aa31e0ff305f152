package fail2ban_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
)

// The possible outcomes of knocking at a port of the host.
const (
	answered = "answered"
	rejected = "rejected" // ICMP: port unreachable
	silent   = "silent"   // dropped
)

// refusal is how long the answer to a connection may take. Over IPv6 the kernel ignores an ICMP error
// that arrives while connect is still at work, as it does here, and sends its packet again a second
// later.
const refusal = 3 * time.Second

// serve answers at the ports, as a PBX does, until the test ends. Without it, a port would be
// unreachable anyway.
func (h *host) serve() {
	h.Helper()
	for _, a := range pbx {
		sip, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 5060)))
		h.must(err)
		ssh, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 22)))
		h.must(err)
		h.Cleanup(func() { sip.Close(); ssh.Close() })
		go func() {
			buf := make([]byte, 2048)
			for {
				n, from, err := sip.ReadFromUDPAddrPort(buf)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					sip.WriteToUDPAddrPort(buf[:n], from)
				}
			}
		}()
	}
}

// knock sends a packet to the SIP port from an address, and returns the outcome. It sends one of the
// host's own packets after it: the server answers in order, so when that one is answered, nothing more
// comes.
func (h *host) knock(family int, from netip.Addr) (what string) {
	h.Helper()
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(pbx[family], 5060))
	// One that is connected is told about ICMP errors.
	dial := func(from netip.Addr) *net.UDPConn {
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), to)
		h.must(err)
		h.Cleanup(func() { c.Close() })
		return c
	}
	var c *net.UDPConn
	h.others[from].Do(func() { c = dial(from) })
	own := dial(pbx[family])
	for _, each := range []*net.UDPConn{c, own} {
		_, err := each.Write([]byte("OPTIONS sip:pbx SIP/2.0\r\n\r\n"))
		h.must(err)
	}
	h.must(own.SetReadDeadline(time.Now().Add(patience)))
	_, err := own.Read(make([]byte, 2048))
	h.must(err)
	_, err = testns.Pending(c)
	what, err = outcome(err)
	h.must(err)
	return what
}

// refusal returns the answer to a packet to the SIP port, without a server: an ICMP error, if a rule
// rejects it.
func (h *host) refusal(family int, from netip.Addr) (err error) {
	h.Helper()
	h.others[from].Do(func() {
		c, e := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(pbx[family], 5060)))
		h.must(e)
		defer c.Close()
		h.must(c.SetReadDeadline(time.Now().Add(patience)))
		if _, err = c.Write([]byte("OPTIONS sip:pbx SIP/2.0\r\n\r\n")); err == nil {
			_, err = c.Read(make([]byte, 2048))
		}
	})
	return err
}

// dial connects to the SSH port.
func (h *host) dial(family int, from netip.Addr) (what string) {
	h.Helper()
	var err error
	h.others[from].Do(func() {
		d := net.Dialer{Timeout: refusal, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		var c net.Conn
		if c, err = d.Dial("tcp", netip.AddrPortFrom(pbx[family], 22).String()); err == nil {
			c.Close()
		}
		what, err = outcome(err)
	})
	h.must(err)
	return what
}

func outcome(err error) (string, error) {
	var timeout net.Error
	switch {
	case err == nil:
		return answered, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return rejected, nil
	case errors.Is(err, syscall.EHOSTUNREACH):
		// Nobody has answered the question for the host's link address, which IPv6 asks in packets
		// that are dropped too. It has to ask again after a while.
		return silent, nil
	case errors.Is(err, syscall.EAGAIN), errors.As(err, &timeout) && timeout.Timeout():
		return silent, nil
	}
	return "", err
}

// expect compares the outcomes for both families.
func (h *host) expect(when string, try func(family int, from netip.Addr) string, from [2]netip.Addr, want string) {
	h.Helper()
	for f, a := range from {
		if got := try(f, a); got != want {
			h.Errorf("%s: a packet of %s is %s, not %s\n%s", when, a, got, want, h.sh(tables[f]+"-save -c; ipset save"))
		}
	}
}

var _ testing.TB = (*host)(nil)

// keepNeighbours has a host and this one know each other's link-layer address for good. Two addresses of one
// wire need that if one of them is banned: it asks for both.
func (h *host) keepNeighbours(who [2]netip.Addr) {
	h.Helper()
	const keep = `ip -6 neigh show | while read -r a dev on word mac _; do
	[ "$word" != lladdr ] || ip -6 neigh replace "$a" "$dev" "$on" lladdr "$mac" nud permanent
done`
	if got := h.dial(1, who[1]); got != answered {
		h.Fatalf("%s: %s", who[1], got)
	}
	const list = "ip -6 neigh show nud permanent"
	h.sh(keep)
	here, there := h.sh(list), ""
	h.others[who[1]].Do(func() {
		h.sh(keep)
		there = h.sh(list)
	})
	if !strings.Contains(here, "lladdr") || !strings.Contains(there, "lladdr") {
		h.Fatalf("not both know each other for good: %q, %q", here, there)
	}
}
