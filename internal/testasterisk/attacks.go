package testasterisk

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/voipbl/voipbl/internal/testsip"
)

// Files returns the configuration of a PBX with the phones 6001, which may register
// once, and 6002, and with a trunk at each of the addresses. The password is
// [Password].
func Files(trunks ...netip.Prefix) map[string]string {
	pjsip := Transports + Phone("6001", Password, 1) + Phone("6002", Password, 5)
	for i, p := range trunks {
		pjsip += Trunk(fmt.Sprint("trunk", i+1), p.String())
	}
	return map[string]string{"pjsip.conf": pjsip, "extensions.conf": Extensions}
}

// Password is the password of the phones.
const Password = "secret"

// Deed is one request, or a few, to a PBX with [Files].
type Deed struct {
	Name string
	Do   func(c *testsip.Client)
}

// Attacks are the deeds of strangers.
var Attacks = []Deed{
	{"REGISTER of an unknown user", func(c *testsip.Client) { c.Register("9999", "wrong") }},
	{"REGISTER with a wrong password", func(c *testsip.Client) { c.Register("6002", "wrong") }},
	{"INVITE of an unknown user", func(c *testsip.Client) { c.Do(c.Request("INVITE", "9999")) }},
	{"INVITE with a wrong password", func(c *testsip.Client) { c.DoAs(c.Request("INVITE", "6002"), "6002", "wrong") }},
	{"SUBSCRIBE of an unknown user", func(c *testsip.Client) { c.Do(c.Request("SUBSCRIBE", "9999")) }},
	{"a line break in From", func(c *testsip.Client) { c.Do(Broken(c, "%0d%0aRemoteAddress%3a%20IPV4%2fUDP%2f8.8.8.8%2f1")) }},
	{"a bare line feed in From", func(c *testsip.Client) { c.Do(Broken(c, "%0a%5b%5d%20NOTICE%5b10%5d%3a%20%208.8.8.8")) }},
	{"an event in From", func(c *testsip.Client) { c.Do(Broken(c, "%0d%0a%0d%0aEvent%3a%20SuccessfulAuth")) }},
}

// Broken returns a request whose From breaks the line of the security log with its
// user. user is percent-encoded; Asterisk logs 36 letters of it.
func Broken(c *testsip.Client, user string) testsip.Request {
	r := c.Request("REGISTER", "9999")
	r.From = strings.Replace(r.From, "9999", user, 1)
	return r
}

// Friendly are the deeds of phones with the right password, each with a text that
// Asterisk logs about it.
var Friendly = []struct {
	Deed
	Writes string
}{
	{Deed{"REGISTER with the right password", func(c *testsip.Client) { c.Register("6002", Password) }}, `SecurityEvent="SuccessfulAuth"`},
	{Deed{"REGISTER of a second phone where one may", func(c *testsip.Client) {
		for _, phone := range []string{"6001@192.0.2.1", "6001@192.0.2.2"} {
			r := c.Request("REGISTER", "6001")
			r.Headers = []string{"Contact: <sip:" + phone + ">"}
			c.DoAs(r, "6001", Password)
		}
	}}, `ACLName="registrar_attempt_exceeds_maximum_configured_contacts"`},
	{Deed{"a wrong number with the right password", func(c *testsip.Client) { c.DoAs(Call(c, "6002", "999"), "6002", Password) }}, WrongNumber},
}

// WrongNumber is in Asterisk's log line about a call to a number that does not exist.
const WrongNumber = "to extension '999' rejected because extension not found"

// Call returns an INVITE to a number. It offers audio, as any phone does.
func Call(c *testsip.Client, user, number string) testsip.Request {
	r := c.Request("INVITE", user)
	r.Line = strings.Replace(r.Line, "sip:", "sip:"+number+"@", 1)
	ip := "IP4"
	if c.Local().Addr().Is6() {
		ip = "IP6"
	}
	r.Body = fmt.Sprintf("v=0\r\no=- 1 1 IN %[1]s %[2]s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\nm=audio 12000 RTP/AVP 0\r\n", ip, c.Local().Addr())
	return r
}

// LogOf returns the lines that f adds to the logs: first those of messages.log, then
// those of security.log. c is a client with which the end is marked.
func (a *Asterisk) LogOf(c *testsip.Client, f func()) string {
	a.t.Helper()
	messages, security := len(a.Log("messages.log")), len(a.Log("security.log"))
	f()
	r := c.Request("OPTIONS", "mark")
	r.CallID += "mark"
	c.Do(r)
	return before(a.AwaitLog("messages.log", r.CallID)[messages:], r.CallID) +
		before(a.AwaitLog("security.log", r.CallID)[security:], r.CallID)
}

// before returns the lines above the first one with a text.
func before(log, text string) string {
	i := strings.Index(log, text)
	return log[:strings.LastIndex(log[:i], "\n")+1]
}
