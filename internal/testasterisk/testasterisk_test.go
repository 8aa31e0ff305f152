package testasterisk

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testsip"
)

// pbx starts a PBX with one phone's account.
func pbx(t *testing.T) *Asterisk {
	t.Helper()
	return Start(t, map[string]string{
		"pjsip.conf":      Transports + Phone("6001", "secret", 1),
		"extensions.conf": Extensions,
	})
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// TestStart: two PBXs, each in its own namespace, answer over each transport and
// family, independently of each other.
func TestStart(t *testing.T) {
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testns.Enter(t)
			a := pbx(t)
			if v := a.CLI("core show version"); !strings.HasPrefix(v, "Asterisk 2") {
				t.Errorf("version %q", v)
			}
			for _, c := range []struct{ network, from, to string }{
				{"udp", "127.0.0.2:5070", "127.0.0.1:5060"},
				{"udp", "[::1]:5070", "[::1]:5060"},
				{"tcp", "127.0.0.3:0", "127.0.0.1:5060"},
				{"tcp", "[::1]:0", "[::1]:5060"},
			} {
				sip := testsip.MustDial(t, c.network, addr(c.from), addr(c.to))
				if a := sip.Do(sip.Request("OPTIONS", name)); a.Status != 401 {
					t.Errorf("OPTIONS from a stranger at %s over %s: %d, not 401", c.from, c.network, a.Status)
				}
				r := sip.Request("REGISTER", "6001")
				if a := sip.DoAs(r, "6001", "wrong"); a.Status != 401 {
					t.Errorf("a wrong password over %s: %d, not 401", c.network, a.Status)
				}
				r = sip.Request("REGISTER", "6001")
				r.Headers = append(r.Headers, "Expires: 0")
				if a := sip.DoAs(r, "6001", "secret"); a.Status != 200 {
					t.Errorf("the right password over %s: %d, not 200", c.network, a.Status)
				}
			}
			sip := testsip.MustDial(t, "udp", addr("127.0.0.2:5071"), addr("127.0.0.1:5060"))
			if a := sip.Register("6001", "secret"); a.Status != 200 {
				t.Errorf("REGISTER: %d", a.Status)
			}
			if out := a.CLI("database show registrar/contact"); strings.Count(out, "via_addr") != 1 {
				t.Errorf("not one phone is registered: %s", out)
			}
			a.AwaitLog("messages.log", "<sip:"+name+"@")
			a.AwaitLog("security.log", `SecurityEvent="ChallengeResponseFailed"`)
			other := map[string]string{"one": "two", "two": "one"}[name]
			if strings.Contains(a.Log("messages.log"), "<sip:"+other+"@") {
				t.Errorf("%s has the other's log", name)
			}
		})
	}
}
