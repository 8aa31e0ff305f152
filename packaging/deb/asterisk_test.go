package deb_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testhost"
	"github.com/voipbl/voipbl/internal/testsip"
	"github.com/voipbl/voipbl/pbx/link"
)

// astStart mounts what Asterisk needs: its root, with the host's /etc/asterisk and /run/asterisk.
const astStart = `#!/bin/sh
set -e
mountpoint -q /run/ast/root && exit 0
mkdir -p /run/ast/up /run/ast/work /run/ast/root /run/asterisk
mount -t overlay overlay -o lowerdir=/srv/asterisk,upperdir=/run/ast/up,workdir=/run/ast/work /run/ast/root
mkdir -p /run/ast/root/run/asterisk
mount --bind /proc /run/ast/root/proc
mount --bind /dev /run/ast/root/dev
mount --bind /etc/asterisk /run/ast/root/etc/asterisk
mount --bind /run/asterisk /run/ast/root/run/asterisk
chroot /run/ast/root chown -R asterisk:asterisk /run/asterisk /var/lib/asterisk /var/log/asterisk /var/spool/asterisk
`

// astUnit runs it as a service of the host.
const astUnit = `[Service]
ExecStartPre=/root/ast-start
ExecStart=/usr/sbin/asterisk -f -n -U asterisk -G asterisk
Restart=always
[Install]
WantedBy=multi-user.target
`

// astFiles prints Asterisk's files: their rights, owners and contents.
const astFiles = `cd /etc/asterisk && find . -printf '%p %m %U %G %l\n' | sort && find . -type f -exec sha256sum {} + | sort`

// addAsterisk gives a Debian 12 host the Asterisk of a newer one. Debian 12 has none, and the systemd of
// the newer one does not boot on every kernel.
func (p *pbx) addAsterisk() {
	p.t.Helper()
	p.sh("cp -a /srv/asterisk/etc/asterisk /etc/asterisk")
	for name, text := range testasterisk.Files() {
		p.put("/etc/asterisk/"+name, text)
	}
	p.put("/root/ast-start", astStart)
	p.put("/etc/systemd/system/asterisk.service", astUnit)
	p.put("/usr/sbin/asterisk", "#!/bin/sh\nexec chroot /run/ast/root /usr/sbin/asterisk \"$@\"\n")
	p.sh("chmod +x /root/ast-start /usr/sbin/asterisk && systemctl daemon-reload && systemctl enable --now asterisk")
	p.awaitAsterisk()
}

func (p *pbx) awaitAsterisk() {
	p.t.Helper()
	p.eventually("Asterisk has booted", func() bool { return p.succeeds("asterisk", "-rx", "core waitfullybooted") })
}

// put writes a file on the host.
func (p *pbx) put(name, text string) {
	p.t.Helper()
	local := filepath.Join(p.t.TempDir(), filepath.Base(name))
	if err := os.WriteFile(local, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.CopyIn(local, name, 0o644)
}

// TestAsterisk connects a real Asterisk with the installed package on a booted host: phones are known,
// attackers are banned, by a service without rights; also after each part was restarted. Removed, nothing
// of it is left in Asterisk's files.
func TestAsterisk(t *testing.T) {
	t.Parallel()
	p := &pbx{testhost.BootBeside(t, testasterisk.Root(t), "/srv/asterisk"), t}
	p.copyDebs()
	p.wire()
	p.addAsterisk()
	p.sh("cd /etc/asterisk && chown root:root hep.conf && chmod 644 hep.conf") // as "make samples" has it
	before := p.sh(astFiles)
	p.apt("install", deb(newer))
	p.awaitAgent()
	if got := p.unit("voipbl-pbx.service", "ActiveState"); got != "inactive" {
		t.Errorf("not connected, and the watcher is %s", got)
	}

	said := p.sh("voipbl pbx connect")
	if strings.Contains(said, "try:") || !strings.Contains(said, "found, runs as ") || strings.Contains(said, "runs as root") {
		t.Errorf("connect: %s", said)
	}
	if p.succeeds("grep", "-q", `^  hep: "127`, "/etc/voipbl/voipbl.yaml") {
		t.Error("copies are made without a word of them")
	}
	p.watched()
	alone := time.Now()
	if said := p.sh("voipbl pbx connect --copies"); strings.Contains(said, "try:") {
		t.Errorf("connect --copies: %s", said)
	}
	p.watchedSince(alone)
	if user := strings.TrimSpace(p.sh("stat -c %U /proc/$(systemctl show --value -p MainPID voipbl-pbx)")); user != "voipbl-pbx" {
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

	p.sh("systemctl restart asterisk")
	p.awaitAsterisk()
	attack()
	p.ceases(friend)
	killed := time.Now()
	p.sh("kill -9 $(systemctl show --value -p MainPID voipbl-pbx)")
	p.watchedSince(killed)
	attack()
	p.sh("kill -9 $(systemctl show --value -p MainPID voipbl)")
	p.awaitAgent()
	p.watched()
	attack()
	rebooted := time.Now()
	p.Reboot()
	p.wire()
	p.watchedSince(rebooted)
	p.awaitAsterisk()
	attack()
	if !strings.Contains(p.sh("voipbl phones"), phone+" ") {
		t.Error("the phone is not known after a boot")
	}
	if denied := p.sh("journalctl --no-pager --boot -u voipbl-pbx -u voipbl | grep -iE 'denied|not permitted|panic' || true"); denied != "" {
		t.Errorf("the journal has\n%s", denied)
	}

	p.apt("remove", "voipbl")
	if after := p.sh(astFiles); after != before {
		t.Errorf("Asterisk's files are\n%s\nand were\n%s", after, before)
	}
	if state := p.unit("voipbl-pbx.service", "ActiveState") + " " + p.unit("voipbl-pbx.service", "LoadState"); state != "inactive not-found" {
		t.Errorf("removed, and the watcher is %s", state)
	}
	p.noTrace()
}

// ceases has Asterisk copy its SIP messages no more. doctor says so at once, status as soon as a phone has
// done something, and what they say ends it.
func (p *pbx) ceases(friend *testsip.Client) {
	p.t.Helper()
	p.sh("sed -i 's/^enabled = yes/enabled = no/' /etc/asterisk/hep.conf && systemctl restart asterisk")
	p.awaitAsterisk()
	if said, _ := p.Run("voipbl", "doctor"); !strings.Contains(said, "hep.conf is not as \"voipbl pbx connect\" writes it") {
		p.t.Errorf("copies have ceased, and doctor says\n%s", said)
	}
	p.eventually("status says that copies have ceased", func() bool {
		friend.Register("6001", testasterisk.Password)
		return strings.Contains(p.status(), "Asterisk no longer copies its SIP messages")
	})
	mended := time.Now()
	p.sh("voipbl pbx connect --copies")
	p.watchedSince(mended)
	p.eventually("copies come again", func() bool {
		friend.Register("6001", testasterisk.Password)
		h, problems := p.health()
		return h != nil && problems == 0 && h.HEP.Packets > 0
	})
	if said, _ := p.Run("voipbl", "doctor"); strings.Contains(said, "pbx connect") {
		p.t.Errorf("connected again, and doctor says\n%s", said)
	}
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
func (p *pbx) watched() { p.t.Helper(); p.watchedSince(time.Time{}) }

// watchedSince is watched for a watcher that was started later.
func (p *pbx) watchedSince(then time.Time) {
	p.t.Helper()
	p.eventually("the PBX is watched", func() bool {
		h, problems := p.health()
		return h != nil && problems == 0 && h.Since.After(then) && (h.HEP == nil || h.HEP.Error == "") && h.AMI != nil && !h.AMI.Connected.IsZero()
	})
}

// health is how the watcher is, nil if it has not said so, and how many problems status has with it.
func (p *pbx) health() (h *link.Health, problems int) {
	p.t.Helper()
	var s struct {
		PBX   []any `json:"pbx_problems"`
		Agent struct{ PBX *link.Reported }
	}
	if json.Unmarshal([]byte(p.status()), &s) != nil || s.Agent.PBX == nil {
		return nil, 0
	}
	return &s.Agent.PBX.Health, len(s.PBX)
}
