package siege_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testsip"
)

// on makes a client on a host.
func (s *siege) on(h *testns.Host, from netip.Addr, port uint16) (c *testsip.Client) {
	s.Helper()
	h.Do(func() { c = testsip.MustDial(s, "udp", netip.AddrPortFrom(from, port), s.family.sip()) })
	return c
}

// registers registers a phone, and returns how many requests that took. As phones do, it repeats a
// request that is not answered after some time, and begins anew if a challenge was too old.
func registers(c *testsip.Client, user string, wait time.Duration) (sent int, err error) {
	persists := func(r testsip.Request, end time.Time) (testsip.Answer, error) {
		for time.Now().Before(end) {
			c.Send(r.Text())
			sent++
			if a, err := c.AnswerIn(r.CallID, wait); err == nil && a.Status >= 200 {
				return a, nil
			}
		}
		return testsip.Answer{}, errors.New("no answer")
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		a, err := persists(c.Request("REGISTER", user), end)
		if err != nil {
			break
		}
		if a, err = persists(c.Request("REGISTER", user).Authorized(a, user, password), end); err == nil && a.Status == 200 {
			return sent, nil
		}
	}
	return sent, fmt.Errorf("%s is not registered after %v and %d requests", user, patience, sent)
}

// registered registers the phone 7000, none of whose packets is lost, however busy the machine is.
func (s *siege) registered(c *testsip.Client) (sent int) {
	s.Helper()
	sent, err := registers(c, "7000", testsip.AnswerLimit)
	s.must(err)
	return sent
}

// TestOffice: the phones of an office behind one address all register at once, as after a power cut,
// while base rules limit strangers and an attacker is at work. No rule drops any of their packets. One of
// them was registered before: if nobody knows the office, their first requests can use up the limits,
// and no second one gets through.
func TestOffice(t *testing.T) {
	const phones = 20
	onEach(t, layout{phones: phones, firewall: "  base: true\n"}, func(s *siege) {
		s.sh("voipbl firewall apply --confirm 0")
		attack := s.guesses(s.attacker(), time.Second/20)

		office := s.family.office.Addr()
		var all []*testsip.Client
		for i := range phones {
			all = append(all, s.on(s.office, office, uint16(20000+i)))
		}
		_, err := registers(all[0], "7000", time.Second)
		s.must(err)
		s.eventually("the office is known", func() bool { return len(s.phones()) == 1 && s.in("voip_known", office) })

		let := s.count(office, s.family.sip().Port(), 0)
		sent, most := 0, 0 // most of one phone in one round
		for range 2 {
			type result struct {
				sent int
				err  error
			}
			done := make(chan result, phones)
			for i, c := range all {
				go func() {
					n, err := registers(c, fmt.Sprint(7000+i), testsip.AnswerLimit)
					done <- result{n, err}
				}()
			}
			for range phones {
				r := <-done
				s.must(r.err)
				sent, most = sent+r.sent, max(most, r.sent)
			}
			s.eventually("all phones are known", func() bool { return len(s.phones()) == phones })
		}
		if in, _ := let.packets(); in != sent || most > 4 {
			s.Errorf("%d of the office's %d packets were let in; a phone had to send %d", in, sent, most)
		}
		attack.end() // it is banned, or the limits keep it out
		if s.banned(office) {
			s.Error("the office is banned")
		}
	})
}

// sh runs a script on the PBX, in which voipbl has its configuration.
func (s *siege) sh(script string) string {
	s.Helper()
	cmd := exec.Command("sh", "-euc", "voipbl() { command voipbl --config "+s.path("voipbl.yaml")+" \"$@\"; }\n"+script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// TestSpoofed: whatever somebody sends in a phone's name, the phone is neither banned nor limited.
func TestSpoofed(t *testing.T) {
	onEach(t, layout{phones: 1, firewall: "  base: true\n"}, testSpoofed)
}

func testSpoofed(s *siege) {
	s.sh("voipbl firewall apply --confirm 0")
	phone := s.family.phone.Addr()
	own := s.on(s.phone, phone, 5070)
	s.registered(own)
	s.eventually("the phone is known", func() bool { return len(s.phones()) == 1 && s.in("voip_known", phone) })

	s.attackers.Do(func() {
		s.must(exec.Command("ip", "addr", "add", phone.String(), "dev", "lo").Run())
	})
	var spoofers []*testsip.Client
	for i := range 8 {
		spoofers = append(spoofers, s.on(s.attackers, phone, uint16(5060+i)))
	}
	// A real challenge, which the spoofer has got at its own address.
	stranger := s.attacker()
	forged := stranger.Do(stranger.Request("REGISTER", "7000"))
	event := "%0d%0aRemoteAddress%3a%20IPV4%2fUDP%2f" + strings.ReplaceAll(phone.String(), ":", "%3a") + "%2f1"
	kinds := []func(c *testsip.Client, i int) testsip.Request{
		func(c *testsip.Client, i int) testsip.Request { return c.Request("REGISTER", fmt.Sprint("unknown", i)) },
		func(c *testsip.Client, i int) testsip.Request {
			return c.Request("REGISTER", "7000").Authorized(forged, "7000", fmt.Sprint(i))
		},
		func(c *testsip.Client, i int) testsip.Request {
			r := c.Request("OPTIONS", "100")
			r.Headers = append(r.Headers, "User-Agent: friendly-scanner")
			return r
		},
		func(c *testsip.Client, i int) testsip.Request { return testasterisk.Call(c, "7000", "0044123") },
		func(c *testsip.Client, i int) testsip.Request { return testasterisk.Broken(c, event) },
	}
	const tries = 10_000
	let, sent := s.count(phone, s.family.sip().Port(), own.Local().Port()), 0
	for i := range tries {
		c := spoofers[i%len(spoofers)]
		c.Send(kinds[i%len(kinds)](c, i).Text())
		if i%1000 == 999 { // in between the phone goes on
			n, err := registers(own, "7000", time.Second) // Asterisk may lose some
			s.must(err)
			sent += n
			if s.banned(phone) {
				s.Fatalf("the phone is banned after %d packets", i+1)
			}
		}
	}
	if in, _ := let.packets(); in != sent {
		s.Errorf("%d packets of the phone were let in, not %d", in, sent)
	}
	if s.banned(phone) {
		s.Error("the phone is banned")
	}
	if n := len(s.phones()); n != 1 {
		s.Errorf("%d phones are known", n)
	}
}

// TestListedPhone: a list comes to hold a registered phone with a call, and an attacker. The call
// goes on without a gap, and the attacker is out; also while the agent and the watcher are killed.
func TestListedPhone(t *testing.T) { onEach(t, layout{phones: 1}, testListedPhone) }

func testListedPhone(s *siege) {
	addr := s.family.phone.Addr()
	phone := s.on(s.phone, addr, 5070)
	s.registered(phone)
	s.eventually("the phone is known", func() bool { return len(s.phones()) == 1 })
	attacker := s.attacker()
	listed := attacker.Local().Addr()
	attacker.Do(attacker.Request("OPTIONS", "100")) // it is answered now

	call := s.speak(phone)
	signals, attacks := s.count(addr, s.family.sip().Port(), 0), s.count(listed, s.family.sip().Port(), 0)
	s.write("lists/list", fmt.Sprintf("4.9.9.9\n%s\n%s\n", s.family.phone.Masked(), listed))
	s.eventually("the list is in force", func() bool { return s.in("voip_bl", listed) })
	attacker.Send(attacker.Request("OPTIONS", "100").Text())
	sent := s.registered(phone) // the phone gets in, after the attacker has sent
	if in, _ := attacks.packets(); in != 0 {
		s.Errorf("%d packets of a listed attacker were let in", in)
	}
	s.must(s.agent.Process.Kill())
	_, _ = s.agent.Process.Wait()
	sent += s.registered(phone)
	s.agent = s.start("run", "--config", s.path("voipbl.yaml"))
	s.must(s.watcher.Process.Kill())
	_, _ = s.watcher.Process.Wait()
	s.watch()
	if out := s.sh("voipbl check " + addr.String() + " || true"); !strings.Contains(out, "registered phone") {
		s.Errorf("check: %s", out)
	}
	s.guesses(s.attacker(), time.Second/50).banned() // after all this

	call.end()
	if in, _ := signals.packets(); in != sent {
		s.Errorf("%d of the phone's %d requests were let in", in, sent)
	}
}
