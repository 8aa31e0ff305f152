package firewall_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testsip"
	"github.com/voipbl/voipbl/iptables"
)

// A lab whose PBX is a real Asterisk, with an office of phones that have passwords.

const officePhones = 20

// number is a phone of the office.
func number(i int) string { return fmt.Sprint(7000 + i) }

// startAsterisk starts it where the rules are.
func (l *lab) startAsterisk() {
	l.t.Helper()
	files := testasterisk.Files()
	for i := range officePhones {
		files["pjsip.conf"] += testasterisk.Phone(number(i), testasterisk.Password, 2)
	}
	testasterisk.Start(l.t, files)
}

// sip is a socket of an address for SIP over UDP.
func (l *lab) sip(c caller) *testsip.Client {
	l.t.Helper()
	var client *testsip.Client
	c.host.Do(func() {
		client = testsip.MustDial(l.t, "udp", netip.AddrPortFrom(c.addr, 0), netip.AddrPortFrom(l.pbx(), 5060))
	})
	return client
}

// stopped returns how many packets the limits have dropped.
func (l *lab) stopped() int {
	l.t.Helper()
	return l.countedBy(func(rule string) bool {
		purpose := iptables.Purpose(rule)
		return strings.Contains(purpose, "too many") || strings.HasSuffix(purpose, ", too fast") || purpose == "nothing else"
	})
}

// answers sends n requests at once, waits for the answers to all that the limits have let in, and
// returns their number.
func (l *lab) answers(c *testsip.Client, n int, request func() testsip.Request) int {
	l.t.Helper()
	before := l.stopped()
	asked := make(map[string]bool)
	for range n {
		r := request()
		asked[r.CallID] = true
		c.Send(r.Text())
	}
	let := n - (l.stopped() - before)
	for answered := 0; answered < let; {
		a, err := c.Next(testsip.AnswerLimit)
		if err != nil {
			l.t.Fatalf("%d of %d requests from %s were let in, and %d answered: %v", let, n, c.Local(), answered, err)
		}
		if id := a.Header("Call-ID"); asked[id] {
			delete(asked, id)
			answered++
		}
	}
	return let
}

// spelled returns a request that Asterisk challenges, with another first line.
func spelled(c *testsip.Client, method, line string) testsip.Request {
	r := c.Request(strings.ToUpper(method), number(0))
	r.Line = strings.Replace(line, "sip:pbx", strings.Fields(r.Line)[1], 1)
	return r
}

// TestAsteriskSpellings: Asterisk answers each spelling to one address as often as docs/firewall.md
// says, and no more.
func TestAsteriskSpellings(t *testing.T) {
	const sent = firstDropped + 3
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.startAsterisk()
		for _, method := range []string{"REGISTER", "INVITE"} {
			for _, name := range slices.Sorted(maps.Keys(unusual)) {
				line := strings.ReplaceAll(strings.ReplaceAll(unusual[name], "M", method), "m ", strings.ToLower(method)+" ")
				c := l.sip(l.fresh(l.attacker))
				c.Do(c.Request("OPTIONS", number(0))) // so that the flow is an answered one
				if got := l.answers(c, sent, func() testsip.Request { return spelled(c, method, line) }); got != firstDropped-1 {
					l.t.Errorf("%s, %s: %d of %d were let in, want %d", method, name, got, sent, firstDropped-1)
				}
			}
		}
	})
}

// TestAsteriskFlowOfChoice has Asterisk begin a flow to the address in a stranger's Via. What comes back
// on it counts like everything else.
func TestAsteriskFlowOfChoice(t *testing.T) {
	const sent = firstDropped + 3
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, backend, iptables.IPv4)
			l.apply(full())
			l.startAsterisk()
			asks, gets := l.sip(l.fresh(l.attacker)), l.sip(l.fresh(l.attacker))
			r := asks.Request("OPTIONS", number(0))
			r.Via = fmt.Sprintf("SIP/2.0/UDP %s;branch=z9hG4bKchoice;maddr=%s", gets.Local(), gets.Local().Addr())
			asks.Send(r.Text())
			gets.Answer(r.CallID)
			got := l.answers(gets, sent, func() testsip.Request { return gets.Request("REGISTER", number(0)) })
			if got != firstDropped-1 {
				l.t.Errorf("%d of %d REGISTER were let in, want %d", got, sent, firstDropped-1)
			}
		})
	}
}

// TestAsteriskOffice has an office of phones behind one address register: all succeed if it is in the
// local networks, and five if it is a stranger's. What a phone has begun goes on either way.
func TestAsteriskOffice(t *testing.T) {
	const fit = 5 // each sends two REGISTER, one with its password
	inEachLab(t, func(l *lab) {
		l.apply(full())
		l.startAsterisk()
		tooMany := "sip: too many REGISTER in a minute"
		inside, outside := l.fresh(l.phone), l.fresh(l.roamer)
		l.ban(inside.addr) // as a forger may have caused
		for i := range officePhones {
			if got := l.sip(inside).Register(number(i), testasterisk.Password); got.Status != 200 {
				l.t.Errorf("phone %d in the local network: %d", i+1, got.Status)
			}
		}
		var registered *testsip.Client
		for i := range fit {
			registered = l.sip(outside)
			if got := registered.Register(number(i), testasterisk.Password); got.Status != 200 {
				l.t.Errorf("phone %d outside: %d", i+1, got.Status)
			}
		}
		if got := l.counted(tooMany); got != 0 {
			l.t.Errorf("%d REGISTER of them were dropped", got)
		}
		for i := fit; i < officePhones; i++ {
			c := l.sip(outside)
			c.Send(c.Request("REGISTER", number(i)).Text())
		}
		if got, want := l.counted(tooMany), officePhones-fit-1; got != want {
			l.t.Errorf("%d of the next %d REGISTER were dropped, want all but one", got, officePhones-fit)
		}
		// The lamps of a registered phone, and of a PBX that restarts.
		const lamps = 100
		if got := l.answers(registered, lamps, func() testsip.Request { return registered.Request("SUBSCRIBE", number(0)) }); got != lamps {
			l.t.Errorf("%d of %d SUBSCRIBE of a registered phone were let in", got, lamps)
		}
	})
}

// TestAsteriskNetwork: a stranger uses a different address of one IPv6 /64 for each request. Asterisk
// answers no more of them than for one address. Each begins its own flow, so the limit on flows lets in
// what may come at once, and may stop the others.
func TestAsteriskNetwork(t *testing.T) {
	const sent = 2 * firstDropped
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, backend, iptables.IPv6)
			l.apply(full())
			l.startAsterisk()
			for _, method := range []string{"REGISTER", "INVITE"} {
				from, answered := l.fresh(l.attacker), 0
				for range sent {
					c := l.sip(from)
					answered += l.answers(c, 1, func() testsip.Request { return c.Request(method, number(0)) })
					from.addr = from.addr.Next()
				}
				if answered < limitBurst || answered > firstDropped-1 {
					t.Errorf("%d of %d %s from addresses of one /64 were answered, want %d to %d", answered, sent, method, limitBurst, firstDropped-1)
				}
			}
		})
	}
}
