package fail2ban_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testsip"
)

// caller returns a client at a loopback address, which speaks to the PBX over UDP.
func caller(t *testing.T, addr string) *testsip.Client {
	t.Helper()
	return testsip.MustDial(t, "udp", netip.AddrPortFrom(netip.MustParseAddr(addr), 5070), netip.MustParseAddrPort("127.0.0.1:5060"))
}

// who returns the addresses that the filter finds in a log, each once.
func who(t *testing.T, log string) []string {
	t.Helper()
	all := found(t, logOf(t, strings.Split(strings.TrimSuffix(log, "\n"), "\n")...), "")
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(a string) bool { return a == "" })
}

// TestAsteriskPatience: for an hour, a provider that is in no identify asks every 30 seconds whether
// the host is up. That is not enough for a ban by either jail.
func TestAsteriskPatience(t *testing.T) {
	testns.Enter(t)
	a := testasterisk.Start(t, testasterisk.Files())
	stranger, provider := caller(t, "127.0.0.2"), caller(t, "127.0.0.3")
	const tenMinutes = 20
	log := a.LogOf(stranger, func() {
		for range tenMinutes {
			provider.Do(provider.Request("OPTIONS", "ping"))
		}
	})
	lines := logOf(t, strings.Split(log, "\n")...)
	if n := len(fields(t, lines, "[count=unknown]", "ip")); n != tenMinutes || n >= patience60 {
		t.Errorf("%d lines are counted, not one each, in\n%s", n, log)
	}
	if got := fields(t, lines, "[count=passwords]", "ip"); got[0] != "" {
		t.Errorf("it counts as a wrong password:\n%s", log)
	}
}

// TestAsteriskAnonymous: with an endpoint for anonymous callers, a REGISTER to it and a number that
// does not exist are attacks, and nobody can get somebody else banned by the number dialled.
func TestAsteriskAnonymous(t *testing.T) {
	testns.Enter(t)
	files := testasterisk.Files()
	files["pjsip.conf"] += "\n[anonymous]\ntype = endpoint\ncontext = default\ndisallow = all\nallow = ulaw\n"
	a := testasterisk.Start(t, files)
	stranger, mark := caller(t, "127.0.0.2"), caller(t, "127.0.0.4")
	marks := 0
	// anonymously is what LogOf is where a stranger's OPTIONS leaves no line: it marks the
	// end by a call.
	anonymously := func(a *testasterisk.Asterisk, f func()) string {
		messages, security := len(a.Log("messages.log")), len(a.Log("security.log"))
		f()
		marks++
		number := fmt.Sprintf("77%05d", marks)
		mark.Do(testasterisk.Call(mark, "x", number))
		log, _, _ := strings.Cut(a.AwaitLog("messages.log", "extension '"+number)[messages:], "extension '"+number)
		return log[:strings.LastIndex(log, "\n")+1] + a.Log("security.log")[security:]
	}
	for _, deed := range []testasterisk.Deed{
		{Name: "REGISTER", Do: func(c *testsip.Client) { c.Do(c.Request("REGISTER", "9999")) }},
		{Name: "a wrong number", Do: func(c *testsip.Client) { c.Do(testasterisk.Call(c, "x", "999")) }},
	} {
		log := anonymously(a, func() { deed.Do(stranger) })
		if got := who(t, log); !slices.Equal(got, []string{"127.0.0.2"}) {
			t.Errorf("%s: found %q in\n%s", deed.Name, got, log)
		}
	}
	var broken strings.Builder
	for i, text := range forgeries(t) {
		log := anonymously(a, func() {
			stranger.Do(testasterisk.Call(stranger, "x", strings.ReplaceAll(url.QueryEscape("\n"+text), "+", "%20")))
		})
		if room := text[:min(len(text), maxNumber-1)]; i == 0 && !strings.Contains(log, "\n"+room) {
			t.Errorf("no line begins with %q:\n%s", room, log)
		}
		broken.WriteString(log)
	}
	if got := who(t, broken.String()); slices.ContainsFunc(got, func(a string) bool { return a != "127.0.0.2" }) {
		t.Errorf("found %q in\n%s", got, &broken)
	}
}
