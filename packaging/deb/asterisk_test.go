package deb_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testhost"
	"github.com/voipbl/voipbl/internal/testsip"
)

// TestAsterisk connects Asterisk 16 with the installed package on a booted Debian 11: phones are known,
// attackers are banned, by a service without rights; also after each part was restarted. Removed, nothing
// of it is left in Asterisk's files. (Asterisk 22 is in sid, whose systemd needs control groups of
// version 2, which not every machine has: internal/siege has that Asterisk.)
func TestAsterisk(t *testing.T) {
	p := &pbx{testhost.BootSuite(t, "bullseye", "asterisk"), t}
	p.copyDebs()
	p.wire()
	for name, text := range testasterisk.Files() {
		local := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(local, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p.CopyIn(local, "/etc/asterisk/"+name, 0o644)
	}
	p.sh("systemctl restart asterisk && asterisk -rx 'core waitfullybooted'")
	before := p.sh("cd /etc/asterisk && cat hep.conf && find . | sort")
	p.apt("install", deb(newer))
	p.awaitAgent()
	if got := p.unit("voipbl-pbx.service", "ActiveState"); got != "inactive" {
		t.Errorf("not connected, and the watcher is %s", got)
	}

	said := p.sh("voipbl pbx connect")
	if strings.Contains(said, "try:") {
		t.Errorf("connect: %s", said)
	}
	p.watched()
	if user := strings.TrimSpace(p.sh("ps -o user= -p $(systemctl show --value -p MainPID voipbl-pbx)")); user != "voipbl-pbx" {
		t.Errorf("the watcher runs as %s", user)
	}
	if caps := p.sh("grep -E '^Cap(Prm|Bnd)' /proc/$(systemctl show --value -p MainPID voipbl-pbx)/status"); strings.Count(caps, "0000000000000400\n") != 2 {
		t.Errorf("the watcher may do more than open low ports:\n%s", caps)
	}
	friend, guesser := p.client(phone+":5070"), 0
	attack := func() {
		guesser++
		from := netip.AddrFrom4([4]byte{5, 6, 0, byte(100 + guesser)})
		p.sh("ip -n outside addr add " + from.String() + "/24 dev out")
		c := p.client(netip.AddrPortFrom(from, 5060).String())
		for range 3 { // it may be out before the third
			r := c.Request("REGISTER", "6002")
			c.Send(r.Text())
			if a, err := c.AnswerIn(r.CallID, testsip.AnswerLimit/10); err == nil {
				c.Send(r.Authorized(a, "6002", "wrong").Text())
			}
		}
		p.eventually(from.String()+" is banned", func() bool { return p.succeeds("ipset", "-q", "test", "voip_ban", from.String()) })
	}
	attack()
	if a := friend.Register("6001", testasterisk.Password); a.Status != 200 {
		t.Errorf("the phone is answered %d", a.Status)
	}
	p.eventually("the phone is known", func() bool { return strings.Contains(p.sh("voipbl phones"), phone+" ") })

	p.sh("systemctl restart asterisk && asterisk -rx 'core waitfullybooted'")
	attack()
	p.sh("kill -9 $(systemctl show --value -p MainPID voipbl-pbx)")
	p.watched()
	attack()
	p.sh("kill -9 $(systemctl show --value -p MainPID voipbl)")
	p.awaitAgent()
	p.watched()
	attack()
	p.Reboot()
	p.wire()
	p.watched()
	p.sh("asterisk -rx 'core waitfullybooted'")
	attack()
	if !strings.Contains(p.sh("voipbl phones"), phone+" ") {
		t.Error("the phone is not known after a boot")
	}
	if denied := p.sh("journalctl --no-pager --boot -u voipbl-pbx -u voipbl | grep -iE 'denied|not permitted|panic' || true"); denied != "" {
		t.Errorf("the journal has\n%s", denied)
	}

	p.apt("remove", "voipbl")
	if after := p.sh("cd /etc/asterisk && cat hep.conf && find . | sort"); after != before {
		t.Errorf("Asterisk's files are\n%s\nand were\n%s", after, before)
	}
	if state := p.unit("voipbl-pbx.service", "ActiveState") + " " + p.unit("voipbl-pbx.service", "LoadState"); state != "inactive not-found" {
		t.Errorf("removed, and the watcher is %s", state)
	}
	p.noTrace()
}

// client makes a SIP client outside of the host.
func (p *pbx) client(from string) (c *testsip.Client) {
	p.t.Helper()
	p.InNetwork("/run/netns/outside", func() {
		c = testsip.MustDial(p.t, "udp", netip.MustParseAddrPort(from), netip.MustParseAddrPort(hostAddr+":5060"))
	})
	return c
}

// awaitAgent waits until the agent answers.
func (p *pbx) awaitAgent() {
	p.t.Helper()
	p.eventually("the agent runs", func() bool { return strings.Contains(p.status(), `"pid"`) })
}

func (p *pbx) status() string {
	p.t.Helper()
	out, _ := p.Run("voipbl", "status", "--json")
	return out
}

// watched waits until the PBX is watched by both ways, and the status has nothing to say of it.
func (p *pbx) watched() {
	p.t.Helper()
	p.eventually("the PBX is watched", func() bool {
		var s struct {
			PBX   []any `json:"pbx_problems"`
			Agent struct {
				PBX *struct {
					Health struct {
						HEP struct{ Error string }
					}
				}
			}
		}
		return json.Unmarshal([]byte(p.status()), &s) == nil && s.Agent.PBX != nil && s.Agent.PBX.Health.HEP.Error == "" && len(s.PBX) == 0
	})
}
