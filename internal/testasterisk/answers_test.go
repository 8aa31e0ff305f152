package testasterisk

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testsip"
)

// TestSpellings: a rule that counts requests has to match every spelling of a request
// that Asterisk understands. These are Asterisk's answers.
func TestSpellings(t *testing.T) {
	testns.Enter(t)
	Start(t, Files())
	for _, c := range []struct {
		name     string
		method   string
		respell  func(text string) string
		answered bool
	}{
		{"as the RFC has it", "REGISTER", func(s string) string { return s }, true},
		{"SIP:", "REGISTER", first("REGISTER sip:", "REGISTER SIP:"), true},
		{"Sip:", "REGISTER", first("REGISTER sip:", "REGISTER Sip:"), true},
		{"sips:", "REGISTER", first("REGISTER sip:", "REGISTER sips:"), true},
		{"SIPS:", "REGISTER", first("REGISTER sip:", "REGISTER SIPS:"), true},
		{"two blanks", "REGISTER", first("REGISTER sip:", "REGISTER  sip:"), true},
		{"many blanks", "REGISTER", first("REGISTER sip:", "REGISTER"+strings.Repeat(" ", 200)+"sip:"), true},
		{"a tab", "REGISTER", first("REGISTER sip:", "REGISTER\tsip:"), true},
		{"a blank before", "REGISTER", first("REGISTER sip:", " REGISTER sip:"), true},
		{"a tab before", "REGISTER", first("REGISTER sip:", "\tREGISTER sip:"), true},
		{"blanks and lines before", "REGISTER", first("REGISTER sip:", " \r\n \t\r\n  REGISTER sip:"), false},
		{"a NUL before", "REGISTER", first("REGISTER sip:", "\x00REGISTER sip:"), false},
		{"lines of carriage returns before", "REGISTER", first("REGISTER sip:", "\r\r\rREGISTER sip:"), true},
		{"a form feed behind", "REGISTER", first("REGISTER sip:", "REGISTER\fsip:"), false},
		{"a line break behind", "REGISTER", first("REGISTER sip:", "REGISTER\r\n sip:"), true},
		{"an empty line and a blank before", "REGISTER", first("REGISTER sip:", "\r\n REGISTER sip:"), true},
		{"many tabs and blanks before", "REGISTER", first("REGISTER sip:", strings.Repeat(" \t", 40)+"REGISTER sip:"), true},
		{"in angle brackets", "REGISTER", first("sip:127.0.0.1 ", "<sip:127.0.0.1> "), false},
		{"no scheme", "REGISTER", first("sip:127.0.0.1 ", "127.0.0.1 "), false},
		{"a carriage return behind", "REGISTER", first("REGISTER sip:", "REGISTER\r sip:"), true},
		{"blanks in the version", "REGISTER", first("SIP/2.0\r\n", "SIP / 2.0\r\n"), true},
		{"the beginning of a method", "REGISTER", all("REGISTER", "REG"), true},
		{"a method that there is not", "REGISTER", all("REGISTER", "SESAME"), true},
		{"two requests", "REGISTER", first("REGISTER sip:", "X\r\n\r\nREGISTER sip:"), false},
		{"lower case", "REGISTER", first("REGISTER sip:", "register sip:"), true},
		{"lower case everywhere", "REGISTER", all("REGISTER", "register"), true},
		{"mixed case", "REGISTER", first("REGISTER sip:", "RegIsteR sip:"), true},
		{"an empty line before", "REGISTER", first("REGISTER sip:", "\r\nREGISTER sip:"), true},
		{"many empty lines before", "REGISTER", first("REGISTER sip:", strings.Repeat("\r\n", 50)+"REGISTER sip:"), true},
		{"a bare line feed before", "REGISTER", first("REGISTER sip:", "\nREGISTER sip:"), true},
		{"line feeds only", "REGISTER", all("\r\n", "\n"), true},
		{"a user", "REGISTER", first("REGISTER sip:", "REGISTER sip:user@"), true},
		{"tel:", "REGISTER", first("REGISTER sip:127.0.0.1", "REGISTER tel:200"), true},
		{"another version", "REGISTER", first("SIP/2.0\r\n", "SIP/3.0\r\n"), false},
		{"a version in lower case", "REGISTER", first("SIP/2.0\r\n", "sip/2.0\r\n"), true},
		{"SIP:", "INVITE", first("INVITE sip:", "INVITE SIP:"), true},
		{"sips:", "INVITE", first("INVITE sip:", "INVITE sips:"), true},
		{"two blanks", "INVITE", first("INVITE sip:", "INVITE  sip:"), true},
		{"a tab", "INVITE", first("INVITE sip:", "INVITE\tsip:"), true},
		{"lower case", "INVITE", all("INVITE", "invite"), true},
		{"short headers", "INVITE", func(s string) string {
			return strings.NewReplacer("Via:", "v:", "From:", "f:", "To:", "t:", "Call-ID:", "i:", "Contact:", "m:", "Content-Length:", "l:").Replace(s)
		}, true},
	} {
		sip := testsip.MustDial(t, "udp", addr("127.0.0.2:0"), addr("127.0.0.1:5060"))
		r := sip.Request(c.method, "stranger")
		text := c.respell(r.Text())
		if c.name != "as the RFC has it" && text == r.Text() {
			t.Errorf("%s, %s: nothing is changed", c.method, c.name)
		}
		sip.Send(text)
		if !c.answered {
			if a, err := sip.AnswerIn(r.CallID, 300*time.Millisecond); err == nil {
				t.Errorf("%s, %s: Asterisk answers with %d", c.method, c.name, a.Status)
			}
			continue
		}
		if _, err := sip.AnswerIn(r.CallID, testsip.AnswerLimit); err != nil {
			t.Errorf("%s, %s: %v", c.method, c.name, err)
		}
	}
}

func first(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func all(old, new string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, new) }
}

// TestLineBreaks: an attacker can break a line of the security log with the text in
// From, but the line that this begins ends in Asterisk's own words, with the attacker's
// address.
func TestLineBreaks(t *testing.T) {
	testns.Enter(t)
	a := Start(t, Files())
	sip := testsip.MustDial(t, "udp", addr("127.0.0.2:5070"), addr("127.0.0.1:5060"))
	for _, c := range []struct{ user, begins string }{
		{"%0d%0aRemoteAddress%3a%20IPV4%2fUDP%2f8.8.8.8%2f1", "RemoteAddress: IPV4/UDP/8.8.8.8/1"},
		{"%0aSECURITY", "SECURITY"},
		{"%0a" + strings.Repeat("q", 500), strings.Repeat("q", 35)},
	} {
		log := a.LogOf(sip, func() { sip.Do(Broken(sip, c.user)) })
		injected := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(c.begins) + `",SessionID="[^"]*",LocalAddress="IPV4/UDP/127\.0\.0\.1/5060",RemoteAddress="IPV4/UDP/127\.0\.0\.2/5070"`)
		if !injected.MatchString(log) {
			t.Errorf("%s begins no line with %q:\n%s", c.user, c.begins, log)
		}
	}
}
