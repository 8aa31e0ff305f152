package ami

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/pbx"
)

var t0 = time.Unix(1795905600, 0)

// as says how an observation looks.
func as(o pbx.Observation) string {
	s := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", o.Transport, o.Source, o.What, o.Account))
	if o.Called != "" {
		s += " at " + o.Called
	}
	if !o.Until.IsZero() {
		s += fmt.Sprint(" for ", o.Until.Sub(o.At))
	}
	if o.Proved {
		s += ", proved"
	}
	return s
}

// messages reads all messages of a stream.
func messages(t testing.TB, stream []byte) []message {
	t.Helper()
	var all []message
	r := newReader(bytes.NewReader(stream))
	for {
		m, err := r.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
}

// observed returns what is observed in a stream, and what is dropped.
func observed(t testing.TB, stream []byte) (saw []string) {
	tracker := newTracker()
	for _, m := range messages(t, stream) {
		e, is := m.security()
		switch {
		case !m.genuine() || is && !e.whole:
			saw = append(saw, "dropped")
		case is:
			if o, ok := tracker.see(e, t0); ok {
				saw = append(saw, as(o))
			}
		}
	}
	return saw
}

func capture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCaptures has what an Asterisk 22 has sent, and an Asterisk 16.28.
func TestCaptures(t *testing.T) {
	rest := map[string]bool{}
	files, err := filepath.Glob("testdata/*.ami")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := filepath.Base(f); !strings.HasPrefix(name, "act-") {
			rest[strings.TrimSuffix(name, ".ami")] = true
		}
	}
	for _, c := range captures {
		if diff := cmp.Diff(c.want, observed(t, capture(t, c.name+".ami"))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		delete(rest, c.name)
	}
	for name := range rest {
		t.Errorf("nothing is said of %s: %q", name, observed(t, capture(t, name+".ami")))
	}
}

var captures = []struct {
	name string
	want []string
}{
	{"01a-register-right", []string{
		"udp 45.1.2.3:48147 asked 6001",
		"udp 45.1.2.3:48147 authenticated 6001, proved",
	}},
	{"01b-reregister", []string{
		"udp 45.1.2.3:48147 asked 6001",
		"udp 45.1.2.3:48147 authenticated 6001, proved",
	}},
	{"01c-reregister-cached-nonce", []string{"udp 45.1.2.3:48147 authenticated 6001, proved"}},
	{"01d-unregister", []string{
		"udp 45.1.2.3:48147 asked 6001",
		"udp 45.1.2.3:48147 authenticated 6001, proved",
	}},
	{"01e-expire", []string{
		"udp 45.1.2.3:48147 asked 6001",
		"udp 45.1.2.3:48147 authenticated 6001, proved",
	}},
	{"01f-register-qualified-6003", []string{
		"udp 45.1.2.4:26072 asked 6003",
		"udp 45.1.2.4:26072 authenticated 6003, proved",
	}},
	{"01g-unregister-6003", []string{"udp 45.1.2.4:26072 asked 6003"}},
	{"02-wrong-password", []string{
		"udp 45.1.2.5:41819 asked 6001",
		"udp 45.1.2.5:41819 wrong password 6001",
	}},
	{"02b-wrong-authuser", []string{
		"udp 45.1.2.5:25258 asked 6001",
		"udp 45.1.2.5:25258 wrong password 6001",
	}},
	{"03a-unknown-user-noauth", []string{"udp 45.1.2.6:39468 unknown account 9999"}},
	{"03b-unknown-user-auth", []string{
		"udp 45.1.2.6:40203 unknown account 9999",
		"udp 45.1.2.6:40203 unknown account 9999",
		"udp 45.1.2.6:40203 wrong password 9999",
	}},
	{"04a-forged-nonce-known-user", []string{"udp 45.1.2.7:20384 wrong password 6001"}},
	{"04b-forged-nonce-right-password", []string{"udp 45.1.2.7:36088 asked 6001"}},
	{"04c-forged-nonce-unknown-user", []string{"udp 45.1.2.7:35633 unknown account 9999", "udp 45.1.2.7:35633 wrong password 9999"}},
	{"04d-stale-nonce-right-password", []string{"udp 45.1.2.8:21262 asked 6001"}},
	{"04e-stale-nonce-wrong-password", []string{"udp 45.1.2.8:21262 wrong password 6001"}},
	{"04f-nonce-of-another-source", []string{
		"udp 45.1.2.8:21262 asked 6001",
		"udp 45.1.2.9:40126 wrong password 6001",
	}},
	{"04g-nonce-of-another-source-right", []string{
		"udp 45.1.2.8:21262 asked 6001",
		"udp 45.1.2.9:36363 asked 6001",
	}},
	{"05a-invite-unknown-user", []string{
		"udp 45.1.2.10:37171 unknown account 9999",
		"udp 45.1.2.10:37171 unknown account 9999",
		"udp 45.1.2.10:37171 wrong password 9999",
	}},
	{"05b-invite-known-user-wrong-digest", []string{
		"udp 45.1.2.11:46043 asked 6001",
		"udp 45.1.2.11:46043 wrong password 6001",
	}},
	{"05c-invite-right-unknown-extension", []string{
		"udp 45.1.2.11:38654 asked 6001",
		"udp 45.1.2.11:38654 authenticated 6001, proved",
	}},
	{"06-message-stranger", []string{"udp 45.1.2.12:38349 unknown account 9999"}},
	{"06-options-stranger", []string{"udp 45.1.2.12:47931 unknown account 9999"}},
	{"06-subscribe-stranger", []string{"udp 45.1.2.12:38245 unknown account 9999"}},
	{"07-spoof-45.1.2.77-forged-known", []string{"udp 45.1.2.77:5060 wrong password 6001"}},
	{"07-spoof-45.1.2.77-forged-unknown", []string{"udp 45.1.2.77:5060 unknown account 9999", "udp 45.1.2.77:5060 wrong password 9999"}},
	{"07-spoof-45.1.2.77-noauth-known", []string{"udp 45.1.2.77:5060 asked 6001"}},
	{"07-spoof-45.7.7.7-forged-known", []string{"udp 45.7.7.7:5060 wrong password 6001"}},
	{"07-spoof-45.7.7.7-forged-unknown", []string{"udp 45.7.7.7:5060 unknown account 9999", "udp 45.7.7.7:5060 wrong password 9999"}},
	{"07-spoof-45.7.7.7-noauth-known", []string{"udp 45.7.7.7:5060 asked 6001"}},
	{"07-spoof-45.7.7.7-noauth-unknown", []string{"udp 45.7.7.7:5060 unknown account 9999"}},
	{"07-spoof-stolen-nonce-primed", []string{
		"udp 45.7.7.9:5060 asked 6001",
		"udp 45.1.2.14:27390 asked 6001",
		"udp 45.7.7.9:5060 wrong password 6001",
	}},
	{"08a-trunk-registers-and-qualify", nil},
	{"08d-trunk-register-from-trunk-ip", nil},
	{"08f-trunk-unreachable", nil},
	{"08h-trunk-reregister-403", nil},
	{"08i-trunk-reregister-ok", nil},
	{"09a-ami-wrong-secret", []string{"tcp 127.0.0.1:58426 wrong password all, proved"}},
	{"09b-ami-unknown-user", []string{"tcp 127.0.0.1:58436 wrong password nobody, proved"}},
	{"10a-endpoint-acl-denied", []string{
		"udp 45.1.2.16:46911 refused 6002",
		"udp 45.1.2.16:46911 refused 6002",
	}},
	{"10c-spoofed-endpoint-acl", []string{"udp 45.7.7.10:5060 refused 6002"}},
	{"11-tcp-wrong-password", []string{
		"tcp 45.1.2.18:38537 asked 6001, proved",
		"tcp 45.1.2.18:38537 wrong password 6001, proved",
	}},
	{"13-core-reload", []string{"udp 45.1.2.3:31016 authenticated 6001, proved"}},
	{"13-pjsip-reload", nil},
	{"14-core-restart-now", nil},
	{"15-hostile-fields", []string{
		"dropped",
		"udp 45.1.2.6:25203 unknown account",
		"udp 45.1.2.6:25203 unknown account qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
	}},
	{"16-injection-invite-only-lf", []string{
		"dropped",
		"udp 45.1.2.6:25435 unknown account",
	}},
	{"16-injection-remoteaddress", []string{
		"dropped",
		"udp 45.1.2.6:32765 unknown account",
	}},
	{"16-injection-whole-event", []string{
		"dropped",
		"dropped",
		"udp 45.1.2.6:35060 unknown account",
	}},
	{"16b-injection-nonce", []string{"udp 45.1.2.6:25867 wrong password 6001"}},
	{"18-nat-phone", []string{
		"udp 45.1.2.4:27211 asked 6003",
		"udp 45.1.2.4:27211 authenticated 6003, proved",
	}},
	{"asterisk16-endpoint-acl-denied", []string{
		"udp 127.0.0.2:5070 refused 6005",
		"udp 127.0.0.2:5070 refused 6005",
	}},
	{"asterisk16-injection-remoteaddress", []string{
		"dropped",
		"udp 127.0.0.2:5070 unknown account",
	}},
	{"asterisk16-injection-whole-event", []string{
		"dropped",
		"dropped",
		"udp 127.0.0.2:5070 unknown account",
	}},
	{"asterisk16-invite-right-unknown-extension", []string{
		"udp 127.0.0.2:5070 asked 6002",
		"udp 127.0.0.2:5070 authenticated 6002, proved",
	}},
	{"asterisk16-ipv6-wrong-password", []string{
		"udp [::1]:5070 asked 6001",
		"udp [::1]:5070 wrong password 6001",
	}},
	{"asterisk16-register-right", []string{
		"udp 127.0.0.2:5070 asked 6002",
		"udp 127.0.0.2:5070 authenticated 6002, proved",
	}},
	{"asterisk16-second-phone-where-one-may", []string{
		"udp 127.0.0.2:5070 asked 6001",
		"udp 127.0.0.2:5070 authenticated 6001, proved",
		"udp 127.0.0.2:5070 asked 6001",
		"udp 127.0.0.2:5070 authenticated 6001, proved",
	}},
	{"asterisk16-tcp-wrong-password", []string{
		"tcp 127.0.0.2:5071 asked 6001, proved",
		"tcp 127.0.0.2:5071 wrong password 6001, proved",
	}},
	{"asterisk16-unknown-user-auth", []string{
		"udp 127.0.0.2:5070 unknown account 9999",
		"udp 127.0.0.2:5070 unknown account 9999",
		"udp 127.0.0.2:5070 wrong password 9999",
	}},
	{"asterisk16-wrong-password", []string{
		"udp 127.0.0.2:5070 asked 6001",
		"udp 127.0.0.2:5070 wrong password 6001",
	}},
}
