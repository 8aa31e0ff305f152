package siege_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testshare"
)

// registration is a part of pjsip.conf: Asterisk registers at a provider, until it succeeds.
const registration = `
[provider]
type = registration
server_uri = sip:%[1]s
client_uri = sip:me@%[1]s
outbound_auth = provider
retry_interval = 2
max_retries = 10000
[provider]
type = auth
auth_type = userpass
username = me
password = ` + password + "\n"

// TestTrunk: the provider at which Asterisk is registered is neither blocked by a list nor banned, and base
// rules do not limit it. Whoever has the password of a phone is no trunk, whatever it says of itself.
func TestTrunk(t *testing.T) {
	type row struct {
		family *family
		prefix netip.Prefix
		uri    string
	}
	for _, c := range testshare.Every(t, 2, []row{
		{ipv4, netip.MustParsePrefix("45.9.9.9/24"), "45.9.9.9"},
		{ipv6, netip.MustParsePrefix("2a00:9:9::9/64"), "[2a00:9:9::9]"},
	}) {
		t.Run(c.family.name, func(t *testing.T) {
			testTrunk(lay(t, layout{family: c.family, phones: 1, firewall: "  base: true\n", pjsip: fmt.Sprintf(registration, c.uri)}), c.prefix)
		})
	}
}

func testTrunk(s *siege, network netip.Prefix) {
	provider, phone := network.Addr(), s.family.phone.Addr()
	s.sh("voipbl firewall apply --confirm 0")
	far := s.star.Join(network)
	far.Do(func() {
		testasterisk.Start(s, map[string]string{"pjsip.conf": testasterisk.Transports + testasterisk.Phone("me", password, 1), "extensions.conf": testasterisk.Extensions})
	})
	trunk := provider.String() + " as me\n"
	s.eventually("the trunk is known", func() bool { return s.trunks() == trunk })
	s.eventually("base rules do not limit the trunk", func() bool { return s.in("voip_known", provider) })

	own := s.on(s.phone, phone, 5070)
	s.registered(own)
	r := own.Request("REGISTER", "7000")
	r.Headers = append(r.Headers, "Path: <sip:9.9.9.9;lr>", "Service-Route: <sip:9.9.9.9;lr>", "Contact: <sip:7000@9.9.9.9>")
	own.DoAs(r, "7000", password)
	own.DoAs(testasterisk.Call(own, "7000", "200"), "7000", password)
	own.Do(testasterisk.Broken(own, "%0d%0a%0d%0aEvent%3a%20Registry"))
	s.eventually("the phone is known", func() bool { return len(s.phones()) == 1 })

	listed := s.attacker().Local().Addr()
	s.write("lists/list", fmt.Sprintf("4.9.9.9\n%s\n%s\n", network.Masked(), listed))
	s.eventually("the list is in force", func() bool { return s.in("voip_bl", listed) && s.in("voip_bl", provider.Next()) })
	if s.in("voip_bl", provider) {
		s.Error("a list blocks the trunk")
	}
	if out := s.sh("voipbl check " + provider.String() + " || true"); !strings.Contains(out, "exempt as "+provider.String()+": the PBX is registered there as me") {
		s.Errorf("check: %s", out)
	}

	// A provider from which somebody guesses passwords, as its other customers may.
	wrong := s.on(far, provider, 5070)
	for range 60 {
		wrong.Register("7000", "wrong") // it is answered
	}
	s.guesses(s.attacker(), time.Second/50).banned() // who does the same meanwhile
	if s.banned(provider) {
		s.Error("the trunk is banned")
	}

	// The watcher begins anew, and so does Asterisk: nothing of that makes others trunks.
	before := s.known().Trunks[0].Last
	s.must(s.watcher.Process.Kill())
	_, _ = s.watcher.Process.Wait()
	s.asterisk.Stop()
	s.asterisk.Restart()
	s.watch()
	s.registered(own)
	s.eventually("the new watcher has told of the trunk", func() bool {
		all := s.known().Trunks
		return len(all) > 0 && all[0].Last.After(before)
	})
	s.sh("voipbl ban " + phone.String())
	if !s.banned(phone) {
		s.Error("the phone cannot be banned")
	}
	if got := s.trunks(); got != trunk {
		s.Errorf("trunks: %q", got)
	}
	if out := s.sh("grep -rl '" + password + "' " + s.dir + " || true"); out != "" {
		s.Errorf("the registration's password is in %s", out)
	}
}

// trunks are those that voipbl knows, one a line.
func (s *siege) trunks() (all string) {
	s.Helper()
	for _, trunk := range s.known().Trunks {
		for _, a := range trunk.Addresses {
			all += a.String() + " as " + trunk.Account + "\n"
		}
	}
	return all
}
