package ami

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/pbx"
	"github.com/voipbl/voipbl/pbx/detect"
)

// story is what a tracker sees, one thing after the other.
type story struct {
	tracker   *tracker
	now       time.Time
	transport string // of answers
	saw       []string
}

func (s *story) later(d time.Duration) { s.now = s.now.Add(d) }

func (s *story) note(o pbx.Observation, ok bool) {
	if ok {
		s.saw = append(s.saw, as(o))
	}
}

// event is an event of a request over UDP.
func (s *story) event(name, account, session, from string) {
	s.note(s.tracker.see(event{
		whole: true, name: name, service: "PJSIP", account: account, session: session, transport: "udp", password: true,
		source: netip.MustParseAddrPort(from), acl: "not_match_endpoint_acl",
	}, s.now))
}

// answers is a wrong answer to a challenge.
func (s *story) answers(account, session, from, response string) {
	s.note(s.tracker.see(event{
		whole: true, name: "ChallengeResponseFailed", service: "PJSIP", account: account, session: session, transport: s.transport,
		source: netip.MustParseAddrPort(from), challenge: "nonce", response: response,
	}, s.now))
}

func (s *story) proves(account, session, from string) {
	s.event("SuccessfulAuth", account, session, from)
}

// lists is a listing, which is begun after a while.
func (s *story) lists(after time.Duration, contacts ...contact) {
	s.now = s.now.Add(after)
	for _, c := range contacts {
		s.note(s.tracker.contact(c, s.now))
	}
	s.tracker.listed(s.now, func(o pbx.Observation) { s.note(o, true) })
}

const here, there = "198.51.100.5:5062", "203.0.113.66:5060"

func TestTracker(t *testing.T) {
	phone := contact{"6001", "call", "a phone", t0.Add(time.Hour)}
	for name, c := range map[string]struct {
		happens func(*story)
		open    bool
		want    []string
	}{
		"a phone registers": {
			func(s *story) {
				s.proves("6001", "call", here)
				s.lists(0, phone) // it may be the registration before
				s.lists(time.Second, phone)
				s.lists(2*time.Second, phone)
			}, false,
			[]string{"udp 198.51.100.5:5062 authenticated 6001, proved", "udp 198.51.100.5:5062 registered 6001 for 59m59s, proved"},
		},
		"Asterisk is late": {
			func(s *story) {
				s.proves("6001", "call", here)
				s.lists(time.Second)
				s.lists(2*time.Second, phone)
			}, false,
			[]string{"udp 198.51.100.5:5062 authenticated 6001, proved", "udp 198.51.100.5:5062 registered 6001 for 59m57s, proved"},
		},
		"two looks are not over": {
			func(s *story) { s.proves("6001", "call", here); s.lists(time.Second) }, true,
			[]string{"udp 198.51.100.5:5062 authenticated 6001, proved"},
		},
		"a phone registers again, from elsewhere": {
			func(s *story) {
				s.proves("6001", "call", here)
				s.lists(time.Second, phone)
				s.lists(2*time.Second, phone)
				s.proves("6001", "call", there)
				s.lists(time.Second, phone)
				s.lists(2*time.Second, contact{"6001", "call", "", t0.Add(2 * time.Hour)})
			}, false,
			[]string{
				"udp 198.51.100.5:5062 authenticated 6001, proved", "udp 198.51.100.5:5062 registered 6001 for 59m59s, proved",
				"udp 203.0.113.66:5060 authenticated 6001, proved", "udp 203.0.113.66:5060 registered 6001 for 59m56s, proved",
				"udp 203.0.113.66:5060 registered 6001 for 1h59m54s, proved",
			},
		},
		"a phone unregisters": {
			func(s *story) {
				s.proves("6001", "call", here)
				s.lists(time.Second, phone)
				s.proves("6001", "call", here)
				s.lists(time.Second)
				s.lists(2 * time.Second)
				s.proves("6001", "call", here)
				s.lists(time.Second)
				s.lists(2 * time.Second)
			}, false,
			[]string{
				"udp 198.51.100.5:5062 authenticated 6001, proved", "udp 198.51.100.5:5062 registered 6001 for 59m59s, proved",
				"udp 198.51.100.5:5062 authenticated 6001, proved", "udp 198.51.100.5:5062 unregistered 6001, proved",
				"udp 198.51.100.5:5062 authenticated 6001, proved",
			},
		},
		"a contact of another account, and of nobody who is known": {
			func(s *story) {
				s.proves("6002", "call", there)
				s.lists(time.Second, phone, contact{"6002", "other", "", t0.Add(time.Hour)})
				s.lists(time.Second, phone)
			}, false,
			[]string{"udp 203.0.113.66:5060 authenticated 6002, proved"},
		},
		"a call is no registration": {
			func(s *story) {
				s.proves("6001", "invite", here)
				s.lists(time.Second, phone)
				s.lists(time.Second, phone)
			}, false,
			[]string{"udp 198.51.100.5:5062 authenticated 6001, proved"},
		},
		"a registration that is over, and one for a century": {
			func(s *story) {
				s.proves("6001", "call", here)
				s.lists(time.Second, contact{"6001", "call", "", t0})
				s.lists(time.Second, contact{"6001", "call", "", t0.Add(1e6 * time.Hour)})
				s.lists(time.Second, contact{"6001", "call", "", t0.Add(1e6 * time.Hour)})
			}, false,
			[]string{"udp 198.51.100.5:5062 authenticated 6001, proved", "udp 198.51.100.5:5062 registered 6001 for 24h0m0s, proved"},
		},
		"a phone proves its password again while another is looked for": {
			func(s *story) {
				s.proves("6001", "call", here)
				s.lists(time.Second, phone)
				s.lists(time.Second, phone)
				s.proves("6002", "other", there)
				s.proves("6001", "call", here)
				s.now = s.now.Add(time.Second)
				s.proves("6002", "other", there)
				s.lists(0)
				s.lists(time.Second)
			}, true,
			[]string{
				"udp 198.51.100.5:5062 authenticated 6001, proved", "udp 198.51.100.5:5062 registered 6001 for 59m59s, proved",
				"udp 203.0.113.66:5060 authenticated 6002, proved", "udp 198.51.100.5:5062 authenticated 6001, proved",
				"udp 203.0.113.66:5060 authenticated 6002, proved", "udp 198.51.100.5:5062 unregistered 6001, proved",
			},
		},
		"an event that names an account is followed by one that does not": {
			func(s *story) {
				s.event("InvalidAccountID", "9999", "a", here)
				s.event("InvalidAccountID", "9999", "a", there)
				s.event("ChallengeResponseFailed", "<unknown>", "a", here)
				s.event("ChallengeSent", "<unknown>", "a", here)
				s.now = s.now.Add(namedFor)
				s.event("ChallengeSent", "<unknown>", "a", there)
			}, false,
			[]string{
				"udp 198.51.100.5:5062 unknown account 9999", "udp 203.0.113.66:5060 unknown account 9999",
				"udp 198.51.100.5:5062 wrong password 9999", "udp 198.51.100.5:5062 unknown account", "udp 203.0.113.66:5060 unknown account",
			},
		},
		"an endpoint refuses a phone, whatever its password is": {
			func(s *story) {
				s.event("FailedACL", "6001", "a", here)
				s.event("ChallengeResponseFailed", "<unknown>", "a", here)
				s.event("ChallengeResponseFailed", "<unknown>", "a", here)
			}, false,
			[]string{"udp 198.51.100.5:5062 refused 6001", "udp 198.51.100.5:5062 wrong password"},
		},
		"a phone that gets no answer sends its own again": {
			func(s *story) {
				s.answers("6001", "a", here, "1")
				s.later(t1)
				s.answers("6001", "a", here, "1")
				s.later(2 * t1 * 3 / 4) // this one is quick, or that one was late
				s.answers("6001", "a", "198.51.100.5:9", "1")
				s.answers("6001", "b", here, "1")
				s.answers("6002", "a", here, "1")
				s.answers("6001", "a", here, "2")
				s.answers("6001", "a", there, "1")
				s.later(repeatsFor - t1 - 2*t1*3/4 - 1)
				s.answers("6001", "a", here, "1")
				s.later(t1*5/2 + 1)
				s.answers("6001", "b", here, "1") // as late as it may not be
			}, false,
			[]string{
				"udp 198.51.100.5:5062 wrong password 6001", "udp 198.51.100.5:5062 asked 6001", "udp 198.51.100.5:9 asked 6001",
				"udp 198.51.100.5:5062 wrong password 6001", "udp 198.51.100.5:5062 wrong password 6002", "udp 198.51.100.5:5062 wrong password 6001",
				"udp 203.0.113.66:5060 wrong password 6001", "udp 198.51.100.5:5062 asked 6001", "udp 198.51.100.5:5062 wrong password 6001",
			},
		},
		"an attacker whose guesses look like repetitions is too quick for one": {
			func(s *story) {
				s.answers("6001", "a", here, "1")
				s.later(t1/2 - 1)
				s.answers("6001", "a", here, "1")
				s.later(t1 / 2)
				s.answers("6001", "a", here, "1")
				s.later(t1 - 1)
				s.answers("6001", "a", here, "1")
			}, false,
			[]string{
				"udp 198.51.100.5:5062 wrong password 6001", "udp 198.51.100.5:5062 wrong password 6001",
				"udp 198.51.100.5:5062 asked 6001", "udp 198.51.100.5:5062 wrong password 6001",
			},
		},
		"nothing is repeated over TCP": {
			func(s *story) {
				s.transport = "tcp"
				s.answers("6001", "a", here, "1")
				s.later(t1)
				s.answers("6001", "a", here, "1")
			}, false,
			[]string{"tcp 198.51.100.5:5062 wrong password 6001, proved", "tcp 198.51.100.5:5062 wrong password 6001, proved"},
		},
	} {
		s := &story{tracker: newTracker(), now: t0, transport: "udp"}
		c.happens(s)
		if diff := cmp.Diff(c.want, s.saw); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if s.tracker.wantsContacts() != c.open {
			t.Errorf("%s: contacts are wanted: %v", name, !c.open)
		}
	}
}

// TestWhat has events that say nothing of a phone or an attacker, beside those that do.
func TestWhat(t *testing.T) {
	for _, c := range []struct {
		e    event
		want pbx.What
	}{
		{event{name: "SuccessfulAuth", service: "PJSIP", password: true}, pbx.Authenticated},
		{event{name: "SuccessfulAuth", service: "PJSIP"}, ""},
		{event{name: "SuccessfulAuth", service: "AMI", password: true}, ""},
		{event{name: "SuccessfulAuth", service: "SIP", password: true}, ""},
		{event{name: "FailedACL", service: "PJSIP", acl: "not_match_endpoint_acl"}, pbx.Refused},
		{event{name: "FailedACL", service: "PJSIP", acl: "registrar_attempt_exceeds_maximum_configured_contacts"}, ""},
		{event{name: "FailedACL", service: "AMI", acl: "not_match_endpoint_acl"}, ""},
		{event{name: "InvalidPassword", service: "PJSIP"}, ""},
		{event{name: "ChallengeSent", service: "AMI"}, ""},
		{event{name: "InvalidAccountID", service: "AMI"}, pbx.WrongPassword},
		{event{name: "InvalidPassword", service: "AMI"}, pbx.WrongPassword},
		{event{name: "ChallengeResponseFailed", service: "AMI"}, ""},
		{event{name: "InvalidAccountID", service: "SIP"}, ""},
	} {
		o, ok := newTracker().see(c.e, t0)
		if o.What != c.want || ok != (c.want != "") {
			t.Errorf("%+v: %q, %v", c.e, o.What, ok)
		}
	}
}

// TestTrackerCountsGuesses: an attacker has the guesses of a day look like repetitions, from all addresses
// of a /64. All but one request's worth of them count, and no more are free while others use up the room
// for sources.
func TestTrackerCountsGuesses(t *testing.T) {
	s := &story{tracker: newTracker(), now: t0, transport: "udp"}
	guesses, free := 0, 0
	guess := func(call int, from string) {
		s.saw = nil
		s.answers("6001", fmt.Sprint(call), from, "1")
		if guesses++; strings.Contains(s.saw[0], "asked") {
			free++
		}
	}
	call := 0
	for ; s.now.Before(t0.Add(23 * time.Hour)); call++ {
		from := fmt.Sprintf("[2001:db8::%x]:5060", call%1000+1)
		guess(call, from)
		for _, gap := range []time.Duration{t1, 2 * t1, 4 * t1, t2, t2, t2} {
			s.later(gap)
			guess(call, from)
		}
		s.later(repeatsFor)
	}
	if free != repeatsOf || guesses < 10_000 {
		t.Errorf("%d of %d guesses are free", free, guesses)
	}
	for i := range maxAnswers + 1 {
		from := fmt.Sprintf("10.0.%d.%d:5060", i>>8, i&255)
		guess(call, from)
		s.later(t1)
		guess(call, from)
	}
	if want := repeatsOf + maxAnswers - 1; free != want {
		t.Errorf("%d are free, want %d", free, want)
	}
	s.later(s.tracker.answers.day.Add(24*time.Hour - t1).Sub(s.now))
	guess(call, there)
	s.later(t1)
	if guess(call, there); free != repeatsOf+maxAnswers {
		t.Error("nothing is free on the next day")
	}
}

// TestTrackerAndDetector: however fast guesses come that look like repetitions, and in however many calls,
// as many are answered in a day as docs/asterisk.md says.
func TestTrackerAndDetector(t *testing.T) {
	for _, gap := range []time.Duration{t1, 2 * t1, t2, 6 * time.Second, time.Minute, 10 * time.Minute} {
		for _, inCall := range []int{1, 7, 1000} {
			s := &story{tracker: newTracker(), now: t0}
			d := detect.New(detect.Defaults(), func(netip.Addr) bool { return false })
			guesses := 0
			for s.now.Before(t0.Add(24 * time.Hour)) {
				o, _ := s.tracker.see(event{
					name: "ChallengeResponseFailed", service: "PJSIP", account: "6001", session: fmt.Sprint(guesses / inCall), transport: "udp",
					source: netip.MustParseAddrPort(there), challenge: "same", response: "same",
				}, s.now)
				guesses++
				s.later(gap)
				for _, v := range d.See(o.At, o) {
					if b, is := v.(detect.Ban); is {
						s.now = o.At.Add(max(gap, b.For))
					}
				}
			}
			if guesses > 160+repeatsOf+5 {
				t.Errorf("%d guesses, one in %v, %d in a call", guesses, gap, inCall)
			}
		}
	}
}

// TestTrackerIsBounded: strangers who name accounts, and a phone that calls without end.
func TestTrackerIsBounded(t *testing.T) {
	s := &story{tracker: newTracker(), now: t0, transport: "udp"}
	for i := range 20_000 {
		session := fmt.Sprint(i, strings.Repeat("x", 100))
		s.event("InvalidAccountID", "9999", session, there)
		s.answers("6001", session, there, "1")
		s.proves("6001", session, here)
		s.saw = nil
	}
	if n, a, c, o := s.tracker.named.Len(), s.tracker.answers.answers.Len(), s.tracker.calls.Len(), len(s.tracker.open); n > maxNamed || a > maxAnswers || c > maxCalls || o > 2*maxCalls {
		t.Errorf("%d named, %d answers, %d calls, %d open", n, a, c, o)
	}
	s.lists(time.Second)
	if !s.tracker.wantsContacts() {
		t.Error("no call is looked for twice")
	}
	s.lists(time.Second)
	if s.tracker.wantsContacts() || s.saw != nil {
		t.Errorf("%d calls are open, seen: %q", len(s.tracker.open), s.saw)
	}
}

// TestOpenIsBounded: one call more than there is room for, over and over, costs no more than others; and
// where Asterisk lists no contacts, none is kept.
func TestOpenIsBounded(t *testing.T) {
	tr := newTracker()
	prove := func(i int) {
		tr.authenticated(event{account: "6001", session: fmt.Sprint(i % (maxCalls + 1)), transport: "udp"}, t0)
	}
	for i := range 3 * maxCalls {
		prove(i)
	}
	tr.tidy()
	if len(tr.open) > maxCalls {
		t.Errorf("%d are open, and all are to be looked at with each event", len(tr.open))
	}
	tr.lists(false)
	prove(0)
	if tr.wantsContacts() || tr.calls.Len() > 0 {
		t.Errorf("%d open, %d calls", len(tr.open), tr.calls.Len())
	}
	if tr.lists(true); tr.wantsContacts() {
		t.Error("what came before is looked for")
	}
	if prove(1); !tr.wantsContacts() {
		t.Error("not looked for in the next session")
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"IPV4/UDP/192.0.2.1/5060":      "192.0.2.1:5060 udp true",
		"IPV6/WSS/2001:db8::1/5060":    "[2001:db8::1]:5060 wss true",
		"IPV6/TLS/fe80::1%eth0/1":      "[fe80::1]:1 tls true",
		"IPV4/TCP/::ffff:192.0.2.1/65": "192.0.2.1:65 tcp true",
		"IPV4/UDP/192.0.2.1/65536":     "invalid AddrPort  false",
		"IPV4/UDP/192.0.2.1/":          "invalid AddrPort  false",
		"IPV4/UDP/192.0.2.1/1/2":       "invalid AddrPort  false",
		"IPV4/SCTP/192.0.2.1/1":        "invalid AddrPort  false",
		"IPV5/UDP/192.0.2.1/1":         "invalid AddrPort  false",
		"IPV4/UDP/192.0.2.300/1":       "invalid AddrPort  false",
		"":                             "invalid AddrPort  false",
	} {
		a, transport, ok := parseAddress(text)
		if got := fmt.Sprint(a, " ", transport, " ", ok); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestLongMessages: what is kept of a stranger's messages of 55 kB, and of a phone's, is far less than these.
func TestLongMessages(t *testing.T) {
	const many, long = 500, 55 << 10
	s := &story{tracker: newTracker(), now: t0}
	before := heap()
	for i := range many {
		from := fmt.Sprintf("203.0.%d.%d:5060", i/200, i%200+1)
		message := fmt.Sprintf("%d", 1000+i) + strings.Repeat("x", long)
		s.event("InvalidAccountID", message[:4], message[4:], from)
		s.event("SuccessfulAuth", message[:4], message[4:], from)
	}
	s.saw = nil
	if kept := heap() - before; kept > 2<<20 {
		t.Errorf("%d kB are kept of %d messages", kept>>10, 2*many)
	}
	runtime.KeepAlive(s)
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
