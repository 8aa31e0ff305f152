package sip

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/testvalue"
)

const register = "REGISTER sip:pbx.example SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.5:5060;rport;branch=z9hG4bK1\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.6;branch=z9hG4bK0\r\n" +
	"From: \"6001, the <boss>\" <sip:6001@pbx.example>;tag=1\r\n" +
	"To: <sip:6001@pbx.example>\r\n" +
	"Call-ID: a@b\r\n" +
	"CSeq: 2 REGISTER\r\n" +
	"Contact: <sip:6001@192.0.2.5:5060;x=1>;expires=60, \"a,b\" <sip:6001@192.0.2.9>\r\n" +
	"Expires: 3600\r\n" +
	"User-Agent: phone 1.0\r\n" +
	"Authorization: Digest username=\"6001\", realm=\"a, b\", nonce=\"17/ab\", uri=\"sip:pbx.example\", response=\"0f\", algorithm=MD5\r\n" +
	"Content-Length: 0\r\n\r\nFrom: <sip:body@body>\r\n"

// registered is what register says.
func registered() Message {
	return Message{
		Method: "REGISTER", URI: Address{Host: "pbx.example"},
		From: Address{"6001", "pbx.example"}, To: Address{"6001", "pbx.example"},
		CallID: "a@b", CSeq: "2", CSeqMethod: "REGISTER", Agent: "phone 1.0", Expires: 3600,
		Contacts: []Contact{
			{Address: Address{"6001", "192.0.2.5:5060"}, Expires: 60},
			{Address: Address{"6001", "192.0.2.9"}, Expires: -1},
		},
		Credentials: []Digest{{Username: "6001", Realm: "a, b", Nonce: "17/ab", Response: "0f"}},
	}
}

// TestSpellings: all of these are the same request for Asterisk, which answers each (see
// internal/testasterisk, TestSpellings).
func TestSpellings(t *testing.T) {
	first := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	all := func(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
	for name, respell := range map[string]func(string) string{
		"as the RFC has it":               func(s string) string { return s },
		"SIP:":                            first("REGISTER sip:", "REGISTER SIP:"),
		"sips:":                           first("REGISTER sip:", "REGISTER sips:"),
		"many blanks":                     first("REGISTER sip:", "REGISTER"+strings.Repeat(" ", 200)+"sip:"),
		"a tab":                           first("REGISTER sip:", "REGISTER\tsip:"),
		"a tab before":                    first("REGISTER sip:", "\tREGISTER sip:"),
		"a line break behind":             first("REGISTER sip:", "REGISTER\r\n sip:"),
		"many blanks before":              first("REGISTER sip:", strings.Repeat(" \t", 40)+"REGISTER sip:"),
		"a carriage return behind":        first("REGISTER sip:", "REGISTER\r sip:"),
		"blanks in the version":           first("SIP/2.0\r\n", "SIP / 2.0\r\n"),
		"lower case":                      first("REGISTER sip:", "register sip:"),
		"lower case everywhere":           all("REGISTER", "register"),
		"mixed case":                      first("REGISTER sip:", "RegIsteR sip:"),
		"many empty lines before":         first("REGISTER sip:", strings.Repeat("\r\n", 50)+"REGISTER sip:"),
		"carriage returns before":         first("REGISTER sip:", "\r\r\rREGISTER sip:"),
		"line feeds only":                 all("\r\n", "\n"),
		"carriage returns only":           all("\r\n", "\r"),
		"a version in lower case":         first("SIP/2.0\r\n", "sip/2.0\r\n"),
		"short headers":                   all("\r\nVia:", "\r\nv:", "\r\nFrom:", "\r\nf:", "\r\nTo:", "\r\nt:", "\r\nCall-ID:", "\r\ni:", "\r\nContact:", "\r\nm:"),
		"headers in capitals":             all("\r\nVia:", "\r\nVIA:", "\r\nFrom:", "\r\nFROM:", "\r\nCall-ID:", "\r\nCALL-ID:", "\r\nCSeq:", "\r\nCSEQ:", "\r\nAuthorization:", "\r\nAUTHORIZATION:"),
		"blanks before the colon":         all("\r\nFrom:", "\r\nFrom \t :", "\r\nCSeq:", "\r\nCSeq :"),
		"no blank behind the colon":       all("\r\nFrom: ", "\r\nFrom:", "\r\nCSeq: ", "\r\nCSeq:"),
		"folded credentials":              all(", nonce=", ",\r\n nonce=", ", response=", ",\n\tresponse="),
		"a comma without a blank":         all(", nonce=", ",nonce=", ", response=", "  ,  response = "),
		"names of parameters in capitals": all("username=", "USERNAME=", " nonce=", " Nonce=", ";branch=", ";BRANCH=", ";expires=", ";Expires="),
		"a password in the URI":           all("sip:6001@pbx", "sip:6001:secret@pbx"),
		"blanks in CSeq":                  first("CSeq: 2 REGISTER", "CSeq: 2 \t REGISTER"),
		"a header without a name":         first("To:", ": x\r\nTo:"),
		"a line that is no header":        first("To:", "garbage\r\nTo:"),
		"a nonsensical length":            first("Content-Length: 0", "Content-Length: -99999999999999999999"),
	} {
		text := respell(register)
		if name != "as the RFC has it" && text == register {
			t.Errorf("%s: nothing is changed", name)
		}
		got, err := Read([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(registered(), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestResponse(t *testing.T) {
	head := "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 192.0.2.5:5060;received=192.0.2.5;branch=z9hG4bK1\r\n" +
		"Call-ID: a@b\r\nFrom: %s<sip:6001@pbx.example>;tag=1\r\nTo: <sip:6001@pbx.example>;tag=2\r\nCSeq: 2 REGISTER\r\n"
	mine := "WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"17/ab\",stale=true,algorithm=MD5,qop=\"auth\"\r\n" +
		"Proxy-Authenticate: Digest nonce=\"cd\"\r\n"
	end := "Server: Asterisk\r\nContent-Length:  0\r\n\r\n"
	want := Message{
		Status: 401, From: Address{"6001", "pbx.example"}, To: Address{"6001", "pbx.example"},
		CallID: "a@b", CSeq: "2", CSeqMethod: "REGISTER", Agent: "Asterisk", Expires: -1,
		Challenges: []Digest{{Realm: "asterisk", Nonce: "17/ab", Stale: true}, {Nonce: "cd"}},
	}
	// Who breaks a line in From has his own challenge in the answer, whose nonce he knows.
	forged := "WWW-Authenticate: Digest nonce=\"known\"\r\n"
	for name, c := range map[string]struct {
		text string
		want func(*Message)
	}{
		"plain":                          {strings.Replace(head, "%s", "", 1) + mine + end, nil},
		"a challenge in From":            {strings.Replace(head, "%s", "\"\r\n"+forged+"x: \"", 1) + mine + end, func(m *Message) { m.From = Address{} }},
		"and another From":               {strings.Replace(head, "%s", "\"\r\n"+forged+"From: \"", 1) + mine + end, func(m *Message) { m.From, m.Repeated = Address{}, true }},
		"a challenge behind a bare CR":   {strings.Replace(head, "%s", "\"\r"+forged[:len(forged)-2]+"\r\"", 1) + mine + end, nil},
		"a challenge in a folded line":   {strings.Replace(head, "%s", "\"\r\n "+forged[:len(forged)-2]+"\"", 1) + mine + end, nil},
		"a challenge in Via":             {strings.Replace(strings.Replace(head, "%s", "", 1), ";received", ";x=\"\r\n"+forged+"y:\";received", 1) + mine + end, func(*Message) {}},
		"a challenge in the status line": {strings.Replace(strings.Replace(head, "%s", "", 1), "Unauthorized", "\n"+forged+"Via: x", 1) + mine + end, func(*Message) {}},
	} {
		want := want
		if c.want != nil {
			c.want(&want)
		}
		got, err := Read([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAddresses(t *testing.T) {
	for header, want := range map[string]Address{
		"<sip:6001@h>":                      {"6001", "h"},
		"sip:6001@h;tag=1":                  {"6001", "h"},
		"\"a <sip:x@y> \\\" b\" <sip:6@h>":  {"6", "h"},
		"<sips:6@[2001:db8::1]:5061;lr>":    {"6", "[2001:db8::1]:5061"},
		"<sip:h>":                           {"", "h"},
		"<sip:6;phone-context=a@h>":         {"6", "h"},
		"<sip:6@h?subject=x>":               {"6", "h"},
		"<tel:+4989;phone-context=x>":       {"+4989", ""},
		"<sip:%0d%0aX@h>":                   {"%0d%0aX", "h"},
		"<sip:6@h":                          {"6", "h"},
		"\"open <sip:6@h>":                  {"6", "h"},
		"":                                  {},
		"anonymous":                         {},
		"<>":                                {},
		"\"\"<sip:@>":                       {},
		"<sip:a@b@c>":                       {"a", "b@c"},
		"<sip:" + strings.Repeat("a", 9999): {"", strings.Repeat("a", 9999)},
	} {
		if got := addressIn(header); got != want {
			t.Errorf("%.60q: %.60q, want %.60q", header, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[string]int{
		"": -1, "0": 0, " 60 ": 60, "-1": -1, "+1": -1, "1.5": -1, "x": -1, "31622400": 31622400, "31622401": 31622400,
		"99999999999999999999999": 31622400,
	} {
		if got := seconds(in); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestNotSIP(t *testing.T) {
	for _, text := range []string{
		"", "\r\n\r\n", "\x00", "\x00REGISTER sip:x SIP/2.0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0", "SIP/2.0 20 OK\r\n", "SIP/2.0 99 OK\r\n",
		"SIP/2.0 700 X\r\n", "SIP/2.0 0200 OK\r\n", "REGISTER", "REGISTER sip:x", "REGISTER sip:x\r\nVia: SIP/2.0/UDP x\r\n\r\n", "a:b sip:x SIP/2.0\r\n",
		strings.Repeat("x", 1<<20), strings.Repeat(" ", 1<<20),
	} {
		if m, err := Read([]byte(text)); err == nil {
			t.Errorf("%.40q is %+v", text, m)
		}
	}
}

// TestBounded: a message of megabytes, of headers or of parts of one header, costs no more memory
// than its beginning.
func TestBounded(t *testing.T) {
	for name, text := range map[string]string{
		"headers":     "REGISTER sip:x SIP/2.0\r\n" + strings.Repeat("Authorization: Digest nonce=\"x\"\r\n", 1<<16),
		"contacts":    "REGISTER sip:x SIP/2.0\r\nContact: " + strings.Repeat("<sip:x@y>,", 1<<18) + "\r\n\r\n",
		"commas":      "REGISTER sip:x SIP/2.0\r\nContact: " + strings.Repeat(",", 1<<20) + "\r\n\r\n",
		"folds":       "REGISTER sip:x SIP/2.0\r\nFrom: " + strings.Repeat("\r\n ", 1<<19) + "\r\n\r\n",
		"semicolons":  "REGISTER sip:x SIP/2.0\r\nVia: " + strings.Repeat(";branch", 1<<18) + "\r\n\r\n",
		"challenges":  "SIP/2.0 401 X\r\n" + strings.Repeat("WWW-Authenticate: Digest nonce=\"x\"\r\n", 1<<16),
		"parameters":  "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest " + strings.Repeat("nonce=\"x\",", 1<<18) + "\r\n\r\n",
		"one line":    "REGISTER sip:x SIP/2.0 " + strings.Repeat("x", 1<<20),
		"a long name": "REGISTER sip:x SIP/2.0\r\n" + strings.Repeat("N", 1<<20) + ": x\r\n\r\n",
	} {
		var m Message
		var err error
		bytes := testvalue.Allocated(3, func() { m, err = Read([]byte(text)) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(m.Contacts) > maxContacts || len(m.Credentials) > maxDigests || len(m.Challenges) > maxDigests {
			t.Errorf("%s: %d contacts, %d credentials, %d challenges", name, len(m.Contacts), len(m.Credentials), len(m.Challenges))
		}
		// The conversion above copies the whole text, Read its beginning.
		if most := len(text) + 4*MaxHead; bytes > most {
			t.Errorf("%s: %d bytes allocated, at most %d expected", name, bytes, most)
		}
	}
}

// FuzzRead: whatever comes is one of request, response and neither, and says nothing that is not in it.
// What is read of a message does not depend on its body.
func FuzzRead(f *testing.F) {
	f.Add([]byte(register))
	f.Add([]byte("SIP/2.0 401 X\r\nVia: x;branch=1\r\n\"\\\r\n \t<>;=,\r\nWWW-Authenticate: Digest nonce=\"a\", stale=TRUE\r\nContact: *\r\n\r\n"))
	f.Add([]byte("\r\nregister\r sip:a:b@c;d?e SIP/3\rf:\"\\\"<\"<tel:1;x>\rm:*;expires=0\ri : x\r\n l\r\rbody"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(b)
		if err != nil {
			return
		}
		if (m.Method == "") == (m.Status == 0) {
			t.Fatalf("method %q, status %d", m.Method, m.Status)
		}
		for _, s := range []string{m.CallID, m.CSeq, m.Agent, m.From.User, m.From.Host, m.To.User, m.URI.User} {
			if !strings.Contains(string(b), s) {
				t.Fatalf("%q is not in the message", s)
			}
		}
		for _, d := range append(m.Credentials, m.Challenges...) {
			if !strings.Contains(string(b), d.Nonce) || !strings.Contains(string(b), d.Username) {
				t.Fatalf("%+v is not in the message", d)
			}
		}
		head, _, found := strings.Cut(string(b), "\r\n\r\n")
		if start := strings.TrimLeft(head, " \t\r\n"); !found || start == "" || strings.HasSuffix(head, "\r") || strings.HasSuffix(head, "\n") {
			return
		}
		again, err := Read([]byte(head + "\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatal("the body changes the head: ", diff)
		}
	})
}
