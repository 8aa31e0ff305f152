package ami

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/pbx"
)

const (
	authenticated = "udp 8.8.8.8:5060 authenticated 6001, proved"
	asked         = "udp 8.8.8.8:5060 asked 6001"
	lost          = "invalid AddrPort lost"
)

var challengeSent = securityEvent("ChallengeSent", "Challenge: ")

// stays answers what the client asks from time to time, until it is gone.
func (f *fake) stays() {
	for f.answers("CoreHTTPenabled: No") != "" {
	}
}

// waits does nothing until the client is gone.
func (f *fake) waits() {
	for f.asked() != nil {
	}
}

func TestServers(t *testing.T) {
	for name, c := range map[string]struct {
		serve    func(*fake)
		lasts    time.Duration
		problem  string // is in Problem; "-" is none
		contacts string
		saw      []string
	}{
		"Asterisk":               {func(f *fake) { f.starts(nil); f.says(challengeSent); f.stays() }, time.Hour, "-", "", []string{asked}},
		"nobody":                 {func(*fake) {}, time.Second / 2, "it has not greeted: EOF", "", nil},
		"silence":                {func(f *fake) { f.waits() }, answerLimit + time.Second/2, "it has not greeted: read pipe: i/o timeout", "", nil},
		"a web server":           {func(f *fake) { f.says("HTTP/1.1 400 Bad Request\r\n") }, time.Second / 2, "who greets is not Asterisk", "", nil},
		"a greeting without end": {func(f *fake) { f.says("Asterisk Call Manager/" + strings.Repeat("1", 1<<20)) }, time.Second / 2, "who greets is not Asterisk", "", nil},
		"a wrong secret": {func(f *fake) {
			f.starts(map[string]string{"Login": "Response: Error\r\nMessage: Authentication failed\x1b"})
		}, time.Second / 2, "login: Authentication failed?", "", nil},
		"no answer": {func(f *fake) { f.says(greeting + "11\r\n"); f.waits() }, answerLimit + time.Second/2, "challenge: no answer in 10s", "", nil},
		"answers to nobody": {func(f *fake) {
			f.says(greeting + "11\r\n")
			for f.asked() != nil {
				f.says(lines("Response: Success", "ActionID: 1", "Challenge: 1") + lines("Response: Success", "Challenge: 1"))
			}
		}, answerLimit + time.Second/2, "challenge: no answer in 10s", "", nil},
		"a broken answer": {func(f *fake) {
			f.says(greeting + "11\r\n")
			f.answers("Challenge: 1", "Challenge: 2")
			f.waits()
		}, answerLimit + time.Second/2, "challenge: no answer in 10s", "", nil},
		"a flood before the login": {func(f *fake) {
			f.says(greeting + "11\r\n")
			f.asked()
			for range 2000 {
				f.says(challengeSent)
			}
			f.waits()
		}, answerLimit + time.Second/2, "challenge: no answer in 10s", "", nil},
		"open over HTTP": {func(f *fake) {
			f.starts(map[string]string{"CoreSettings": "Response: Success\r\nCoreHTTPenabled: Yes"})
		}, time.Second / 2, "webenabled = no", "", nil},
		"nothing about HTTP": {func(f *fake) { f.starts(map[string]string{"CoreSettings": "Response: Success\r\nx: y"}) }, time.Second / 2, "does not say", "", nil},
		"may not ask about HTTP": {func(f *fake) {
			f.starts(map[string]string{"CoreSettings": "Response: Error\r\nMessage: Permission denied"})
		}, time.Second / 2, "coresettings: Permission denied", "", nil},
		"chan_sip": {func(f *fake) {
			f.starts(map[string]string{"ListCommands": "Response: Success\r\nSIPpeers: List SIP peers.  (Priv: system,reporting,all)"})
		}, time.Second / 2, "chan_sip is loaded", "", nil},
		"chan_sip, loaded later": {func(f *fake) {
			f.starts(nil)
			f.says(strings.Replace(challengeSent, "PJSIP", "SIP", 1) + challengeSent)
			f.waits()
		}, time.Second / 2, "chan_sip is loaded", "", []string{lost}},
		"chan_sip, and an event that a stranger has broken": {func(f *fake) {
			f.starts(nil)
			f.says(lines("Event: InvalidAccountID", "Privilege: security,all", "EventTV: 1", "Severity: x", "Service: SIP", "EventVersion: 1", "AccountID: a") + challengeSent)
			f.waits()
		}, time.Second / 2, "chan_sip is loaded", "", []string{lost}},
		"opened over HTTP later": {func(f *fake) {
			f.starts(nil)
			f.answers("CoreHTTPenabled: No")
			f.answers("CoreHTTPenabled: Yes")
			f.says(challengeSent)
			f.waits()
		}, 2*beat + time.Second/2, "webenabled = no", "", []string{lost}},
		"a reload opens it over HTTP": {func(f *fake) {
			f.starts(nil)
			f.says(lines("Event: Reload", "Privilege: system,all", "Module: All", "Status: 0"))
			f.answers("CoreHTTPenabled: Yes")
			f.waits()
		}, time.Second / 2, "webenabled = no", "", []string{lost}},
		"it hangs": {func(f *fake) { f.starts(nil); f.says(challengeSent); f.waits() }, silence + time.Second/2, "has said nothing for 1m0s", "", []string{asked, lost}},
		"it answers no more, and tells all the same": {func(f *fake) {
			f.starts(nil)
			go f.waits()
			for {
				f.says(lines("Event: Shutdown", "Privilege: system,all"))
				select {
				case <-time.After(beat / 2):
				case <-f.over:
					return
				}
			}
		}, beat + silence + time.Second/2, "has not answered for 1m0s", "", []string{lost}},
		"it hangs, and does not read": {func(f *fake) { f.starts(nil); f.says(challengeSent); <-f.over }, beat + writeLimit + time.Second/2, "i/o timeout", "", []string{asked, lost}},
		"it ends":                     {func(f *fake) { f.starts(nil); f.says(challengeSent + "Event: Chal") }, time.Second / 2, "it has closed the connection", "", []string{asked, lost}},
		"garbage": {func(f *fake) {
			f.starts(nil)
			f.says(strings.Repeat("\xff\x00\n", 1<<20) + "\r\n" + lines("") + lines("Event: x") + lines("x: Event") + challengeSent)
			f.stays()
		}, time.Minute, "-", "", []string{asked}},
		"no contacts may be listed": {func(f *fake) {
			f.starts(nil)
			f.says(securityEvent("SuccessfulAuth", "UsingPassword: 1"))
			a := f.asked()
			f.says(lines("Response: Error", "ActionID: "+a["ActionID"], "Message: no "+a["Action"]))
			f.says(securityEvent("SuccessfulAuth", "UsingPassword: 1"))
			for a = f.asked(); a["Action"] == "CoreSettings"; a = f.asked() {
				f.says(lines("Response: Success", "ActionID: "+a["ActionID"], "CoreHTTPenabled: No"))
			}
		}, time.Hour, "-", "Asterisk lists no contacts: no DBGetTree", []string{authenticated, authenticated}},
		"a list of contacts without end": {func(f *fake) {
			f.starts(nil)
			f.says(securityEvent("SuccessfulAuth", "UsingPassword: 1"))
			for a := f.asked(); a != nil; a = f.asked() {
				f.says(lines("Response: Success", "ActionID: "+a["ActionID"], "CoreHTTPenabled: No"))
			}
		}, settled + listingLimit + time.Second/2, "-", "Asterisk has not ended a list of contacts", []string{authenticated}},
	} {
		saw, h, _ := play(t, c.lasts, c.serve)
		if diff := cmp.Diff(c.saw, saw); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if c.problem == "-" {
			if h.Problem != "" || h.Since.IsZero() {
				t.Errorf("%s: %+v", name, h)
			}
		} else if !strings.Contains(h.Problem, c.problem) || !h.Since.IsZero() {
			t.Errorf("%s: problem %q, not %q; connected since %v", name, h.Problem, c.problem, h.Since)
		}
		if h.Contacts != c.contacts {
			t.Errorf("%s: contacts: %q, not %q", name, h.Contacts, c.contacts)
		}
	}
}

// TestCounts: what is in Health.
func TestCounts(t *testing.T) {
	_, h, _ := play(t, time.Minute, func(f *fake) {
		f.starts(nil)
		f.says(lines("Event: FullyBooted", "Privilege: system,all", "Status: x") + strings.Replace(securityEvent("InvalidPassword"), "Service: PJSIP", "Service: AMI", 1))
		f.says(challengeSent + challengeSent + request("\r\nx: y") + request("\r\n\r\nEvent: x") + lines("Response: Error", "ActionID: 1"))
		f.stays()
	})
	if h.Since.IsZero() {
		t.Errorf("%+v", h)
	}
	if h.Events != 6 || h.SIP != 4 || h.Dropped != 3 {
		t.Errorf("%+v", h)
	}
}

// TestReconnect: it waits longer each time, and begins anew after a connection that has lasted.
func TestReconnect(t *testing.T) {
	second := func(n ...int) (d []time.Duration) {
		for _, s := range n {
			d = append(d, time.Duration(s)*time.Second)
		}
		return d
	}
	_, _, dialled := play(t, 100*time.Second, func(*fake) {})
	if diff := cmp.Diff(second(0, 1, 3, 7, 15, 31, 61, 91), dialled); diff != "" {
		t.Error(diff)
	}
	n := 0
	saw, h, dialled := play(t, 100*time.Second, func(f *fake) {
		if n++; n == 4 {
			f.starts(nil)
			<-time.After(lasting)
		}
	})
	if diff := cmp.Diff(second(0, 1, 3, 7, 18, 20, 24, 32, 48, 78), dialled); diff != "" {
		t.Error(diff)
	}
	if len(saw) != 1 || saw[0] != lost {
		t.Errorf("%+v, %q", h, saw)
	}
}

// TestContacts: contacts are listed, with rests between two listings.
func TestContacts(t *testing.T) {
	end := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC) // an hour after the bubble's begin
	item := []string{"Event: DBGetTreeResponse", "Key: /registrar/contact/x",
		`Val: {"call_id":"c1","endpoint":"6001","expiration_time":"` + strconv.FormatInt(end.Unix(), 10) + `","via_addr":"9.9.9.9"}`}
	var at []time.Duration
	saw, h, _ := play(t, 8*time.Minute, func(f *fake) {
		f.starts(nil)
		began := time.Now()
		f.says(securityEvent("SuccessfulAuth", "UsingPassword: 1"))
		for {
			a := f.asked()
			id := "ActionID: " + a["ActionID"]
			switch a["Action"] {
			case "":
				return
			case "CoreSettings":
				f.says(lines("Response: Success", id, "CoreHTTPenabled: No"))
			case "DBGetTree":
				at = append(at, time.Since(began).Round(time.Second))
				f.says(lines("Response: Success", id, "EventList: start"))
				<-time.After(3 * time.Second)
				f.says(lines(append(item, id)...))
				f.says(lines(append(item, "ActionID: 1")...)) // not asked for
				f.says(challengeSent)
				f.says(lines("Event: DBGetTreeComplete", id, "EventList: Complete", "ListItems: 1"))
			}
		}
	})
	if diff := cmp.Diff([]string{authenticated, "udp 8.8.8.8:5060 registered 6001 for 59m59s, proved", asked, asked}, saw); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]time.Duration{time.Second, (1 + 3 + 150) * time.Second}, at); diff != "" {
		t.Error(diff)
	}
	if h.Contacts != "" || h.Dropped != 2 {
		t.Errorf("%+v", h)
	}
}

// listsTrunks has an Asterisk that lists trunks.
var listsTrunks = map[string]string{"ListCommands": "Response: Success\r\nPJSIPShowRegistrationsOutbound: x  (Priv: x)\r\nIAXregistry: x\r\nIAXpeerlist: x"}

// TestTrunks: where Asterisk itself is registered is listed at the start, when that may have changed, and
// each hour; so are its peers by IAX2 that have an address.
func TestTrunks(t *testing.T) {
	registry := lines("Event: Registry", "Privilege: system,all", "ChannelType: PJSIP", "Username: sip:me@x", "Domain: sip:x", "Status: Registered")
	longest := strings.Repeat("x", pbx.MaxText)
	item := func(status, server, proxy string) string {
		return lines("Event: OutboundRegistrationDetail", "ActionID: ID", "ObjectType: registration", "ClientUri: sip:me@x.example", "ServerUri: "+server, "OutboundProxy: "+proxy, "Status: "+status)
	}
	answer := lines("Response: Success", "ActionID: ID", "EventList: start") +
		item("Registered", "sip:SIP.x.example:5070;transport=tls", "sip:[2a00::1]:5061;lr") +
		lines("Event: AuthDetail", "ActionID: ID", "ObjectName: a", "Password: "+secret) +
		item("Registered", "sip:9.9.9.9", "sip:"+longest) + item("Rejected", "sip:rejected.example", "") + item("Unregistered", "sip:8.8.8.8", "") +
		item("Registered", "nonsense", "<>") + item("Registered", "sip:"+longest+"x", "sip:a\x1b") +
		strings.Replace(item("Registered", "sip:stranger.example", ""), "ActionID: ID", "ActionID: 1", 1) +
		lines("Event: OutboundRegistrationDetailComplete", "ActionID: ID", "EventList: Complete", "ListItems: 8")
	peer := func(channel, addr, dynamic string) string {
		return lines("Event: PeerEntry", "ActionID: ID", "Channeltype: "+channel, "ObjectName: x", "IPaddress: "+addr, "Port: 4569", "Dynamic: "+dynamic)
	}
	iax := map[string]string{
		"IAXregistry": lines("Response: Success", "ActionID: ID", "EventList: start") +
			lines("Event: RegistryEntry", "ActionID: ID", "Host: 7.7.7.7:4569", "DNSmanager: N", "Username: 4711", "Perceived: 6.6.6.6:4569", "Refresh: 60", "State: Registered") +
			lines("Event: RegistryEntry", "ActionID: ID", "Host: 7.7.7.8:4569", "DNSmanager: N", "Username: 4711", "Perceived: <Unregistered>", "Refresh: 60", "State: Request Sent") +
			lines("Event: RegistrationsComplete", "ActionID: ID", "EventList: Complete"),
		"IAXpeerlist": lines("Response: Success", "ActionID: ID", "EventList: start") +
			peer("IAX", "7.7.7.9", "no") + peer("IAX", "6.6.6.7", "yes") + peer("IAX", "(null)", "no") + peer("IAX", "0.0.0.0", "no") + peer("SIP", "6.6.6.8", "no") +
			lines("Event: PeerlistComplete", "ActionID: ID", "EventList: Complete"),
	}
	var at []time.Duration
	saw, h, _ := play(t, 3*time.Hour, func(f *fake) {
		f.starts(listsTrunks)
		began := time.Now()
		for a := f.asked(); a != nil; a = f.asked() {
			if own, ok := iax[a["Action"]]; ok {
				f.says(strings.ReplaceAll(own, "ActionID: ID", "ActionID: "+a["ActionID"]))
				continue
			}
			if a["Action"] != "PJSIPShowRegistrationsOutbound" {
				f.says(lines("Response: Success", "ActionID: "+a["ActionID"], "CoreHTTPenabled: No"))
				continue
			}
			at = append(at, time.Since(began).Round(time.Second))
			if len(at) == 1 {
				f.says(registry) // while it is listed
			}
			f.says(strings.ReplaceAll(answer, "ActionID: ID", "ActionID: "+a["ActionID"]))
			if len(at) == 3 {
				f.says(strings.Replace(registry, "Registered", "Rejected", 1) + lines("Event: Registry", "Status: Registered"))
			}
		}
	})
	want := []string{"invalid AddrPort trunk me at SIP.x.example, proved", "invalid AddrPort trunk me at 2a00::1, proved", "invalid AddrPort trunk me at 9.9.9.9, proved", "invalid AddrPort trunk me at " + longest + ", proved",
		"invalid AddrPort trunk 4711 at 7.7.7.7, proved", "invalid AddrPort trunk at 7.7.7.9, proved"}
	if diff := cmp.Diff(slices.Repeat(want, len(at)), saw); diff != "" {
		t.Error(diff)
	}
	begin := listingRest + trunksRest
	if diff := cmp.Diff([]time.Duration{listingRest, begin, begin + time.Hour, begin + 2*time.Hour}, at); diff != "" {
		t.Error(diff)
	}
	if h.Dropped != 5 { // the answers that nobody asked for, and the event of a stranger
		t.Errorf("%+v", h)
	}
}

// TestRenewedTrunks: registrations that are renewed each second neither put the listing off nor
// have one made each time, and one without an end keeps no other from being made.
func TestRenewedTrunks(t *testing.T) {
	registry := lines("Event: Registry", "Privilege: system,all", "ChannelType: PJSIP", "Username: sip:me@x", "Domain: sip:x", "Status: Registered")
	for answers, want := range map[bool]int{true: 10, false: 2} {
		listed := 0
		play(t, 100*time.Second, func(f *fake) {
			f.starts(listsTrunks)
			go func() {
				for a := f.asked(); a != nil; a = f.asked() {
					if a["Action"] == "PJSIPShowRegistrationsOutbound" {
						if listed++; !answers {
							continue
						}
					}
					f.says(lines("Response: Success", "ActionID: "+a["ActionID"], "CoreHTTPenabled: No", "EventList: Complete"))
				}
			}()
			for {
				f.says(registry)
				select {
				case <-time.After(time.Second):
				case <-f.over:
					return
				}
			}
		})
		if listed != want {
			t.Errorf("answers %v: listed %d times, not %d", answers, listed, want)
		}
	}
}

// TestSecrets: nothing is kept of an event with passwords.
func TestSecrets(t *testing.T) {
	r := newReader(strings.NewReader(lines("Event: AuthDetail", "ActionID: 1", "Username: me", "Password: "+secret, "Md5Cred: "+secret) + lines("A: 1")))
	for _, want := range []string{"{[{Event AuthDetail}] false}", "{[{A 1}] false}"} {
		m, err := r.next()
		if got := fmt.Sprint(m); err != nil || got != want {
			t.Errorf("%s, %v", got, err)
		}
		if kept := fmt.Sprintf("%q", r.text[:cap(r.text)]); strings.Contains(kept, secret) {
			t.Error(kept)
		}
	}
	if rest := fmt.Sprintf("%v", *r.in); strings.Contains(rest, strings.Trim(fmt.Sprint([]byte(secret)), "[]")) {
		t.Error("it is in the buffer")
	}
}

func TestContactOf(t *testing.T) {
	for file, want := range map[string]contact{
		"act-DBGetTree-registrar.ami":  {"6001", "c393798615-45.1.2.3", "", time.Unix(1795906450, 0)},
		"act-DBGetTree-asterisk16.ami": {"6001", "call13", "", time.Unix(1796032078, 0)},
	} {
		m := messages(t, capture(t, file))
		if got, ok := contactOf(m[1]); !ok || got != want || m[1].fields[0].value != "DBGetTreeResponse" || m[len(m)-1].get("EventList") != "Complete" {
			t.Errorf("%s: %+v, %v", file, got, ok)
		}
	}
	for _, val := range []string{"", "{", "[]", "null", `{"endpoint":6001}`, `{"call_id":"c","expiration_time":"x"}`, `{"endpoint":"6001","expiration_time":"1"}`} {
		if c, ok := contactOf(message{fields: []field{{"Event", "x"}, {"Val", val}}}); ok {
			t.Errorf("%s: %+v", val, c)
		}
	}
}

// TestCommandsOfAsterisk: a whole list of commands is read, and so are the settings.
func TestCommandsOfAsterisk(t *testing.T) {
	m := messages(t, capture(t, "act-ListCommands.ami"))
	if len(m) != 1 || m[0].broken || m[0].get("PJSIPShowContacts") == "" || m[0].get("SIPpeers") != "" {
		t.Errorf("%+v", m)
	}
	for _, file := range []string{"act-CoreSettings.ami", "act-CoreSettings-asterisk16.ami"} {
		m = messages(t, capture(t, file))
		if len(m) != 1 || m[0].broken || believable(m[0]) != nil {
			t.Errorf("%s: %+v", file, m)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	here, there := netip.MustParseAddrPort("[::1]:5038"), netip.MustParseAddrPort("192.0.2.1:5038")
	for _, s := range []Settings{{}, {Address: there, User: "u", Secret: "s"}, {Address: here, User: "u"}, {Address: here, Secret: "s"}, {Address: here, User: "u\r\nx", Secret: "s"}} {
		if _, err := New(s); err == nil || s.Secret != "" && strings.Contains(err.Error(), ": s") {
			t.Errorf("%v: %v", s, err)
		}
	}
	if _, err := New(Settings{Address: here, User: "u", Secret: "s"}); err != nil {
		t.Error(err)
	}
}

// TestBelieve: a program of another user, which listens where Asterisk should, is not believed.
func TestBelieve(t *testing.T) {
	testskip.UnlessRoot(t)
	for _, c := range []struct{ listen, dial string }{{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"[::]:0", "127.0.0.1"}} {
		l, err := net.Listen("tcp", c.listen)
		if err != nil {
			t.Fatal(err)
		}
		at := netip.AddrPortFrom(netip.MustParseAddr(c.dial), uint16(l.Addr().(*net.TCPAddr).Port))
		ours := connect(t, l, at, os.Getuid())
		other := ours
		uid := os.Getuid()
		if uid == 0 {
			if err := (Settings{RunsAs: "12345"}).believe(ours); err != nil {
				t.Errorf("%s: root's program: %v", c.listen, err)
			}
			uid = 65534
			other = connect(t, l, at, uid)
		}
		if err := (Settings{RunsAs: strconv.Itoa(uid)}).believe(other); err != nil {
			t.Errorf("%s: %v", c.listen, err)
		}
		for _, name := range []string{"12345", "bin", "no such user"} {
			if err := (Settings{RunsAs: name}).believe(other); err == nil {
				t.Errorf("%s: a program of the user %d is taken for one of %s", c.listen, uid, name)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := other.(*net.TCPConn).CloseRead(); err != nil {
			t.Error(err)
		}
	}
}

// connect connects with a listener whose end belongs to a user.
func connect(t *testing.T, l net.Listener, to netip.AddrPort, uid int) net.Conn {
	t.Helper()
	accepted := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is another user's
		err := unix.Setfsuid(uid)
		if err == nil {
			var conn net.Conn
			if conn, err = l.Accept(); err == nil {
				t.Cleanup(func() { conn.Close() })
			}
		}
		accepted <- err
	}()
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	return conn
}
