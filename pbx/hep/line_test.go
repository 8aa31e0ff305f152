package hep

import (
	"fmt"
	"net/netip"
	"time"

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
