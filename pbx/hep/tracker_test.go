package hep

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/pbx"
)

var (
	thePBX   = ap("192.0.2.1:5060")
	phone    = ap("198.51.100.5:5062")
	attacker = ap("203.0.113.66:5060")
	t0       = time.Unix(1795905982, 0)
)

// line is a PBX on the network, as the tracker sees it.
type line struct {
	tracker   *Tracker
	now       time.Time
	transport string
	saw       []pbx.Observation
}

func newLine() *line {
	return &line{
		tracker: NewTracker(func(a netip.Addr) bool { return a == thePBX.Addr() }),
		now:     t0, transport: "udp",
	}
}

// moves moves a message.
func (l *line) moves(from, to netip.AddrPort, text string) {
	l.now = l.now.Add(time.Millisecond)
	if o, ok := l.tracker.See(Packet{l.now, from, to, l.transport, []byte(text)}); ok {
		l.saw = append(l.saw, o)
	}
}

// asks sends a request to the PBX, and answers sends a response to it back.
func (l *line) asks(from netip.AddrPort, r ask) { l.moves(from, thePBX, r.text()) }
func (l *line) answers(to netip.AddrPort, status int, r ask, headers ...string) {
	l.moves(thePBX, to, r.answer(status, headers...))
}

// logsIn registers, with a challenge first.
func (l *line) logsIn(from netip.AddrPort, r ask, status int, headers ...string) {
	nonce := fmt.Sprint("nonce", l.now.UnixNano())
	l.asks(from, r)
	l.answers(from, 401, r, challenge(nonce))
	r.cseq++
	r.nonce, r.response = nonce, "0f"
	l.asks(from, r)
	l.answers(from, status, r, headers...)
}

// ask is a request.
type ask struct {
	method, user, call string
	to, number         string // "" is user; "" is none
	cseq               int
	nonce, response    string
	headers            []string
}

func ask1(method, user string) ask {
	r := ask{method: method, user: user, call: "call-" + user, cseq: 1}
	if method == "REGISTER" {
		r.headers = []string{"Contact: <sip:" + user + "@10.0.0.1:5060>"}
	}
	return r
}

func (r ask) common() string {
	to := r.to
	if to == "" {
		to = r.user
	}
	return fmt.Sprintf("Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK%s%d\r\nFrom: <sip:%s@pbx>;tag=1\r\nTo: <sip:%s@pbx>\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		r.call, r.cseq, r.user, to, r.call, r.cseq, r.method)
}

func (r ask) text() string {
	uri := "sip:pbx"
	if r.number != "" {
		uri = "sip:" + r.number + "@pbx"
	}
	text := r.method + " " + uri + " SIP/2.0\r\n" + r.common() + "User-Agent: tester\r\n"
	if r.nonce != "" {
		text += fmt.Sprintf("Authorization: Digest username=\"%s\",realm=\"pbx\",nonce=\"%s\",uri=\"sip:pbx\",response=\"%s\"\r\n", r.user, r.nonce, r.response)
	}
	for _, h := range r.headers {
		text += h + "\r\n"
	}
	return text + "Content-Length: 0\r\n\r\n"
}

func (r ask) answer(status int, headers ...string) string {
	text := fmt.Sprintf("SIP/2.0 %d Whatever\r\n%s", status, r.common())
	for _, h := range headers {
		text += h + "\r\n"
	}
	return text + "Server: pbx\r\nContent-Length: 0\r\n\r\n"
}

func challenge(nonce string) string {
	return fmt.Sprintf("WWW-Authenticate: Digest realm=\"pbx\",nonce=\"%s\"", nonce)
}

const stale = ",stale=true"

// with returns a request with credentials.
func (r ask) with(nonce string) ask {
	r.cseq++
	r.nonce, r.response = nonce, "sum of "+nonce
	return r
}

// as says how an observation looks.
func as(o pbx.Observation) string {
	s := fmt.Sprintf("%s %s %s by %s", o.Source, o.What, o.Account, o.Method)
	if o.Called != "" {
		s += " to " + o.Called
	}
	if !o.Until.IsZero() {
		s += fmt.Sprint(" for ", o.Until.Sub(o.At))
	}
	if o.Proved {
		s += ", proved"
	}
	return s
}

func TestTracker(t *testing.T) {
	register, call := ask1("REGISTER", "6001"), ask1("INVITE", "6001")
	call.number, call.to = "200", "200"
	unknown := netip.AddrPortFrom(phone.Addr(), 999)
	for name, c := range map[string]struct {
		happens func(l *line)
		want    []string
	}{
		"a phone registers": {
			func(l *line) { l.logsIn(phone, register, 200, "Contact: <sip:6001@10.0.0.1:5060>;expires=120") },
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 2m0s, proved"},
		},
		"a phone registers again with the nonce that it has": {
			func(l *line) {
				l.logsIn(phone, register, 200, "Expires: 60")
				nonce := fmt.Sprint("nonce", t0.UnixNano())
				again := register
				again.cseq = 2
				for range 3 {
					again = again.with(nonce)
					l.asks(phone, again)
					l.answers(phone, 200, again, "Expires: 60")
				}
			},
			[]string{
				"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1m0s, proved",
				"198.51.100.5:5062 registered 6001 by REGISTER for 1m0s, proved", "198.51.100.5:5062 registered 6001 by REGISTER for 1m0s, proved",
				"198.51.100.5:5062 registered 6001 by REGISTER for 1m0s, proved",
			},
		},
		"through a NAT that changes the port": {
			func(l *line) {
				l.asks(unknown, register)
				l.answers(unknown, 401, register, challenge("n"))
				l.asks(phone, register.with("n"))
				l.answers(phone, 200, register.with("n"))
			},
			[]string{"198.51.100.5:999 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1h0m0s, proved"},
		},
		"a wrong password": {
			func(l *line) { l.logsIn(attacker, register, 401, challenge("next")) },
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"a wrong password in a call": {
			func(l *line) { l.logsIn(attacker, call, 407, challenge("next")) },
			[]string{"203.0.113.66:5060 asked 6001 by INVITE to 200", "203.0.113.66:5060 wrong password 6001 by INVITE to 200, proved"},
		},
		"a right password with a stale nonce": {
			func(l *line) {
				l.asks(phone, register.with("of yesterday"))
				l.answers(phone, 401, register.with("of yesterday"), challenge("n")+stale)
				l.asks(phone, register.with("of yesterday").with("n"))
				l.answers(phone, 200, register.with("of yesterday").with("n"), "Expires: 30")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 30s, proved"},
		},
		"an invented nonce": {
			func(l *line) {
				l.asks(attacker, register.with("invented"))
				l.answers(attacker, 401, register.with("invented"), challenge("n"))
			},
			[]string{"203.0.113.66:5060 wrong password 6001 by REGISTER"},
		},
		"an invented nonce, and success: no proof of a password": {
			func(l *line) {
				l.asks(attacker, register.with("invented"))
				l.answers(attacker, 200, register.with("invented"))
			},
			nil,
		},
		"the nonce of another": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				l.asks(phone, register.with("n")) // from the attacker, with the phone's address
				l.answers(phone, 401, register.with("n"), challenge("m"))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "198.51.100.5:5062 wrong password 6001 by REGISTER"},
		},
		"one nonce for two: one knows what the other was sent": {
			func(l *line) {
				l.asks(phone, register) // from the attacker
				l.answers(phone, 401, register, challenge("n"))
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				l.asks(phone, register.with("n")) // from the attacker
				l.answers(phone, 401, register.with("n"), challenge("m"))
			},
			[]string{
				"198.51.100.5:5062 asked 6001 by REGISTER", "203.0.113.66:5060 asked 6001 by REGISTER",
				"198.51.100.5:5062 wrong password 6001 by REGISTER",
			},
		},
		"and also if it was returned before": {
			func(l *line) {
				l.asks(phone, register)
				l.answers(phone, 401, register, challenge("n"))
				l.asks(phone, register.with("n"))
				l.answers(phone, 200, register.with("n"))
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				bad := register.with("n").with("n")
				bad.response = "wrong"
				l.asks(phone, bad) // from the attacker
				l.answers(phone, 401, bad, challenge("m"))
			},
			[]string{
				"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1h0m0s, proved",
				"203.0.113.66:5060 asked 6001 by REGISTER", "198.51.100.5:5062 wrong password 6001 by REGISTER",
			},
		},
		"an answer that is sent elsewhere: its receiver knows the nonce of another": {
			func(l *line) {
				elsewhere := register
				elsewhere.call = "elsewhere"
				l.asks(phone, register) // from the attacker
				l.answers(phone, 401, register, challenge("n"))
				l.asks(phone, elsewhere) // from the attacker, with a maddr in Via
				l.answers(attacker, 401, elsewhere, challenge("n"))
				l.asks(phone, register.with("n")) // from the attacker
				l.answers(phone, 401, register.with("n"), challenge("m"))
				// The next nonce is of use again.
				r := register
				r.call = "next"
				l.logsIn(phone, r, 200)
			},
			[]string{
				"198.51.100.5:5062 asked 6001 by REGISTER", "203.0.113.66:5060 asked 6001 by REGISTER",
				"198.51.100.5:5062 wrong password 6001 by REGISTER",
				"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1h0m0s, proved",
			},
		},
		"a phone whose nonce is sent elsewhere has a password": {
			func(l *line) {
				elsewhere := register
				elsewhere.call = "elsewhere"
				l.asks(phone, elsewhere) // from the attacker, with a maddr in Via
				l.answers(attacker, 401, elsewhere, challenge("n"))
				l.asks(phone, register)
				l.answers(phone, 401, register, challenge("n"))
				l.asks(phone, register.with("n"))
				l.answers(phone, 200, register.with("n"))
			},
			[]string{
				"203.0.113.66:5060 asked 6001 by REGISTER",
				"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1h0m0s",
			},
		},
		"a PBX that sends one nonce to all: no nonce proves anything for an hour": {
			func(l *line) {
				for _, from := range []netip.AddrPort{phone, attacker} {
					l.asks(from, register)
					l.answers(from, 401, register, challenge("n"))
				}
				r := register
				for _, r.call = range []string{"a", "b"} {
					l.logsIn(attacker, r, 401)
					l.now = l.now.Add(distrust)
				}
			},
			[]string{
				"198.51.100.5:5062 asked 6001 by REGISTER", "203.0.113.66:5060 asked 6001 by REGISTER",
				"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER",
				"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved",
			},
		},
		"a challenge from outside": {
			func(l *line) {
				l.moves(phone, thePBX, register.answer(401, challenge("known")))  // from the attacker, with the phone's address
				l.moves(thePBX, thePBX, register.answer(401, challenge("known"))) // and with the PBX's own
				l.moves(attacker, thePBX, register.answer(401, challenge("known")))
				l.asks(phone, register.with("known"))
				l.answers(phone, 401, register.with("known"), challenge("n"))
			},
			[]string{"198.51.100.5:5062 wrong password 6001 by REGISTER"},
		},
		"a challenge in a header that the PBX repeats": {
			func(l *line) {
				l.asks(phone, register)
				l.moves(thePBX, phone, strings.Replace(register.answer(401, challenge("n")), "From: ", "From: \"\r\n"+challenge("known")+"\r\nx: \"", 1))
				l.asks(phone, register.with("known"))
				l.answers(phone, 401, register.with("known"), challenge("m"))
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 wrong password 6001 by REGISTER"},
		},
		"an answer with two Call-IDs": {
			func(l *line) {
				l.asks(attacker, register)
				l.moves(thePBX, attacker, strings.Replace(register.answer(401, challenge("n")), "CSeq: ", "Call-ID: x\r\nCSeq: ", 1))
			},
			[]string{"203.0.113.66:5060 malformed 6001 by REGISTER"},
		},
		"over TCP the address is proved": {
			func(l *line) {
				l.transport = "tcp"
				l.asks(attacker, register.with("invented"))
				l.answers(attacker, 401, register.with("invented"), challenge("n"))
			},
			[]string{"203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"after a loss, nonces prove nothing": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				l.tracker.Lost()
				l.asks(attacker, register.with("n"))
				l.answers(attacker, 401, register.with("n"), challenge("m"))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER"},
		},
		"a challenge for one account, and another that needs no password": {
			func(l *line) {
				l.asks(attacker, call)
				l.answers(attacker, 401, call, challenge("n"))
				guest := call.with("n")
				guest.user = "guest"
				l.asks(attacker, guest)
				l.answers(attacker, 200, guest)
			},
			[]string{"203.0.113.66:5060 asked 6001 by INVITE to 200"},
		},
		"a PBX that asks for no password": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 200, register, "Expires: 60")
				l.asks(attacker, call)
				l.answers(attacker, 200, call)
			},
			nil,
		},
		"repeated packets count once": {
			func(l *line) {
				for range 3 {
					l.asks(attacker, register)
				}
				for range 3 {
					l.answers(attacker, 401, register, challenge("n"))
				}
				for range 3 {
					l.asks(attacker, register.with("n"))
					l.answers(attacker, 401, register.with("n"), challenge("m"))
				}
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"many passwords in one transaction count each": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				guess := register.with("n")
				for i := range 3 {
					guess.response = fmt.Sprint(i)
					l.asks(attacker, guess)
				}
				for range 5 {
					l.answers(attacker, 401, guess, challenge("m"))
				}
			},
			[]string{
				"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved",
				"203.0.113.66:5060 wrong password 6001 by REGISTER, proved", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved",
			},
		},
		"the same request half a minute later is another": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				l.now = l.now.Add(repeats)
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 asked 6001 by REGISTER"},
		},
		"a call": {
			func(l *line) {
				l.logsIn(phone, call, 100)
				r := call
				r.cseq++
				l.answers(phone, 180, r)
				l.now = l.now.Add(5 * time.Minute)
				l.answers(phone, 200, r)
				l.answers(phone, 200, r)
			},
			[]string{"198.51.100.5:5062 asked 6001 by INVITE to 200", "198.51.100.5:5062 authenticated 6001 by INVITE to 200, proved"},
		},
		"a call that is answered at once": {
			func(l *line) { l.logsIn(phone, call, 200) },
			[]string{"198.51.100.5:5062 asked 6001 by INVITE to 200", "198.51.100.5:5062 authenticated 6001 by INVITE to 200, proved"},
		},
		"a wrong number": {
			func(l *line) { l.logsIn(phone, call, 404) },
			[]string{"198.51.100.5:5062 asked 6001 by INVITE to 200"},
		},
		"a phone that is not let in": {
			func(l *line) { l.logsIn(phone, register, 403) },
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 refused 6001 by REGISTER, proved"},
		},
		"an account that there is not": {
			func(l *line) { l.asks(attacker, register); l.answers(attacker, 404, register) },
			[]string{"203.0.113.66:5060 unknown account 6001 by REGISTER"},
		},
		"a phone unregisters": {
			func(l *line) {
				r := register
				r.headers = []string{"Contact: *", "Expires: 0"}
				l.logsIn(phone, r, 200)
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 unregistered 6001 by REGISTER, proved"},
		},
		"a phone takes its contact back, and another stays": {
			func(l *line) {
				r := register
				r.headers = []string{"Contact: <sip:6001@10.0.0.1>;expires=0"}
				l.logsIn(phone, r, 200, "Contact: <sip:6001@10.0.0.2>;expires=50")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 unregistered 6001 by REGISTER, proved"},
		},
		"a phone changes its contact": {
			func(l *line) {
				r := register
				r.headers = []string{"Contact: <sip:6001@10.0.0.9>;expires=0, <sip:6001@10.0.0.1:5060>"}
				l.logsIn(phone, r, 200, "Contact: <sip:6001@10.0.0.2>;expires=50, <sip:6001@10.0.0.1:5060;x=1>;expires=70")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1m10s, proved"},
		},
		"a phone asks who is registered": {
			func(l *line) {
				r := register
				r.headers = nil
				l.logsIn(phone, r, 200, "Contact: <sip:6001@10.0.0.2>;expires=50")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 authenticated 6001 by REGISTER, proved"},
		},
		"the PBX writes the phone's true address": {
			func(l *line) {
				l.logsIn(phone, register, 200, "Contact: <sip:6001@10.0.0.2>;expires=50, <sip:6001@198.51.100.5:5062>;expires=90")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1m30s, proved"},
		},
		"a contact that is not found again": {
			func(l *line) {
				l.logsIn(phone, register, 200, "Contact: <sip:6001@10.0.0.2>;expires=50, <sip:6001@10.0.0.3>;expires=40")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 40s, proved"},
		},
		"a registration for a century": {
			func(l *line) { l.logsIn(phone, register, 200, "Contact: <sip:6001@10.0.0.1:5060>;expires=3153600000") },
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 24h0m0s, proved"},
		},
		"a boss's secretary": {
			func(l *line) {
				r := register
				r.to = "boss"
				l.logsIn(phone, r, 200, "Expires: 5")
			},
			[]string{"198.51.100.5:5062 asked boss by REGISTER", "198.51.100.5:5062 registered boss by REGISTER for 5s, proved"},
		},
		"scans": {
			func(l *line) {
				for i, method := range []string{"OPTIONS", "SESAME"} {
					for _, status := range []int{200, 401, 404, 501} {
						r := ask1(method, fmt.Sprintf("%d%d", i, status))
						l.asks(attacker, r)
						l.answers(attacker, status, r, challenge("n"))
					}
				}
			},
			[]string{
				"203.0.113.66:5060 scanned 0200 by OPTIONS", "203.0.113.66:5060 scanned 0401 by OPTIONS",
				"203.0.113.66:5060 scanned 0404 by OPTIONS", "203.0.113.66:5060 scanned 0501 by OPTIONS",
				"203.0.113.66:5060 scanned 1200 by SESAME", "203.0.113.66:5060 scanned 1401 by SESAME",
				"203.0.113.66:5060 scanned 1404 by SESAME", "203.0.113.66:5060 scanned 1501 by SESAME",
			},
		},
		"what phones do in calls is nothing": {
			func(l *line) {
				for _, method := range []string{"BYE", "NOTIFY", "INFO", "UPDATE", "PRACK", "REFER", "SUBSCRIBE", "PUBLISH", "MESSAGE", "ACK", "CANCEL"} {
					for _, status := range []int{200, 481, 489} {
						r := ask1(method, fmt.Sprint(method, status))
						l.asks(phone, r)
						l.answers(phone, status, r)
					}
				}
			},
			nil,
		},
		"a phone that the PBX rings": {
			func(l *line) {
				l.moves(thePBX, phone, call.text())
				l.moves(phone, thePBX, call.answer(200))
				l.moves(thePBX, phone, ask1("OPTIONS", "x").text())
				l.moves(phone, thePBX, ask1("OPTIONS", "x").answer(401, challenge("n")))
			},
			nil,
		},
		"between others, and within the host": {
			func(l *line) {
				l.moves(attacker, phone, register.text())
				l.moves(phone, attacker, register.answer(401, challenge("n")))
				l.moves(thePBX, thePBX, register.text())
				l.moves(ap("0.0.0.0:5060"), thePBX, register.text())
			},
			nil,
		},
		"a PBX that is bound to all addresses": {
			func(l *line) {
				l.moves(attacker, ap("0.0.0.0:5060"), register.text())
				l.moves(ap("255.255.255.255:5060"), attacker, register.answer(401, challenge("n")))
				l.moves(attacker, ap("[::]:5060"), register.with("n").text())
				l.moves(ap("0.0.0.0:5060"), attacker, register.with("n").answer(401, challenge("m")))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"garbage": {
			func(l *line) {
				l.moves(attacker, thePBX, "garbage")
				l.moves(attacker, thePBX, "\r\n\r\n")
				l.moves(attacker, thePBX, "\x00")
				l.moves(attacker, thePBX, "")
				l.moves(thePBX, attacker, "garbage")
				l.asks(attacker, register)
				l.answers(attacker, 400, register)
			},
			[]string{"203.0.113.66:5060 malformed  by ", "203.0.113.66:5060 malformed 6001 by REGISTER"},
		},
		"a request that was not seen": {
			func(l *line) {
				l.answers(attacker, 401, register, challenge("n"))
				l.asks(attacker, register.with("n"))
				l.answers(attacker, 401, register.with("n"), challenge("m"))
				l.answers(attacker, 200, call)
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"zeros before CSeq": {
			func(l *line) {
				l.moves(attacker, thePBX, strings.Replace(register.with("n").text(), "CSeq: ", "CSeq: 000", 1))
				l.answers(attacker, 401, register.with("n"), challenge("m"))
			},
			[]string{"203.0.113.66:5060 wrong password 6001 by REGISTER"},
		},
	} {
		l := newLine()
		c.happens(l)
		var got []string
		for _, o := range l.saw {
			got = append(got, as(o))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestTrackerOfAsterisk has what a real Asterisk sent, whole.
func TestTrackerOfAsterisk(t *testing.T) {
	tracker := NewTracker(func(a netip.Addr) bool { return a == netip.MustParseAddr("45.1.2.1") })
	var got []pbx.Observation
	for _, b := range asterisk22(t) {
		p, err := Decode(withKey(b, testKey), testKey)
		if err != nil {
			t.Fatal(err)
		}
		if o, ok := tracker.See(p); ok {
			got = append(got, o)
		}
	}
	want := pbx.Observation{
		At: time.Unix(1795905982, 649117000), Source: ap("45.1.2.5:23316"), Transport: "udp", What: pbx.Asked, Method: "REGISTER", Account: "6001",
	}
	wrong := want
	wrong.What, wrong.Proved = pbx.WrongPassword, true
	if diff := cmp.Diff([]pbx.Observation{want, wrong}, got, cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.IgnoreFields(pbx.Observation{}, "At")); diff != "" {
		t.Error(diff)
	}
}

// TestTextIsBounded: an observation keeps nothing of a message but its texts, and these are short.
func TestTextIsBounded(t *testing.T) {
	l := newLine()
	for i := range 3 {
		r := ask1("INVITE", strings.Repeat("u", 10000)+fmt.Sprint(i))
		r.number = "\xff\x1b" + strings.Repeat("9", 10000)
		l.logsIn(attacker, r, 401)
	}
	for _, o := range l.saw {
		if len(o.Account) > pbx.MaxText || len(o.Called) > pbx.MaxText || !strings.HasPrefix(o.Called, "??9") {
			t.Errorf("%+v", o)
		}
	}
	if len(l.saw) != 6 {
		t.Errorf("%d observations", len(l.saw))
	}
}

// flood has requests from as many sources and accounts, each challenged.
func flood(l *line, n int) {
	for i := range n {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		r := ask1("REGISTER", fmt.Sprint(i))
		l.asks(from, r)
		l.answers(from, 401, r, challenge(fmt.Sprint("flood", i)))
		l.saw = l.saw[:0]
	}
}

// TestFlood: packets with invented sources cost a bounded amount of memory, and do not make forgotten
// who has returned a nonce, or returns it within a thousand others.
func TestFlood(t *testing.T) {
	l := newLine()
	call := ask1("INVITE", "6001")
	l.logsIn(phone, call, 100) // it rings
	l.asks(attacker, ask1("REGISTER", "6002"))
	l.answers(attacker, 401, ask1("REGISTER", "6002"), challenge("mine"))
	flood(l, 1000)
	l.saw = nil
	guess := ask1("REGISTER", "6002").with("mine")
	l.asks(attacker, guess)
	l.answers(attacker, 401, guess, challenge("next"))
	flood(l, 100_000)
	call.cseq++
	l.answers(phone, 200, call)
	again := guess.with("mine")
	l.asks(attacker, again)
	l.answers(attacker, 401, again, challenge("next"))
	var got []string
	for _, o := range l.saw {
		got = append(got, as(o))
	}
	if diff := cmp.Diff([]string{
		"198.51.100.5:5062 authenticated 6001 by INVITE, proved",
		"203.0.113.66:5060 wrong password 6002 by REGISTER, proved",
	}, got); diff != "" {
		t.Error(diff)
	}
	for name, n := range map[string][2]int{
		"sent":       {len(l.tracker.nonces.sent.entries), maxSent},
		"challenges": {len(l.tracker.nonces.challenges.entries), maxSent},
		"returned":   {len(l.tracker.nonces.returned.entries), maxReturned},
		"answered":   {len(l.tracker.nonces.answered.entries), maxReturned},
		"unproved":   {len(l.tracker.unproved.entries), maxUnproved},
		"proved":     {len(l.tracker.proved.entries), maxProved},
	} {
		if n[0] > n[1] {
			t.Errorf("%s has %d entries, at most %d may be", name, n[0], n[1])
		}
	}

	if n := testvalue.Allocated(1, func() { flood(l, 20_000) }); n > 20_000*2*6<<10 {
		t.Errorf("%d bytes for 40,000 packets", n)
	}
}

// TestSpoofer tries to make a phone the author of a wrong password, with all that needs no answer.
// The phone registers beside it.
func TestSpoofer(t *testing.T) {
	l := newLine()
	proved := 0
	for i := range 10_000 {
		r := ask1("REGISTER", "6001")
		r.call = fmt.Sprint("spoofed", i)
		guess := r.with(fmt.Sprint("guess", i))
		l.asks(phone, r) // from the attacker, as is each request from here on
		l.answers(phone, 401, r, challenge(fmt.Sprint("secret", i)))
		l.moves(phone, thePBX, r.answer(401, challenge(fmt.Sprint("guess", i))))
		l.moves(thePBX, thePBX, r.answer(401, challenge(fmt.Sprint("guess", i))))
		l.asks(phone, guess)
		l.answers(phone, 401, guess, challenge(fmt.Sprint("next", i)))
		if i%100 == 0 {
			mine := ask1("REGISTER", "6001")
			mine.call = fmt.Sprint("mine", i)
			l.logsIn(phone, mine, 200)
		}
	}
	for _, o := range l.saw {
		if o.What == pbx.WrongPassword && o.Proved {
			t.Fatalf("the phone is taken for an attacker: %+v", o)
		}
		if o.What == pbx.Registered {
			proved++
		}
	}
	if proved != 100 {
		t.Errorf("the phone has registered %d times", proved)
	}
}

// FuzzTracker: whatever a stranger sends over UDP, to a PBX that challenges it, does not prove an
// address to which no nonce was sent.
func FuzzTracker(f *testing.F) {
	f.Add([]byte(ask1("REGISTER", "6001").text()), []byte(ask1("REGISTER", "6001").with("known").text()))
	f.Add([]byte(ask1("REGISTER", "6001").answer(401, challenge("known"))), []byte("garbage"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		l := newLine()
		for _, b := range [][]byte{one, two, one} {
			l.moves(attacker, thePBX, string(b))
			l.answers(attacker, 401, ask1("REGISTER", "6001"), challenge("secret"))
			l.moves(phone, thePBX, string(b))
			l.answers(phone, 401, ask1("REGISTER", "6001"))
		}
		for _, o := range l.saw {
			if o.Source.Addr() == phone.Addr() && o.Proved && !strings.Contains(string(one)+string(two), "secret") {
				t.Fatalf("%+v", o)
			}
		}
	})
}

func BenchmarkTracker(b *testing.B) {
	l := newLine()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
		i++
		l.logsIn(from, ask1("REGISTER", "6001"), 401)
		l.saw = l.saw[:0]
	}
}
