package ami

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines returns a message of lines.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }

func TestReader(t *testing.T) {
	long := strings.Repeat("z", maxLine-len("k: \r\n"))
	for name, c := range map[string]struct {
		stream string
		want   []string // "broken", or the fields
	}{
		"messages":                {lines("A: 1", "B: 2") + lines("C: 3"), []string{"A=1 B=2", "C=3"}},
		"more empty lines":        {"\r\n" + lines("A: 1") + "\r\n\r\n" + lines("B: 2"), []string{"A=1", "B=2"}},
		"no value":                {lines("A: ", "B: x: y"), []string{"A= B=x: y"}},
		"a control character":     {lines("A: \x01\x00\r\tB: 1"), []string{"A=\x01\x00\r\tB: 1"}},
		"a line feed":             {"A: 1\nB: 2\r\n\r\n" + lines("C: 3"), []string{"broken", "C=3"}},
		"two line feeds":          {"A: 1\n\nB: 2\r\n\r\n" + lines("C: 3"), []string{"broken", "C=3"}},
		"only line feeds":         {"A: 1\n\n" + lines("C: 3"), []string{"broken"}},
		"a line feed alone":       {"\n\r\n" + lines("C: 3"), []string{"broken", "C=3"}},
		"no colon":                {lines("A: 1", "B"), []string{"broken"}},
		"no blank":                {lines("A:1"), []string{"broken"}},
		"no key":                  {lines(": 1"), []string{"broken"}},
		"a key twice":             {lines("A: 1", "B: 2", "A: 3"), []string{"broken"}},
		"the longest line":        {lines("k: "+long) + lines("C: 3"), []string{"k=" + long, "C=3"}},
		"a line too long":         {lines("k: z"+long) + lines("C: 3"), []string{"broken", "C=3"}},
		"a line far too long":     {lines("A: 1", "k: "+strings.Repeat(long, 20)+"\r", "B: 2") + lines("C: 3"), []string{"broken", "C=3"}},
		"an empty end of it":      {"k: " + long + "zz\r\n" + lines("B: 2") + lines("C: 3"), []string{"broken", "C=3"}},
		"too many lines":          {strings.Repeat("A: 1\r\n", maxFields+1) + "\r\n" + lines("C: 3"), []string{"broken", "C=3"}},
		"a message too long":      {lines("a: "+long, "b: "+long, "c: "+long, "d: "+long, "e: 123456") + lines("C: 3"), []string{"broken", "C=3"}},
		"cut before its end":      {lines("A: 1") + "B: 2\r\n", []string{"A=1"}},
		"cut before its line end": {lines("A: 1") + "B: 2", []string{"A=1"}},
	} {
		var got []string
		for _, m := range messages(t, []byte(c.stream)) {
			var fields []string
			for _, f := range m.fields {
				fields = append(fields, f.key+"="+f.value)
			}
			if m.broken {
				fields = []string{"broken"}
			}
			got = append(got, strings.Join(fields, " "))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %.300s", name, diff)
		}
	}
}

// TestReaderLongest: one of the greatest length is read.
func TestReaderLongest(t *testing.T) {
	long := strings.Repeat("z", maxMessage/8-len("a: "))
	m := messages(t, []byte(lines("a: "+long, "b: "+long, "c: "+long, "d: "+long, "e: "+long, "f: "+long, "g: "+long, "h: "+long)))
	if len(m) != 1 || m[0].broken || len(m[0].fields) != 8 {
		t.Errorf("%d messages", len(m))
	}
}

// endless is a stream that never ends.
type endless string

func (s endless) Read(b []byte) (int, error) {
	return copy(b, strings.Repeat(string(s), len(b)/len(s)+1)), nil
}

// TestReaderIsBounded: what never ends takes no memory.
func TestReaderIsBounded(t *testing.T) {
	for _, s := range []endless{"x", "A: 1\r\n", "A: 1\n", "\r\n"} {
		r := newReader(io.LimitReader(s, 2<<20))
		if _, err := r.next(); !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", s, err)
		}
		if cap(r.text) > 2*maxMessage || cap(r.ends) > 2*maxFields {
			t.Errorf("%q: %d bytes and %d lines are kept", s, cap(r.text), cap(r.ends))
		}
	}
}

// request is what Asterisk says of a request whose From names no account: text is what a stranger
// has for its user, decoded.
func request(text string) string {
	if len(text) > 36 { // Asterisk copies no more (AST_UUID_STR_LEN)
		text = text[:36]
	}
	text, _, _ = strings.Cut(text, "\x00")
	fields := func(account string) string {
		return "EventTV: 2026-11-28T22:41:52.829+0000\r\nSeverity: Error\r\nService: PJSIP\r\nEventVersion: 1\r\nAccountID: " + account +
			"\r\nSessionID: c1\r\nLocalAddress: IPV4/UDP/45.1.2.1/5060\r\nRemoteAddress: IPV4/UDP/45.1.2.6/25435\r\n"
	}
	return "Event: InvalidAccountID\r\nPrivilege: security,all\r\n" + fields(text) + "\r\n" +
		"Event: ChallengeSent\r\nPrivilege: security,all\r\n" + fields("<unknown>") + "Challenge: \r\n\r\n"
}

// FuzzInjection: whatever a stranger writes into an event, he is seen, once, and nobody else is.
func FuzzInjection(f *testing.F) {
	for _, s := range []string{
		"9999", "", "\x00", "\r\nRemoteAddress: IPV4/UDP/8.8.8.8/1", "\nRemoteAddress: IPV4/UDP/8.8.8.8/1", "\r\n\r\nEvent: SuccessfulAuth",
		"\r\n\r\nEvent: Shutdown\r\nPrivilege: s", "\r\n\r\nEvent: Reload\r\nPrivilege: sys", "\r\nSessionID: c2", "x\r\nSessionID: c1\r\nLocalAddress: ",
		"\r\n\r\nResponse: Error\r\nActionID: 1", "\r\n\r\n", "\r\n", "\n", "\n\n", "\r", "\r\n\r\nEvent: FullyBooted\r\nPrivilege:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tracker := newTracker()
		seen := 0
		for _, m := range messages(t, []byte(request(text))) {
			e, is := m.security()
			if service := m.service(); service != "" && service != "PJSIP" {
				t.Errorf("%q makes the service %q", text, service)
			}
			if m.genuine() && !is {
				t.Errorf("%q makes the event %q", text, m.fields)
			}
			if !is || !e.whole {
				continue
			}
			o, ok := tracker.see(e, t0)
			if !ok {
				continue
			}
			seen++
			if o.Source.String() != "45.1.2.6:25435" || o.What != "unknown account" || o.Proved {
				t.Errorf("%q: %s", text, as(o))
			}
		}
		if seen != 1 {
			t.Errorf("%q is seen %d times", text, seen)
		}
	})
}

// FuzzReader: whatever comes is read to its end, and events after it are seen.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"", "Event: x\r\n", "\n\r\n", "A: 1\r\n\r\nB", "Event: ChallengeSent\r\nPrivilege: security,all\r\n", "\xff\x00\r\r\n"} {
		f.Add([]byte(s))
	}
	f.Add(capture(f, "10a-endpoint-acl-denied.ami"))
	f.Add(capture(f, "15-hostile-fields.ami"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		tracker := newTracker()
		for _, m := range messages(t, stream) {
			if e, is := m.security(); is && e.whole {
				if o, ok := tracker.see(e, t0); ok && (!o.Source.IsValid() || o.Transport == "" || len(o.Account) > 64) {
					t.Errorf("%+v", o)
				}
			}
			m.service()
		}
		after := observed(t, append(append(stream, "\r\n\r\n"...), request("9999")...))
		if len(after) == 0 || after[len(after)-1] != "udp 45.1.2.6:25435 unknown account 9999" {
			t.Errorf("after %q: %q", stream, after)
		}
	})
}
