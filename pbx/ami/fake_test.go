package ami

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/voipbl/voipbl/pbx"
)

const secret = "the secret"

// securityEvent is an event about a request from an address that nobody has.
func securityEvent(name string, own ...string) string {
	return lines(append([]string{
		"Event: " + name, "Privilege: security,all", "EventTV: 2026-11-28T22:41:52.829+0000", "Severity: Informational", "Service: PJSIP", "EventVersion: 1",
		"AccountID: 6001", "SessionID: c1", "LocalAddress: IPV4/UDP/45.1.2.1/5060", "RemoteAddress: IPV4/UDP/8.8.8.8/5060",
	}, own...)...)
}

// fake is the end of a connection at which Asterisk should be.
type fake struct {
	conn net.Conn
	in   *bufio.Reader
	over chan struct{} // closed when the client has ended
}

// says sends text. An error means that the client is gone.
func (f *fake) says(text string) { _, _ = f.conn.Write([]byte(text)) }

// asked returns the fields of the next action, nil if there is none.
func (f *fake) asked() map[string]string {
	m, err := newReader(f.in).next()
	if err != nil {
		return nil
	}
	fields := map[string]string{}
	for _, x := range m.fields {
		fields[x.key] = x.value
	}
	return fields
}

// answers answers the next action, and returns its name.
func (f *fake) answers(fields ...string) string {
	a := f.asked()
	f.says(lines(append([]string{"Response: Success", "ActionID: " + a["ActionID"]}, fields...)...))
	return a["Action"]
}

// starts does what Asterisk does until it sends events. other has what is answered to an
// action instead.
func (f *fake) starts(other map[string]string) bool {
	f.says("Asterisk Call Manager/11.0.0\r\n")
	for {
		a := f.asked()
		sum := md5.Sum([]byte("123" + secret))
		answer, ok := map[string]string{
			"Challenge":    "Response: Success\r\nChallenge: 123",
			"Login":        "Response: Success\r\nMessage: Authentication accepted",
			"ListCommands": "Response: Success\r\nPing: Keepalive command.  (Priv: <none>)",
			"CoreSettings": "Response: Success\r\nCoreHTTPenabled: No",
			"Events":       "Response: Success\r\nEvents: On",
		}[a["Action"]]
		if !ok {
			return false
		}
		if a["Action"] == "Login" && (a["Key"] != hex.EncodeToString(sum[:]) || a["Username"] != "voipbl") {
			answer = "Response: Error\r\nMessage: Authentication failed"
		}
		if o, ok := other[a["Action"]]; ok {
			answer = o
		}
		kind, rest, _ := strings.Cut(answer, "\r\n")
		f.says(lines(kind, "ActionID: "+a["ActionID"], rest))
		if a["Action"] == "Events" {
			return true
		}
	}
}

// play runs a client for a while against a server, and returns what it has seen, how it is, and when
// it has connected. All time is that of the bubble.
func play(t *testing.T, lasts time.Duration, serve func(*fake)) (saw []string, h Health, dialled []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Settings{Address: netip.MustParseAddrPort("127.0.0.1:5038"), User: "voipbl", Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		began, over := time.Now(), make(chan struct{})
		c.believe = func(net.Conn) error { return nil }
		c.dial = func(context.Context) (net.Conn, error) {
			dialled = append(dialled, time.Since(began))
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				serve(&fake{there, bufio.NewReaderSize(there, maxLine), over})
			}()
			return here, nil
		}
		ctx, end := context.WithTimeout(t.Context(), lasts)
		defer end()
		done := make(chan error)
		go func() { done <- c.Watch(ctx, func(o pbx.Observation) { saw = append(saw, as(o)) }) }()
		<-time.After(lasts - 1)
		synctest.Wait()
		h = c.Health()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(over)
		for _, s := range []string{h.Problem, h.Contacts, c.settings.String()} {
			if strings.Contains(s, secret) {
				t.Errorf("the secret is in %q", s)
			}
		}
	})
	return saw, h, dialled
}
