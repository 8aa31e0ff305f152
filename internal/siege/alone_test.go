package siege_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testsip"
)

// guesser is an attacker with a program.
type guesser struct {
	network, account string
	every            time.Duration
	many             int // of these at once
}

// guesses attacks until it is told that the kernel has the ban, and returns how many answers it got. Over
// TCP a ban ends the connection's traffic as well.
func (g guesser) guesses(c *testsip.Client, banned <-chan struct{}) (answered int) {
	next := time.NewTicker(g.every)
	defer next.Stop()
	wait := max(g.every, time.Second) // an answer takes a millisecond
	for {
		select {
		case <-banned:
			return answered
		default:
		}
		r := c.Request("REGISTER", g.account)
		c.Send(r.Text())
		a, err := c.AnswerIn(r.CallID, wait)
		if err != nil {
			<-next.C
			continue
		}
		answered++
		<-next.C
		r = c.Request("REGISTER", g.account).Authorized(a, g.account, "guess")
		c.Send(r.Text())
		if _, err := c.AnswerIn(r.CallID, wait); err == nil {
			answered++
		}
		<-next.C
	}
}

// TestAttackersByAMIAlone: without copies of its SIP messages, an attacker gets a few answers, too.
func TestAttackersByAMIAlone(t *testing.T) {
	s := lay(t, layout{phones: 2})
	s.asterisk.CLI("module unload res_hep_pjsip.so")
	kernel := s.kernelBans()
	for _, g := range []guesser{
		{"udp", "7001", time.Second, 10},
		{"udp", "7001", time.Second / 20, 1},
		{"udp", "7001", time.Second / 20, 10},
		{"udp", "7001", time.Second / 200, 1},
		{"udp", "7001", time.Second / 200, 10},
		{"udp", "9999", time.Second / 20, 10}, // there is no such account
		{"tcp", "7001", time.Second / 20, 10},
		{"tcp", "7001", time.Second / 200, 10},
	} {
		answers := make(chan int, g.many)
		var all []*testsip.Client
		for range g.many {
			a := netip.AddrPortFrom(s.attackers.Fresh(false), 5060)
			s.attackers.Do(func() { all = append(all, testsip.MustDial(s, g.network, a, s.family.sip())) })
		}
		banned := make([]chan struct{}, len(all))
		for i, c := range all {
			banned[i] = make(chan struct{})
			go func() { answers <- g.guesses(c, banned[i]) }()
		}
		for i, c := range all {
			a := c.Local().Addr()
			s.eventually(fmt.Sprint(a, " is banned"), func() bool { return kernel.has(a) })
			close(banned[i])
		}
		var got []int
		for range g.many {
			got = append(got, <-answers)
			if n := got[len(got)-1]; n > mostAnswered {
				t.Errorf("%+v: one got %d answers", g, n)
			}
		}
		t.Logf("%d over %s each %v for %s: answered %v", g.many, g.network, g.every, g.account, got)
	}
}
