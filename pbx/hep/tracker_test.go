package hep

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voipbl/voipbl/pbx"
)

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
		"a wrong password, whose answer goes to another port": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				l.asks(attacker, register.with("n"))
				l.answers(ap("203.0.113.66:5099"), 401, register.with("n"), challenge("m"))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"a wrong password, whose answer goes to another host": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				l.asks(attacker, register.with("n"))
				l.answers(phone, 401, register.with("n"), challenge("m"))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"an answer is not another's who writes the same Call-ID": {
			func(l *line) {
				l.asks(attacker, register)
				l.answers(attacker, 401, register, challenge("n"))
				l.asks(attacker, register.with("n"))
				l.asks(phone, register.with("n")) // from the attacker, with the phone's address
				l.answers(attacker, 401, register.with("n"), challenge("m"))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved"},
		},
		"an account in another spelling": {
			func(l *line) {
				r := register
				r.to = "%360%301"
				l.asks(phone, r)
				l.answers(phone, 401, r, challenge("n"))
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER"},
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
				"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 asked 6001 by REGISTER",
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
				"198.51.100.5:5062 asked 6001 by REGISTER",
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
		"a PBX that sends one nonce to all while its clock is a year ahead": {
			func(l *line) {
				for _, from := range []netip.AddrPort{phone, attacker} {
					l.asks(from, register)
					l.answers(from, 401, register, challenge("n"))
				}
				l.now = l.now.Add(-365 * 24 * time.Hour)
				l.logsIn(attacker, register, 401)
			},
			[]string{
				"198.51.100.5:5062 asked 6001 by REGISTER", "203.0.113.66:5060 asked 6001 by REGISTER",
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
			[]string{"198.51.100.5:5062 asked boss by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 5s, proved"},
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
		"what keeps a NAT open": {
			func(l *line) {
				for _, text := range []string{"\r\n\r\n", "\r", "\n", "\x00", ""} {
					l.moves(phone, thePBX, text)
				}
			},
			nil,
		},
		"two passwords, of one account and of two": {
			func(l *line) {
				for _, second := range []string{"6001", "6002", "6001"} {
					one := register
					one.call += fmt.Sprint(len(l.saw))
					l.asks(phone, one)
					l.answers(phone, 401, one, challenge("n"+one.call))
					two := one.with("n" + one.call)
					two.headers = append([]string{`Authorization: Digest username="` + second + `",realm="b",nonce="b",uri="sip:pbx",response="1"`}, two.headers...)
					l.asks(phone, two)
					l.answers(phone, 200, two)
				}
			},
			[]string{
				"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1h0m0s, proved",
				"198.51.100.5:5062 asked 6001 by REGISTER",
				"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1h0m0s, proved",
			},
		},
		"a redirect": {
			func(l *line) { l.logsIn(phone, register, 300) },
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER"},
		},
		"answers to what was not seen": {
			func(l *line) {
				l.answers(attacker, 300, ask1("OPTIONS", "9001"))
				l.answers(attacker, 299, ask1("OPTIONS", "9002"))
				l.answers(attacker, 404, ask1("REGISTER", "9003"))
				l.answers(attacker, 404, ask1("INVITE", "9004"))
			},
			[]string{"203.0.113.66:5060 scanned 9001 by OPTIONS", "203.0.113.66:5060 unknown account 9003 by REGISTER"},
		},
		"a registration that has ended already": {
			func(l *line) {
				l.logsIn(phone, register, 200, "Contact: <sip:6001@10.0.0.1:5060>;expires=0", "Expires: 60")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 0s, proved"},
		},
		"beside a contact without a time": {
			func(l *line) {
				l.logsIn(phone, register, 200, "Contact: <sip:6001@10.0.0.9:5060>", "Contact: <sip:6001@10.0.0.1:5060>;expires=90")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1m30s, proved"},
		},
		"the shortest of others' contacts": {
			func(l *line) {
				l.logsIn(phone, register, 200, "Contact: <sip:6001@10.0.0.8:5060>;expires=0", "Contact: <sip:6001@10.0.0.9:5060>;expires=90", "Expires: 60")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 0s, proved"},
		},
		"the first of two contacts": {
			func(l *line) {
				two := register
				two.headers = []string{"Contact: <sip:6001@10.0.0.1:5060>;expires=60", "Contact: <sip:6001@10.0.0.2:5060>;expires=90"}
				l.logsIn(phone, two, 200, "Contact: <sip:6001@10.0.0.2:5060>;expires=90", "Contact: <sip:6001@10.0.0.1:5060>;expires=60")
			},
			[]string{"198.51.100.5:5062 asked 6001 by REGISTER", "198.51.100.5:5062 registered 6001 by REGISTER for 1m0s, proved"},
		},
		"a response, and what the PBX asks, are no requests to it": {
			func(l *line) {
				guess := register.with("n")
				l.moves(attacker, thePBX, strings.Replace(guess.text(), "REGISTER sip:pbx SIP/2.0", "SIP/2.0 200 OK", 1))
				l.moves(thePBX, attacker, guess.text())
				l.answers(attacker, 401, guess, challenge("m"))
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER"},
		},
		"an ACK is no request": {
			func(l *line) {
				for _, method := range []string{"ACK", "CANCEL"} {
					end := call.with("n")
					end.method = method
					l.asks(attacker, end)
					l.answers(attacker, 401, end, challenge("m"))
				}
			},
			[]string{"203.0.113.66:5060 asked 6001 by ACK", "203.0.113.66:5060 asked 6001 by CANCEL"},
		},
		"two guesses in one transaction": {
			func(l *line) {
				guess := register.with("n")
				for _, guess.response = range []string{"1", "2", "2"} {
					l.asks(attacker, guess)
				}
				for range 3 {
					l.answers(attacker, 401, guess, challenge("m"))
				}
			},
			[]string{"203.0.113.66:5060 wrong password 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER"},
		},
		"a request again after all repetitions": {
			func(l *line) {
				for _, later := range []time.Duration{0, repeats - time.Millisecond, -repeats - time.Millisecond} {
					l.now = l.now.Add(later)
					l.asks(attacker, register)
				}
				for range 3 {
					l.answers(attacker, 401, register, challenge("n"))
				}
			},
			[]string{"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 asked 6001 by REGISTER"},
		},
		"an unproved guess after a proved one, answered elsewhere": {
			func(l *line) {
				l.logsIn(attacker, register, 401, challenge("n"))
				guess := register.with("of nobody")
				l.asks(phone, guess)
				l.answers(ap("203.0.113.99:5060"), 401, guess, challenge("m"))
			},
			[]string{
				"203.0.113.66:5060 asked 6001 by REGISTER", "203.0.113.66:5060 wrong password 6001 by REGISTER, proved",
				"198.51.100.5:5062 wrong password 6001 by REGISTER",
			},
		},
		"two proved guesses, answered elsewhere": {
			func(l *line) {
				for _, from := range []netip.AddrPort{attacker, phone} {
					l.asks(from, register)
					l.answers(from, 401, register, challenge(from.String()))
				}
				for _, from := range []netip.AddrPort{attacker, phone} {
					l.asks(from, register.with(from.String()))
				}
				l.answers(ap("203.0.113.99:5060"), 401, register.with("n"), challenge("m"))
			},
			[]string{
				"203.0.113.66:5060 asked 6001 by REGISTER", "198.51.100.5:5062 asked 6001 by REGISTER",
				"198.51.100.5:5062 wrong password 6001 by REGISTER, proved",
			},
		},
		"garbage": {
			func(l *line) {
				l.moves(attacker, thePBX, "garbage")
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

// TestTrackerOfOthers: what is not the PBX's is counted.
func TestTrackerOfOthers(t *testing.T) {
	l := newLine()
	l.moves(attacker, phone, ask1("REGISTER", "6001").text())
	if l.tracker.foreign != 1 || l.saw != nil {
		t.Errorf("%d, %v", l.tracker.foreign, l.saw)
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
