package siege_test

import (
	"errors"
	"fmt"
	"net"
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
func (s *siege) on(h *testns.Host, from string) (c *testsip.Client) {
	s.Helper()
	h.Do(func() { c = testsip.MustDial(s, "udp", netip.MustParseAddrPort(from), sipPort) })
	return c
}

// registers registers a phone as phones do: it repeats a request that is not answered (RFC 3261, 17.1),
// and begins anew when that has no end. It gives up after a limit.
func registers(c *testsip.Client, user string, limit time.Duration) error {
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		a, err := persists(c, c.Request("REGISTER", user), end)
		if err != nil {
			continue
		}
		r := c.Request("REGISTER", user).Authorized(a, user, password)
		if a, err = persists(c, r, end); err == nil && a.Status == 200 {
			return nil
		}
	}
	return fmt.Errorf("%s is not registered after %v", user, limit)
}

var errNoAnswer = errors.New("no answer")

func persists(c *testsip.Client, r testsip.Request, end time.Time) (testsip.Answer, error) {
	began := time.Now()
	for wait := 500 * time.Millisecond; time.Now().Before(end) && time.Since(began) < 32*time.Second; wait = min(2*wait, 4*time.Second) {
		c.Send(r.Text())
		if a, err := c.AnswerIn(r.CallID, wait); err == nil && a.Status >= 200 {
			return a, nil
		}
	}
	return testsip.Answer{}, errNoAnswer
}

// TestOffice: the phones of an office behind one address all register at once, as after a power cut,
// while base rules limit strangers and an attacker is at work. One of them was registered before: if
// nobody knows the office, their first requests can use up the limits, and no second one gets through.
func TestOffice(t *testing.T) {
	const phones = 20
	s := begin(t, phones, "  base: true\n")
	s.sh("voipbl firewall apply --confirm 0")
	attacker := s.attacker()
	attacked := make(chan int, 1)
	go func() { attacked <- guess(attacker, time.Second/20) }()

	var all []*testsip.Client
	for i := range phones {
		all = append(all, s.on(s.office, fmt.Sprintf("45.1.3.3:%d", 20000+i)))
	}
	s.must(registers(all[0], "7000", patience))
	s.eventually("the office is known", func() bool { return len(s.phones()) == 1 })
	for _, round := range []string{"first", "again"} {
		began := time.Now()
		done := make(chan error, phones)
		for i, c := range all {
			go func() { done <- registers(c, fmt.Sprint(7000+i), patience) }()
		}
		for range phones {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		t.Logf("%s: %d phones registered in %v", round, phones, time.Since(began).Round(10*time.Millisecond))
		s.eventually("all phones are known", func() bool { return len(s.phones()) == phones })
	}
	t.Logf("the attacker got %d answers", <-attacked)
	if a := attacker.Local().Addr(); !s.banned(a) {
		t.Errorf("%s is not banned", a)
	}
	if s.banned(netip.MustParseAddr("45.1.3.3")) {
		t.Error("the office is banned")
	}
	if out := s.sh("ipset list voip_known"); !strings.Contains(out, "45.1.3.3 timeout") {
		t.Errorf("the office is not let in before the limits:\n%s", out)
	}
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
	s := begin(t, 1, "  base: true\n")
	s.sh("voipbl firewall apply --confirm 0")
	const phone = "45.1.4.4"
	own := s.on(s.phone, phone+":5070")
	s.must(registers(own, "7000", patience))
	s.eventually("the phone is known", func() bool { return len(s.phones()) == 1 })

	s.attackers.Do(func() {
		s.must(exec.Command("ip", "addr", "add", phone+"/32", "dev", "lo").Run())
	})
	var spoofers []*testsip.Client
	for i := range 8 {
		spoofers = append(spoofers, s.on(s.attackers, fmt.Sprintf("%s:%d", phone, 5060+i)))
	}
	// A real challenge, which the spoofer has got at its own address.
	stranger := s.attacker()
	forged := stranger.Do(stranger.Request("REGISTER", "7000"))
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
		func(c *testsip.Client, i int) testsip.Request {
			return testasterisk.Broken(c, "%0d%0aRemoteAddress%3a%20IPV4%2fUDP%2f45.1.4.4%2f1")
		},
	}
	const tries = 10_000
	for i := range tries {
		c := spoofers[i%len(spoofers)]
		c.Send(kinds[i%len(kinds)](c, i).Text())
		if i%1000 == 999 { // in between the phone goes on
			s.must(registers(own, "7000", patience))
			if s.banned(netip.MustParseAddr(phone)) {
				t.Fatalf("the phone is banned after %d packets", i+1)
			}
		}
	}
	own.Do(own.Request("OPTIONS", "7000")) // one packet, one answer: no limit
	if s.banned(netip.MustParseAddr(phone)) {
		t.Error("the phone is banned")
	}
	if n := len(s.phones()); n != 1 {
		t.Errorf("%d phones are known", n)
	}
}

// TestListedPhone: a list comes to hold a registered phone with a call, and an attacker. The call
// goes on without a gap, and the attacker is out; also while the agent and the watcher are killed.
func TestListedPhone(t *testing.T) {
	s := begin(t, 1, "")
	phone := s.on(s.phone, "45.1.4.4:5070")
	s.must(registers(phone, "7000", patience))
	s.eventually("the phone is known", func() bool { return len(s.phones()) == 1 })
	attacker := s.attacker()
	attacker.Do(attacker.Request("OPTIONS", "100")) // it is answered now

	speak := s.speak(phone)
	s.write("lists/list", fmt.Sprintf("4.9.9.9\n45.1.4.0/24\n%s\n", attacker.Local().Addr()))
	s.eventually("the list is in force", func() bool {
		return exec.Command("ipset", "-q", "test", "voip_bl", attacker.Local().Addr().String()).Run() == nil
	})
	r := attacker.Request("OPTIONS", "100")
	attacker.Send(r.Text())
	s.must(registers(phone, "7000", patience)) // the phone gets in, after the attacker has sent
	if a, err := attacker.AnswerIn(r.CallID, time.Millisecond); err == nil {
		t.Errorf("a listed attacker is answered: %d", a.Status)
	}
	s.must(s.agent.Process.Kill())
	_, _ = s.agent.Process.Wait()
	s.must(registers(phone, "7000", patience))
	s.agent = s.start("run", "--config", s.path("voipbl.yaml"))
	s.must(s.watcher.Process.Kill())
	_, _ = s.watcher.Process.Wait()
	s.watch()
	if out := s.sh("voipbl check 45.1.4.4 || true"); !strings.Contains(out, "registered phone") {
		t.Errorf("check: %s", out)
	}
	other := s.attacker()
	guess(other, time.Second/50)
	s.eventually("an attacker is banned after all this", func() bool { return s.banned(other.Local().Addr()) })

	if sent, lost := speak(); lost > 0 || sent < 50 {
		t.Errorf("%d of %d RTP packets were lost", lost, sent)
	} else {
		t.Logf("%d RTP packets, none lost", sent)
	}
}

// speak begins a call to a number that echoes, and sends RTP until the function that it returns is
// called, which says how many packets were sent, and how many of them did not come back.
func (s *siege) speak(phone *testsip.Client) (end func() (sent, lost int)) {
	s.Helper()
	var rtp *net.UDPConn
	s.phone.Do(func() {
		var err error
		rtp, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(45, 1, 4, 4), Port: 12000})
		s.must(err)
	})
	s.Cleanup(func() { rtp.Close() })
	a := phone.DoAs(testasterisk.Call(phone, "7000", "200"), "7000", password)
	var port int
	for line := range strings.Lines(a.Body) {
		if n, _ := fmt.Sscanf(line, "m=audio %d", &port); n == 1 {
			break
		}
	}
	if a.Status != 200 || port == 0 {
		s.Fatalf("the call is answered %d\n%s", a.Status, a.Body)
	}
	to := netip.AddrPortFrom(pbxAddr, uint16(port))
	packet := make([]byte, 12+160)
	send := func(i int) {
		packet[0], packet[1] = 0x80, 0 // RTP, PCMU (RFC 3550)
		packet[2], packet[3] = byte(i>>8), byte(i)
		stamp := uint32(i * 160)
		packet[4], packet[5], packet[6], packet[7] = byte(stamp>>24), byte(stamp>>16), byte(stamp>>8), byte(stamp)
		packet[11] = 1
		_, err := rtp.WriteToUDPAddrPort(packet, to)
		s.must(err)
	}
	heard := make(map[uint16]bool)
	stop, done := make(chan bool), make(chan int)
	go func() {
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- i
				return
			case <-every.C:
				send(i)
			}
		}
	}()
	back := make(chan bool)
	go func() {
		defer close(back)
		buf := make([]byte, 2000)
		for n := 0; ; n++ {
			k, _, err := rtp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if k == len(packet) {
				heard[uint16(n)] = true
			}
		}
	}()
	return func() (sent, lost int) {
		stop <- true
		sent = <-done
		s.must(rtp.SetReadDeadline(time.Now().Add(2 * time.Second))) // what is on its way comes back
		<-back
		return sent, sent - len(heard)
	}
}
