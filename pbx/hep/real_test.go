package hep

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testkamailio"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testsip"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/pbx"
)

// town is a real PBX, with a phone, an attacker and a stranger outside of it.
type town struct {
	t                         *testing.T
	saw                       *watched
	phone, attacker, stranger *testsip.Client // by UDP
	attackerTCP, attacker6    *testsip.Client
}

// settle makes the namespaces, the server and, by start, the PBX.
func settle(t *testing.T, start func()) *town {
	testskip.UnlessRoot(t)
	own := testvalue.Addrs("192.0.2.1", "2001:db8::1")
	pair := testns.EnterPair(t, own,
		testvalue.Addrs("198.51.100.5", "203.0.113.66", "203.0.113.77", "2001:db8:1::66"))
	s, err := Listen(ap("127.0.0.1:9060"), testKey, func(a netip.Addr) bool { return slices.Contains(own, a) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	w := &watched{s, make(chan pbx.Observation, 1000), end, make(chan error, 1)}
	go func() { w.done <- s.Watch(ctx, func(o pbx.Observation) { w.saw <- o }) }()
	t.Cleanup(func() { end(); <-w.done })
	start()
	v := &town{t: t, saw: w}
	pair.Outside(func() {
		v.phone = testsip.MustDial(t, "udp", ap("198.51.100.5:5070"), thePBX)
		v.attacker = testsip.MustDial(t, "udp", ap("203.0.113.66:5060"), thePBX)
		v.stranger = testsip.MustDial(t, "udp", ap("203.0.113.77:5060"), thePBX)
		v.attackerTCP = testsip.MustDial(t, "tcp", ap("203.0.113.66:5070"), thePBX)
		v.attacker6 = testsip.MustDial(t, "udp", ap("[2001:db8:1::66]:5060"), ap("[2001:db8::1]:5060"))
	})
	return v
}

// sees does something and returns what is seen of it: as many observations as wanted, and what else
// comes before another request is seen. Kamailio tells of an answer only when it has sent it.
func (v *town) sees(do func(), wanted int) (saw []string) {
	v.t.Helper()
	do()
	for range wanted {
		saw = append(saw, v.form(v.saw.next(v.t)))
	}
	v.stranger.Do(v.stranger.Request("OPTIONS", "the-end"))
	for o := v.saw.next(v.t); o.Account != "the-end"; o = v.saw.next(v.t) {
		saw = append(saw, v.form(o))
	}
	return saw
}

func (v *town) form(o pbx.Observation) string {
	if !o.Until.IsZero() {
		o.Until = o.At.Add(o.Until.Sub(o.At).Round(time.Minute))
	}
	if d := time.Since(o.At); d < -time.Minute || d > time.Minute {
		v.t.Errorf("%s was seen %v ago", as(o), d)
	}
	return o.Transport + " " + as(o)
}

// deed is something that somebody does, and what is seen of it.
type deed struct {
	name string
	do   func(v *town)
	want []string
}

func (v *town) see(deeds []deed) {
	for _, d := range deeds {
		got := v.sees(func() { d.do(v) }, len(d.want))
		if diff := cmp.Diff(d.want, got); diff != "" {
			v.t.Errorf("%s: %s", d.name, diff)
		}
	}
	s := v.saw.Stats()
	if s.WrongKey+s.Damaged+s.Lost+s.Foreign > 0 {
		v.t.Errorf("%+v", s)
	}
}

// guess is a REGISTER with credentials of which the nonce is given.
func guess(c *testsip.Client, nonce string) testsip.Request {
	r := c.Request("REGISTER", "6001")
	r.Headers = append(r.Headers, fmt.Sprintf(`Authorization: Digest username="6001", realm="asterisk", nonce="%s", uri="sip:192.0.2.1", response="%032x", algorithm=MD5`, nonce, 1))
	return r
}

// deeds are those whose result is the same for each PBX. number is one that answers.
func deeds(number string) []deed {
	return []deed{
		{"a phone registers", func(v *town) { v.phone.Register("6001", "secret") }, []string{
			"udp 198.51.100.5:5070 asked 6001 by REGISTER", "udp 198.51.100.5:5070 registered 6001 by REGISTER for 1h0m0s, proved",
		}},
		{"a phone calls", func(v *town) { v.phone.DoAs(testasterisk.Call(v.phone, "6001", number), "6001", "secret") }, []string{
			"udp 198.51.100.5:5070 asked 6001 by INVITE to 200", "udp 198.51.100.5:5070 authenticated 6001 by INVITE to 200, proved",
		}},
		{"a wrong password", func(v *town) { v.attacker.Register("6001", "wrong") }, []string{
			"udp 203.0.113.66:5060 asked 6001 by REGISTER", "udp 203.0.113.66:5060 wrong password 6001 by REGISTER, proved",
		}},
		{"a wrong password in a call", func(v *town) { v.attacker.DoAs(testasterisk.Call(v.attacker, "6001", number), "6001", "wrong") }, []string{
			"udp 203.0.113.66:5060 asked 6001 by INVITE to 200", "udp 203.0.113.66:5060 wrong password 6001 by INVITE to 200, proved",
		}},
		{"an unknown account", func(v *town) { v.attacker.Register("9999", "wrong") }, []string{
			"udp 203.0.113.66:5060 asked 9999 by REGISTER", "udp 203.0.113.66:5060 wrong password 9999 by REGISTER, proved",
		}},
		{"IPv6", func(v *town) { v.attacker6.Register("6001", "wrong") }, []string{
			"udp [2001:db8:1::66]:5060 asked 6001 by REGISTER", "udp [2001:db8:1::66]:5060 wrong password 6001 by REGISTER, proved",
		}},
		{"TCP", func(v *town) { v.attackerTCP.Do(guess(v.attackerTCP, "invented")) }, []string{
			"tcp 203.0.113.66:5070 wrong password 6001 by REGISTER, proved",
		}},
		{"an invented nonce", func(v *town) { v.attacker.Do(guess(v.attacker, "invented")) }, []string{
			"udp 203.0.113.66:5060 wrong password 6001 by REGISTER",
		}},
		{"a challenge from the attacker, and the phone's address", func(v *town) {
			r := guess(v.phone, "known")
			for _, c := range []*testsip.Client{v.phone, v.attacker} {
				c.Send("SIP/2.0 401 Unauthorized\r\nVia: " + r.Via + "\r\nFrom: " + r.From + "\r\nTo: " + r.To + "\r\nCall-ID: " + r.CallID +
					"\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"asterisk\",nonce=\"known\"\r\nContent-Length: 0\r\n\r\n")
			}
			v.phone.Do(r)
		}, []string{"udp 198.51.100.5:5070 wrong password 6001 by REGISTER"}},
		{"the nonce of another", func(v *town) {
			a := v.attacker.Do(v.attacker.Request("REGISTER", "6001"))
			v.phone.Do(v.phone.Request("REGISTER", "6001").Authorized(a, "6001", "wrong"))
		}, []string{"udp 203.0.113.66:5060 asked 6001 by REGISTER", "udp 198.51.100.5:5070 wrong password 6001 by REGISTER"}},
		{"every spelling", func(v *town) {
			for _, respell := range []func(string) string{
				strings.NewReplacer("\r\n", "\n").Replace, strings.NewReplacer("REGISTER sip:", "REGISTER SIP:").Replace,
				strings.NewReplacer("From:", "f:", "To:", "t:", "Call-ID:", "i:", "Via:", "v:").Replace,
			} {
				r := v.attacker.Request("REGISTER", "6001")
				v.attacker.Send(respell(r.Text()))
				if a, err := v.attacker.Next(limit); err != nil || a.Status != 401 {
					v.t.Fatalf("%v, %v", a, err)
				}
			}
		}, []string{
			"udp 203.0.113.66:5060 asked 6001 by REGISTER", "udp 203.0.113.66:5060 asked 6001 by REGISTER", "udp 203.0.113.66:5060 asked 6001 by REGISTER",
		}},
		{"a scan", func(v *town) { v.attacker.Do(v.attacker.Request("OPTIONS", "100")) }, []string{"udp 203.0.113.66:5060 scanned 100 by OPTIONS"}},
		{"a phone unregisters", func(v *town) {
			r := v.phone.Request("REGISTER", "6001")
			r.Headers = []string{"Contact: *", "Expires: 0"}
			v.phone.DoAs(r, "6001", "secret")
		}, []string{"udp 198.51.100.5:5070 asked 6001 by REGISTER", "udp 198.51.100.5:5070 unregistered 6001 by REGISTER, proved"}},
	}
}

// TestHEPOfAsterisk has a real Asterisk tell of phones and attackers.
func TestHEPOfAsterisk(t *testing.T) {
	v := settle(t, func() {
		files := testasterisk.Files()
		files["hep.conf"] = "[general]\nenabled = yes\ncapture_address = 127.0.0.1:9060\ncapture_password = " + testKey + "\n"
		testasterisk.Start(t, files)
	})
	v.see(append(deeds("200"),
		deed{"the right password, but one phone too many", func(v *town) {
			for _, phone := range []string{"6001@192.0.2.1", "6001@192.0.2.2"} {
				r := v.phone.Request("REGISTER", "6001")
				r.Headers = []string{"Contact: <sip:" + phone + ">"}
				v.phone.DoAs(r, "6001", testasterisk.Password)
			}
		}, []string{
			"udp 198.51.100.5:5070 asked 6001 by REGISTER", "udp 198.51.100.5:5070 registered 6001 by REGISTER for 1h0m0s, proved",
			"udp 198.51.100.5:5070 asked 6001 by REGISTER", "udp 198.51.100.5:5070 refused 6001 by REGISTER, proved",
		}},
		deed{"a wrong number", func(v *town) {
			v.phone.DoAs(testasterisk.Call(v.phone, "6002", "999"), "6002", testasterisk.Password)
		}, []string{"udp 198.51.100.5:5070 asked 6002 by INVITE to 999"}},
		deed{"a tab, and lower case", func(v *town) {
			r := v.attacker.Request("REGISTER", "6001")
			v.attacker.Send(strings.Replace(r.Text(), "REGISTER ", " register\t", 1))
			v.attacker.Answer(r.CallID)
		}, []string{"udp 203.0.113.66:5060 asked 6001 by REGISTER"}},
		deed{"an answer that is sent to the attacker", func(v *town) {
			// All but the last packet are from the attacker, with the phone's address.
			first, second := v.phone.Request("REGISTER", "6001"), v.phone.Request("REGISTER", "6001")
			second.Via = "SIP/2.0/UDP 198.51.100.5:5060;maddr=203.0.113.66;branch=z9hG4bKelsewhere"
			v.phone.Do(first)
			v.phone.Send(second.Text())
			r := second.Authorized(v.attacker.Answer(second.CallID), "6001", "wrong")
			r.Via = first.Via + "x"
			v.phone.Do(r)
		}, []string{
			"udp 198.51.100.5:5070 asked 6001 by REGISTER", "udp 198.51.100.5:5070 asked 6001 by REGISTER",
			"udp 198.51.100.5:5070 wrong password 6001 by REGISTER",
		}},
		deed{"a bare CR in From", func(v *town) {
			r := v.attacker.Request("REGISTER", "6001")
			r.From = "\"\rWWW-Authenticate: Digest nonce=known\rx: \" " + r.From
			v.attacker.Do(r)
			v.attacker.Do(guess(v.attacker, "known"))
		}, []string{"udp 203.0.113.66:5060 asked 6001 by REGISTER", "udp 203.0.113.66:5060 wrong password 6001 by REGISTER"}},
	))
}

// kamailio is a registrar for the phone 6001, and a user agent that answers each call.
const kamailio = `#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:192.0.2.1:5060
listen=udp:[2001:db8::1]:5060
listen=tcp:192.0.2.1:5060
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "siptrace.so"
modparam("siptrace", "duplicate_uri", "sip:127.0.0.1:9060")
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", 1)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "auth_key", "` + testKey + `")
modparam("auth", "nonce_count", 1)
modparam("auth", "one_time_nonce", 1)
request_route {
	if (is_method("REGISTER|INVITE")) {
		if ($au != "6001" || !pv_www_authenticate("$fd", "secret", "0")) {
			www_challenge("$fd", "1");
			exit;
		}
		if (is_method("REGISTER")) {
			save("location");
			exit;
		}
	}
	if (is_method("ACK")) exit;
	sl_send_reply("200", "OK");
}
`

// TestHEPOfKamailio is the same with a real Kamailio.
func TestHEPOfKamailio(t *testing.T) {
	v := settle(t, func() { testkamailio.Start(t, kamailio, thePBX) })
	v.see(deeds("200"))
}

// TestHEPOfKamailioAlike: as it is by default, Kamailio sends the same nonce to all.
func TestHEPOfKamailioAlike(t *testing.T) {
	v := settle(t, func() {
		testkamailio.Start(t, strings.NewReplacer(`"nonce_count", 1`, `"nonce_count", 0`, `"one_time_nonce", 1`, `"one_time_nonce", 0`).Replace(kamailio), thePBX)
	})
	challenge := func(c *testsip.Client) string { return c.Do(c.Request("REGISTER", "6001")).Header("WWW-Authenticate") }
	v.sees(func() {
		if !testpoll.Until(limit, func() bool { return challenge(v.phone) == challenge(v.attacker) }) { // in the same second
			t.Fatal("the nonces differ")
		}
	}, 0)
	v.see([]deed{
		{"a wrong password", func(v *town) { v.attacker.Register("6001", "wrong") }, []string{
			"udp 203.0.113.66:5060 asked 6001 by REGISTER", "udp 203.0.113.66:5060 wrong password 6001 by REGISTER",
		}},
		{"a phone registers", func(v *town) { v.phone.Register("6001", "secret") }, []string{
			"udp 198.51.100.5:5070 asked 6001 by REGISTER", "udp 198.51.100.5:5070 registered 6001 by REGISTER for 1h0m0s",
		}},
	})
}
