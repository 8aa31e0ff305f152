package friends_test

import (
	"net"
	"net/netip"
	"time"

	"github.com/voipbl/voipbl/internal/testsip"
)

// silence is how long a blocked address must get no answer. A packet takes microseconds
// here.
const silence = 100 * time.Millisecond

// resend is when a phone repeats a request that had no answer, and attempts how often
// it sends it.
const (
	resend   = 500 * time.Millisecond
	attempts = 30
)

// port is a port of the PBX that packets are sent to.
type port struct {
	name  string
	knock func(l *lab, p person, family int, tries int, wait time.Duration) bool
}

var (
	sipUDP = port{"SIP over UDP", func(l *lab, p person, family, tries int, wait time.Duration) bool {
		c := l.client(p, family)
		for range tries {
			if _, ok := l.ask(c, c.Request("OPTIONS", "knock"), 1, wait); ok {
				return true
			}
		}
		return false
	}}
	sipTCP = port{"SIP over TCP", func(l *lab, p person, family, tries int, wait time.Duration) bool {
		return l.dial(p, family, 5060, tries, wait)
	}}
	ssh = port{"SSH", func(l *lab, p person, family, tries int, wait time.Duration) bool {
		return l.dial(p, family, 22, tries, wait)
	}}
)

// passes reports whether a friend gets an answer. It repeats requests as phones do,
// because a rate limit may drop a packet.
func (l *lab) passes(at port, p person, family int) bool {
	l.Helper()
	return at.knock(l, p, family, attempts, resend)
}

// blocked reports whether a packet gets no answer.
func (l *lab) blocked(at port, p person, family int) bool {
	l.Helper()
	return !at.knock(l, p, family, 1, silence)
}

// client opens a socket of a person.
func (l *lab) client(p person, family int) (c *testsip.Client) {
	l.Helper()
	p.host.Do(func() {
		c = testsip.MustDial(l, "udp", netip.AddrPortFrom(p.addrs[family], 0), netip.AddrPortFrom(pbx[family], 5060))
	})
	return c
}

// ask sends a request until it is answered.
func (l *lab) ask(c *testsip.Client, r testsip.Request, tries int, wait time.Duration) (testsip.Answer, bool) {
	for range tries {
		c.Send(r.Text())
		if a, err := c.AnswerIn(r.CallID, wait); err == nil {
			return a, true
		}
	}
	return testsip.Answer{}, false
}

// dial opens a connection.
func (l *lab) dial(p person, family int, port uint16, tries int, wait time.Duration) (ok bool) {
	l.Helper()
	p.host.Do(func() {
		for range tries {
			d := net.Dialer{Timeout: wait, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.addrs[family], 0))}
			c, err := d.Dial("tcp", netip.AddrPortFrom(pbx[family], port).String())
			if err == nil {
				c.Close()
				ok = true
				return
			}
		}
	})
	return ok
}

// chunk is how many requests are sent at once. Their answers fit the buffer of a
// socket.
const chunk = 20

// stream sends new requests of one method, in one flow or each in its own, until one is
// not answered in time, and returns how many were answered.
func (l *lab) stream(p person, family int, method string, n int, flow bool, wait time.Duration) (answered int) {
	l.Helper()
	c := l.client(p, family)
	for answered < n {
		asked := make(map[*testsip.Client]int)
		for range min(chunk, n-answered) {
			if !flow {
				c = l.client(p, family)
			}
			c.Send(c.Request(method, "9999").Text())
			asked[c]++
		}
		for c, requests := range asked {
			seen := make(map[string]bool) // an answer to INVITE is repeated
			for len(seen) < requests {
				a, err := c.Next(wait)
				if err != nil {
					return answered
				}
				if call := a.Header("Call-ID"); !l.calls[call] {
					seen[call], l.calls[call] = true, true
					answered++
				}
			}
		}
	}
	return answered
}
