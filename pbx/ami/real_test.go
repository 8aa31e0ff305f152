package ami

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testsip"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/pbx"
)

// limit is how long something may take on a busy machine.
const limit = time.Minute

// watched is a client that watches, and what it has seen.
type watched struct {
	*Client
	t      *testing.T
	saw    chan pbx.Observation
	trunks chan pbx.Observation
}

// watch runs a client until the test ends, in the network namespace of the caller.
func watch(t *testing.T, s Settings) *watched {
	c, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{c, t, make(chan pbx.Observation, 1000), make(chan pbx.Observation, 1000)}
	ns, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is spoilt
		if err := netns.Set(ns); err != nil {
			done <- err
			return
		}
		done <- c.Watch(ctx, func(o pbx.Observation) {
			if o.What == pbx.Trunk {
				w.trunks <- o
			} else {
				w.saw <- o
			}
		})
	}()
	t.Cleanup(func() {
		end()
		if err := <-done; err != context.Canceled {
			t.Error(err)
		}
		ns.Close()
	})
	return w
}

// sees waits for an observation of an account, and returns all until it.
func (w *watched) sees(account string) (saw []string) {
	w.t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		select {
		case o := <-w.saw:
			if o.Account == account {
				return saw
			}
			if d := time.Since(o.At); d < 0 || d > limit {
				w.t.Errorf("%s was seen %v ago", as(o), d)
			}
			if !o.Until.IsZero() {
				o.Until = o.At.Add(o.Until.Sub(o.At).Round(time.Minute))
			}
			saw = append(saw, as(o))
		case <-late.C:
			w.t.Fatalf("nothing of %s in %v; seen: %q, health: %+v", account, limit, saw, w.Health())
		}
	}
}

// goes waits for a state.
func (w *watched) goes(what string, so func(Health) bool) {
	w.t.Helper()
	if !testpoll.Until(limit, func() bool { return so(w.Health()) }) {
		w.t.Fatalf("not %s after %v: %+v", what, limit, w.Health())
	}
}

const manager = `[general]
enabled = yes
webenabled = %s
port = 5038
bindaddr = ::
[voipbl]
secret = top
read = security,system
write = reporting
`

// TestAMIOfAsterisk has a real Asterisk tell of phones and attackers, be killed, be started again, and
// be opened to strangers.
func TestAMIOfAsterisk(t *testing.T) {
	testskip.UnlessRoot(t)
	pair := testns.EnterPair(t, testvalue.Addrs("192.0.2.1", "2001:db8::1"), testvalue.Addrs("198.51.100.5", "203.0.113.66", "203.0.113.77", "2001:db8:1::66"))
	files := testasterisk.Files()
	files["manager.conf"] = fmt.Sprintf(manager, "no")
	files["iax.conf"] = "[general]\n[a]\ntype = peer\nhost = 203.0.113.99\n[b]\ntype = friend\nhost = dynamic\n"
	files["http.conf"] = "[general]\nenabled = yes\nbindaddr = 0.0.0.0\nbindport = 8088\n"
	a := testasterisk.Start(t, files)
	at := netip.MustParseAddrPort
	w := watch(t, Settings{Address: at("127.0.0.1:5038"), User: "voipbl", Secret: "top"})
	w.goes("connected", func(h Health) bool { return !h.Since.IsZero() })

	select {
	case o := <-w.trunks:
		if o.Called != "203.0.113.99" || o.Account != "" {
			t.Errorf("%s", as(o))
		}
	case <-time.After(limit):
		t.Error("no peer by IAX2")
	}

	var phone, attacker, attackerTCP, attacker6, last *testsip.Client
	pair.Outside(func() {
		phone = testsip.MustDial(t, "udp", at("198.51.100.5:5070"), at("192.0.2.1:5060"))
		attacker = testsip.MustDial(t, "udp", at("203.0.113.66:5060"), at("192.0.2.1:5060"))
		attackerTCP = testsip.MustDial(t, "tcp", at("203.0.113.66:5070"), at("192.0.2.1:5060"))
		attacker6 = testsip.MustDial(t, "udp", at("[2001:db8:1::66]:5060"), at("[2001:db8::1]:5060"))
		last = testsip.MustDial(t, "udp", at("203.0.113.77:5060"), at("192.0.2.1:5060"))
	})
	// guess tries passwords in one call, each beside the same answer for a realm that is not Asterisk's.
	// Of these, Asterisk logs the other one, and checks this one.
	guess := func(c *testsip.Client, accounts ...string) {
		r := c.Request("REGISTER", accounts[0])
		for i, account := range accounts {
			r.From = strings.Replace(r.From, accounts[max(0, i-1)], account, 1)
			challenge := c.Do(r)
			next := r.Authorized(challenge, account, fmt.Sprint("wrong", i))
			next.Headers = append([]string{`Authorization: Digest username="` + account + `", realm="other", nonce="1", uri="sip:pbx", response="1", algorithm=MD5`}, next.Headers...)
			c.Do(next)
			r.CSeq = next.CSeq + 1
		}
	}
	unregister := phone.Request("REGISTER", "6002")
	for _, d := range []struct {
		name string
		do   func()
		want []string
	}{
		{"a wrong password", func() { attacker.Register("6001", "wrong") }, []string{"udp 203.0.113.66:5060 asked 6001", "udp 203.0.113.66:5060 wrong password 6001"}},
		{"over TCP", func() { attackerTCP.Register("6001", "wrong") }, []string{"tcp 203.0.113.66:5070 asked 6001, proved", "tcp 203.0.113.66:5070 wrong password 6001, proved"}},
		{"IPv6", func() { attacker6.Register("6001", "wrong") }, []string{"udp [2001:db8:1::66]:5060 asked 6001", "udp [2001:db8:1::66]:5060 wrong password 6001"}},
		{"guesses that look like one answer, over TCP", func() { guess(attackerTCP, "6001", "6001", "6001") }, []string{
			"tcp 203.0.113.66:5070 asked 6001, proved", "tcp 203.0.113.66:5070 wrong password 6001, proved",
			"tcp 203.0.113.66:5070 asked 6001, proved", "tcp 203.0.113.66:5070 wrong password 6001, proved",
			"tcp 203.0.113.66:5070 asked 6001, proved", "tcp 203.0.113.66:5070 wrong password 6001, proved",
		}},
		{"guesses for two accounts that look like one answer", func() { guess(attacker, "6001", "6002") }, []string{
			"udp 203.0.113.66:5060 asked 6001", "udp 203.0.113.66:5060 wrong password 6001",
			"udp 203.0.113.66:5060 asked 6002", "udp 203.0.113.66:5060 wrong password 6002",
		}},
		{"an unknown account", func() { attacker.Register("9999", "wrong") }, []string{"udp 203.0.113.66:5060 unknown account 9999", "udp 203.0.113.66:5060 unknown account 9999", "udp 203.0.113.66:5060 wrong password 9999"}},
		{"a call", func() { phone.DoAs(testasterisk.Call(phone, "6002", "999"), "6002", testasterisk.Password) }, []string{
			"udp 198.51.100.5:5070 asked 6002", "udp 198.51.100.5:5070 authenticated 6002, proved",
		}},
		{"an event in From", func() { attacker.Do(testasterisk.Broken(attacker, "%0d%0a%0d%0aEvent%3a%20SuccessfulAuth")) }, []string{"udp 203.0.113.66:5060 unknown account"}},
		{"an address in From", func() {
			attacker.Do(testasterisk.Broken(attacker, "%0d%0aRemoteAddress%3a%20IPV4%2fUDP%2f8.8.8.8%2f1"))
		}, []string{"udp 203.0.113.66:5060 unknown account"}},
		{"a long Call-ID", func() {
			r := attacker.Request("REGISTER", "6001")
			r.CallID += strings.Repeat("z", 60_000)
			attacker.Do(r)
		}, []string{"udp 203.0.113.66:5060 asked 6001"}},
		{"a Call-ID that is not UTF-8", func() {
			r := attacker.Request("REGISTER", "6001")
			r.CallID += "\xff"
			attacker.Do(r)
		}, nil},
	} {
		d.do()
		last.Do(last.Request("OPTIONS", "the-end"))
		if diff := cmp.Diff(d.want, w.sees("the-end")); diff != "" {
			t.Errorf("%s: %s", d.name, diff)
		}
	}

	const guesses = 2 * repeatsOf
	guess(attacker, slices.Repeat([]string{"6001"}, guesses)...)
	last.Do(last.Request("OPTIONS", "the-end"))
	wrong := 0
	for _, saw := range w.sees("the-end") {
		if saw == "udp 203.0.113.66:5060 wrong password 6001" {
			wrong++
		}
	}
	if wrong < guesses-repeatsOf { // each, unless the machine is so slow that they come like repetitions
		t.Errorf("%d of %d guesses that look like one answer are counted", wrong, guesses)
	}

	phone.DoAs(unregister, "6002", testasterisk.Password)
	if o := w.await(pbx.Registered); o.Source != phone.Local() || o.Account != "6002" || o.Until.Sub(o.At).Round(time.Minute) != time.Hour {
		t.Errorf("%s", as(o))
	}

	a.Stop()
	w.await(pbx.Lost)
	if h := w.Health(); h.Problem == "" || !h.Since.IsZero() {
		t.Errorf("%+v", h)
	}
	a.Restart()
	w.goes("connected again", func(h Health) bool { return !h.Since.IsZero() && h.Problem == "" })
	unregister.Headers = append(unregister.Headers, "Expires: 0")
	unregister.CSeq += 5
	phone.DoAs(unregister, "6002", testasterisk.Password)
	if o := w.await(pbx.Unregistered); o.Source != phone.Local() || o.Account != "6002" {
		t.Errorf("%s", as(o))
	}
	if h := w.Health(); h.Contacts != "" || h.Dropped == 0 {
		t.Errorf("%+v", h)
	}

	// A stranger's request by HTTP makes whole events, so none is believed.
	reload := func(webenabled string) {
		a.In(func(root string) error {
			return os.WriteFile(filepath.Join(root, "etc/asterisk/manager.conf"), fmt.Appendf(nil, manager, webenabled), 0o600)
		})
		a.CLI("module reload manager")
	}
	reload("yes")
	w.goes("in doubt", func(h Health) bool { return strings.Contains(h.Problem, errHTTP.Error()) })
	w.await(pbx.Lost)
	pair.Outside(func() {
		get(t, at("192.0.2.1:8088"), "/rawman?action=login&secret=x&username="+url.PathEscape("x\r\n\r\n"+securityEvent("SuccessfulAuth", "UsingPassword: 1")), "Authentication failed")
	})
	reload("no")
	w.goes("connected once more", func(h Health) bool { return !h.Since.IsZero() })
	attacker.Register("6001", "wrong")
	last.Do(last.Request("OPTIONS", "the-end"))
	if diff := cmp.Diff([]string{"udp 203.0.113.66:5060 asked 6001", "udp 203.0.113.66:5060 wrong password 6001"}, w.sees("the-end")); diff != "" {
		t.Error(diff)
	}
}

// await waits for an observation of a kind.
func (w *watched) await(what pbx.What) pbx.Observation {
	w.t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		select {
		case o := <-w.saw:
			if o.What == what {
				return o
			}
		case <-late.C:
			w.t.Fatalf("nobody has %s in %v: %+v", what, limit, w.Health())
		}
	}
}

// get asks a web server, and waits until it answers with a text.
func get(t *testing.T, from netip.AddrPort, path, want string) {
	t.Helper()
	conn, err := net.Dial("tcp", from.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: pbx\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if strings.Contains(lines.Text(), want) {
			return
		}
	}
	t.Fatalf("%q is not in the answer of %s: %v", want, from, lines.Err())
}
