package deb_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestInstall follows the package through its life on one host: it is installed, boots with and
// without a list's server, is upgraded under attack, disabled, removed, and purged.
func TestInstall(t *testing.T) {
	t.Parallel()
	p := boot(t, "python3", "fail2ban", "openssh-server", "openssh-client", "libpam-systemd", "ufw")
	p.copyDebs()
	p.wire()
	files := p.files()

	p.apt("install", deb(older))
	t.Run("installed", p.installed)
	t.Run("limits", p.limits)
	t.Run("fail2ban that does not start", p.fail2banDown)
	t.Run("boot", p.bootWithoutNetwork)
	t.Run("sessions", p.sessions)
	t.Run("fail2ban", p.besideFail2ban)
	t.Run("legacy", p.legacy)
	t.Run("ufw", p.besideUFW)
	t.Run("upgrade", p.upgrade)
	t.Run("disabled", p.disabled)
	t.Run("removed", p.removed)

	// The last good configuration is in force again, despite the mistake in the file.
	p.sh("echo 'alow: [9.9.9.9]' >>/etc/voipbl/voipbl.yaml")
	p.apt("install", deb(newer))
	p.awaitProtected("5.5.5.5")
	// Then the sets get other names, which other programs' files name too.
	p.sh("sed -i '/^alow:/d; s/^set: .*/set: pbx_bl/' /etc/voipbl/voipbl.yaml && voipbl reload")
	p.eventually("the sets have their new names", func() bool {
		names := p.Must("ipset", "list", "-name")
		return strings.Contains(names, "pbx_ban6\n") && !strings.Contains(names, "voip_")
	})
	p.sh("mkdir -p /etc/iptables && echo '-A INPUT -m set --match-set pbx_ban6 src -j LOG' >/etc/iptables/rules.v6")
	// An admin who removes the package does not mend its configuration first.
	p.sh("echo 'sets: [' >>/etc/voipbl/voipbl.yaml; rm /etc/fail2ban/jail.d/voipbl.local; systemctl restart fail2ban")
	if said := p.apt("purge", "voipbl"); strings.Count(said, "voipbl: /etc/iptables/rules.v6 line 1 ") < 2 { // before and after the files go
		t.Errorf("apt purge does not name the saved rules:\n%s", said)
	}
	p.noTrace()
	if now := p.files(); now != files {
		t.Errorf("purged, and there is\n%s", now)
	}
	if left := p.sh("dpkg-query -W -f '${Package} ${Status}\n' | grep voipbl || true; grep -rs voipbl /var/lib/systemd /etc/systemd || true"); left != "" {
		t.Errorf("purged, and it is still known:\n%s", left)
	}
}

// files returns the host's files with voipbl's name, except the test's own and logs.
func (p *pbx) files() string {
	p.t.Helper()
	return p.sh("find / -xdev -iname '*voipbl*' -not -path '/root/*' -not -path '/proc/*' -not -path '/var/log/*'; find /run -iname '*voipbl*'")
}

// removed: all of voipbl's is out of the kernel, and all of others' is as it was.
func (p *pbx) removed(t *testing.T) {
	p = p.as(t)
	p.sh(`iptables -A INPUT -p tcp --dport 2222 -j ACCEPT
ip6tables -I INPUT -p tcp --dport 2222 -j ACCEPT
iptables -N theirs; iptables -A theirs -s 5.6.0.9 -j DROP; iptables -I INPUT 2 -j theirs
ipset create theirs hash:ip; ipset add theirs 5.6.0.9
iptables-legacy -A INPUT -p tcp --dport 2223 -j ACCEPT`)
	p.eventually("our rule is the first again", func() bool {
		return strings.HasPrefix(p.sh("ip6tables-save 2>/dev/null | grep -m1 -- '-A INPUT'"), drop6)
	})
	others := func() string {
		return p.sh("for save in iptables-nft-save ip6tables-nft-save iptables-legacy-save; do $save 2>/dev/null | grep -v '^[#:]' | grep -v voip; done; ipset save theirs")
	}
	before := others()
	if strings.Count(before, "2222") != 2 || !strings.Contains(before, "-A theirs -s 5.6.0.9/32 -j DROP") {
		t.Fatalf("others have\n%s", before)
	}
	// If services must not be stopped, the package is not removed while the agent runs.
	p.sh("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d")
	if out, code := p.Run("apt-get", "--yes", "remove", "voipbl"); code == 0 || !strings.Contains(out, "the agent still runs") {
		t.Errorf("removed under a running agent, with code %d:\n%s", code, out)
	}
	p.protected("7.7.7.7")
	p.Must("rm", "/usr/sbin/policy-rc.d")

	// The sets that the host has are removed, not those that the file has named since.
	p.sh("systemctl stop voipbl && printf 'set: pbx_bl\nban_set: pbx_ban\n' >>/etc/voipbl/voipbl.yaml && sed -i '/^set: voip_bl/d; /^ban_set: voip_ban/d' /etc/voipbl/voipbl.yaml && voipbl config check")
	p.apt("remove", "voipbl")
	p.noTrace()
	if after := others(); after != before {
		t.Errorf("others had\n%s\nand have\n%s", before, after)
	}
	if !p.succeeds("test", "-e", "/etc/voipbl/voipbl.yaml") || p.succeeds("test", "-e", "/usr/sbin/voipbl") {
		t.Error("the configuration has gone, or the program has not")
	}
	for _, unit := range []string{"voipbl.service", "voipbl-sets.service"} {
		if state := p.unit(unit, "ActiveState") + " " + p.unit(unit, "LoadState"); state != "inactive not-found" {
			t.Errorf("%s is %s", unit, state)
		}
	}
}

// as returns p for a subtest.
func (p *pbx) as(t *testing.T) *pbx { return &pbx{p.Host, t} }

// installed: enabled, started, the list in force, base rules off.
func (p *pbx) installed(t *testing.T) {
	p = p.as(t)
	for _, unit := range []string{"voipbl.service", "voipbl-sets.service"} {
		if state := p.unit(unit, "ActiveState") + " " + p.unit(unit, "UnitFileState"); state != "active enabled" {
			t.Errorf("%s is %s", unit, state)
		}
	}
	p.sh("iptables -A INPUT -p tcp --dport 2222 -j ACCEPT; ipset create mine hash:ip; ipset add mine 5.6.0.9")
	p.sh("printf '5.5.5.5\\n" + attacker + "\\n' >/etc/voipbl/blocklist.d/mine")
	p.awaitProtected("5.5.5.5")
	if rules := p.Must("iptables-save"); strings.Contains(rules, "VOIPBL-INPUT") {
		t.Errorf("base rules are in force:\n%s", rules)
	}
	if left := p.sh("iptables-save; ipset save mine"); strings.Count(left, "--dport 2222 -j ACCEPT") != 1 || !strings.Contains(left, "add mine 5.6.0.9") {
		t.Errorf("what others have is not as it was:\n%s", left)
	}
	// There are pages for the program and its commands, and completions.
	for _, name := range []string{"/usr/share/man/man8/voipbl.8.gz", "/usr/share/man/man8/voipbl-sync.8.gz", "/usr/share/man/man5/voipbl.yaml.5.gz"} {
		p.Must("gzip", "--test", name)
	}
	p.Must("bash", "-c", "source /usr/share/bash-completion/completions/voipbl")
	if version := p.Must("voipbl", "--version"); !strings.Contains(version, older) {
		t.Errorf("it is %s", version)
	}
}

// limits: the unit's limits of memory, files and tasks apply to the agent, which needs far less.
func (p *pbx) limits(t *testing.T) {
	p = p.as(t)
	for property, want := range map[string]string{"OOMScoreAdjust": "200", "LimitNOFILE": "4096", "LimitNOFILESoft": "4096", "TasksMax": "256"} {
		if got := p.unit("voipbl.service", property); got != want {
			t.Errorf("%s is %s, not %s", property, got, want)
		}
	}
	proc := "/proc/" + p.unit("voipbl.service", "MainPID")
	if score := strings.TrimSpace(p.Must("cat", proc+"/oom_score_adj")); score != "200" {
		t.Errorf("memory that runs out is taken from it at %s, not at 200", score)
	}
	if files := strings.Fields(p.sh("grep '^Max open files' " + proc + "/limits")); len(files) < 5 || files[3] != "4096" || files[4] != "4096" {
		t.Errorf("its limit of open files is %q", files)
	}
	// A quarter of each while many clients ask and rules are repaired.
	p.sh("iptables -F INPUT; for i in $(seq 32); do voipbl status >/dev/null & done; wait")
	p.awaitProtected("5.5.5.5")
	used := strings.Fields(p.sh("ls " + proc + "/fd | wc -l; ls " + proc + "/task | wc -l"))
	for i, limit := range []int{4096, 256} {
		if n, err := strconv.Atoi(used[i]); err != nil || n > limit/4 {
			t.Errorf("it uses %s of %d: files, tasks are %q", used[i], limit, used)
		}
	}
}

// bootWithoutNetwork has a list whose server is missing at the next boot.
func (p *pbx) bootWithoutNetwork(t *testing.T) {
	p = p.as(t)
	serve := filepath.Join(t.TempDir(), "serve")
	build := exec.Command("go", "build", "-trimpath", "-o", serve, "./internal/testserve")
	build.Dir, build.Env = "../..", append(build.Environ(), "CGO_ENABLED=0") // as for the package, so that nothing is compiled twice
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.CopyIn(serve, "/root/serve", 0o755)
	p.sh("mkdir -p /root/www && echo 7.7.7.7 >/root/www/list")
	_, stop := p.start("/root/serve", "127.0.0.1:8080", "/root/www")
	p.sh(`cat >>/etc/voipbl/voipbl.yaml <<'E'
# An admin's own line.
E
sed -i 's|url: .*|url: http://127.0.0.1:8080/list|; s|insecure: false|insecure: true|; s|min_entries: 1000|min_entries: 1|' /etc/voipbl/voipbl.yaml`)
	p.Must("voipbl", "reload")
	p.awaitProtected("7.7.7.7")
	stop()

	p.Reboot()
	p.protected("7.7.7.7")
	p.protected("5.5.5.5")
	p.inOrder("local-fs.target", "voipbl-sets.service", "ufw.service", "voipbl.service", "network-pre.target")
	p.inOrder("voipbl.service", "fail2ban.service")
	if complaints := p.sh("journalctl --no-pager --boot --unit voipbl-sets.service --unit voipbl.service | grep -iE 'denied|not permitted|read-only|failed to' || true"); complaints != "" {
		t.Errorf("the units complain:\n%s", complaints)
	}
	p.wire()
}

// sessions: the agent, which may not look into other processes, cuts off nobody who is logged
// in.
func (p *pbx) sessions(t *testing.T) {
	p = p.as(t)
	p.sh(`set -e
mkdir -p /root/.ssh /run/sshd
ssh-keygen -q -t ed25519 -N '' -f /root/key
cp /root/key.pub /root/.ssh/authorized_keys
systemctl start ssh`)
	_, stop := p.start("ip", "netns", "exec", "outside", "ssh", "-i", "/root/key", "-b", phone, "-o", "StrictHostKeyChecking=no", "root@"+hostAddr, "echo in; exec sleep 200")
	p.sh("echo 5.6.0.64/26 >>/etc/voipbl/blocklist.d/mine")
	p.awaitProtected(attacker)
	p.eventually("the new line is in force", func() bool { return p.succeeds("ipset", "-q", "test", "voip_bl", "5.6.0.99") })
	if p.succeeds("ipset", "-q", "test", "voip_bl", phone) {
		t.Errorf("%s is logged in, and blocked:\n%s", phone, p.sh("voipbl check "+phone+" || true; ls -l /run/systemd/sessions; cat /run/systemd/sessions/*[0-9]"))
	}
	stop()
	p.sh("sed -i '/5.6.0.64/d' /etc/voipbl/blocklist.d/mine")
	p.eventually("the line is no longer in force", func() bool { return !p.succeeds("ipset", "-q", "test", "voip_bl", "5.6.0.99") })
}

// fail2banDown: Debian's own jail needs a log file that a host with only a journal does not have, so
// fail2ban exits. doctor says so, and its remedy, run as printed, repairs it.
func (p *pbx) fail2banDown(t *testing.T) {
	p = p.as(t)
	p.eventually("fail2ban has failed", func() bool { return p.unit("fail2ban", "ActiveState") == "failed" })
	doctor := func() string { return p.sh("voipbl doctor || true") }
	_, said, found := strings.Cut(doctor(), "code: fail2ban-down\n")
	_, remedy, named := strings.Cut(said, "try:")
	remedy, _, _ = strings.Cut(remedy, "\n")
	remedy, _, _ = strings.Cut(remedy, " (")
	if !found || !named {
		t.Fatalf("doctor says nothing of fail2ban:\n%s", doctor())
	}
	p.sh(remedy)
	p.eventually("fail2ban answers", func() bool { return p.succeeds("fail2ban-client", "ping") })
	if after := doctor(); strings.Contains(after, "fail2ban-down") {
		t.Errorf("after %s\n%s", remedy, after)
	}
}

// besideFail2ban turns a jail on: attackers are banned, also within the limits of fail2ban's own
// unit, and after a boot.
func (p *pbx) besideFail2ban(t *testing.T) {
	p = p.as(t)
	p.sh(`mkdir -p /var/log/asterisk; : >/var/log/asterisk/messages
printf '[voipbl-asterisk]\nenabled = true\n' >/etc/fail2ban/jail.d/voipbl.local
fail2ban-client --test && systemctl restart fail2ban`)
	p.eventually("the jail is there", func() bool { return p.succeeds("fail2ban-client", "status", "voipbl-asterisk") })
	p.sh(`for i in $(seq 15); do
	echo "[$(date '+%F %T')] NOTICE[123] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:100@5.6.0.1>' failed for '5.6.0.55:5060' (callid: $i@x) - Failed to authenticate"
done >>/var/log/asterisk/messages`)
	banned := func() bool {
		return p.succeeds("ipset", "-q", "test", "own-voipbl-asterisk", "5.6.0.55") && strings.Contains(p.Must("iptables-save"), "--match-set own-voipbl-asterisk src -m comment")
	}
	p.eventually("the attacker is banned", banned)
	p.protected("7.7.7.7")
	p.Reboot()
	p.eventually("the attacker is banned after a boot", banned)
	p.protected("7.7.7.7")
	p.sh("fail2ban-client unban 5.6.0.55")
	if banned() {
		t.Error("taken back, and still banned")
	}
	// The jail stays for what follows.
}

// legacy: the other backend of iptables works with the unit's rights, and from boot.
func (p *pbx) legacy(t *testing.T) {
	p = p.as(t)
	use := func(backend string) {
		p.Must("update-alternatives", "--set", "iptables", "/usr/sbin/iptables-"+backend)
		p.Must("update-alternatives", "--set", "ip6tables", "/usr/sbin/ip6tables-"+backend)
		p.Reboot()
	}
	use("legacy")
	p.protected("7.7.7.7")
	p.inOrder("voipbl-sets.service", "ufw.service", "voipbl.service", "network-pre.target")
	if !strings.Contains(p.Must("iptables-legacy-save"), drop) || strings.Contains(p.Must("iptables-nft-save"), drop) {
		t.Error("the rules are not in the legacy tables, or in both")
	}
	p.sh("iptables -F INPUT")
	p.awaitProtected("7.7.7.7")
	p.apt("install", deb(newer))
	p.protected("7.7.7.7")
	p.apt("remove", "voipbl")
	p.noTrace()
	p.apt("install", deb(older))
	p.awaitProtected("7.7.7.7")
	use("nft")
	p.protected("7.7.7.7")
}

// besideUFW boots with ufw enabled: its rules and voipbl's are both in force.
func (p *pbx) besideUFW(t *testing.T) {
	p = p.as(t)
	p.sh("ufw allow 22/tcp && ufw --force enable")
	p.Reboot()
	p.protected("7.7.7.7")
	p.inOrder("voipbl-sets.service", "ufw.service", "voipbl.service", "network-pre.target")
	if rules := p.Must("iptables-save"); !strings.Contains(rules, "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT") || !strings.Contains(rules, ":INPUT DROP") {
		t.Errorf("ufw's rules are not in force:\n%s", rules)
	}
	// It stays for what follows.
	p.wire()
	p.sh("ufw allow 5060/udp")
}

// upgrade: meanwhile no packet of a blocked source gets through, and an admin's changes of the
// configuration stay.
func (p *pbx) upgrade(t *testing.T) {
	p = p.as(t)
	p.CopyIn("testdata/packets.py", "/root/packets.py", 0o755)
	p.protected(attacker)
	p.sh("rm -f /root/stop /root/counts /root/fired")
	p.start("/root/packets.py", "serve", "5060", "/root/counts")
	firing, _ := p.start("sh", "-c", "ip netns exec outside /root/packets.py fire "+hostAddr+" 5060 /root/stop "+attacker+" "+phone+" | tee /root/fired")
	agent := p.unit("voipbl.service", "MainPID")

	p.apt("install", deb(newer))
	p.apt("install", deb(older))
	p.apt("install", deb(newer))

	p.Must("touch", "/root/stop")
	if err := firing.Wait(); err != nil {
		t.Error("the sources:", err)
	}
	p.sh("pkill -TERM -f '[p]ackets.py serve'")
	p.eventually("the server has counted", func() bool { return p.succeeds("test", "-s", "/root/counts") })
	counts, fired := p.Must("cat", "/root/counts"), p.Must("cat", "/root/fired")
	t.Logf("sent, answered:\n%sreceived:\n%s", fired, counts)
	if strings.Contains(counts, attacker) || !strings.Contains(counts, phone) {
		t.Errorf("the host has received:\n%s", counts)
	}
	sent := map[string][]string{}
	for line := range strings.Lines(fired) {
		if words := strings.Fields(line); len(words) == 3 {
			sent[words[0]] = words[1:]
		}
	}
	if s := sent[attacker]; len(s) != 2 || len(s[0]) < 4 || s[1] != "0" {
		t.Errorf("the attacker has sent %v", s)
	}
	if s := sent[phone]; len(s) != 2 || s[0] != s[1] {
		t.Errorf("of a clean source: sent, answered: %v", s)
	}
	if now := p.unit("voipbl.service", "MainPID"); now == agent || now == "0" {
		t.Errorf("the agent is process %s, as before", now)
	}
	if text := p.Must("cat", "/etc/voipbl/voipbl.yaml"); !strings.Contains(text, "# An admin's own line.") {
		t.Error("the admin's configuration is gone")
	}

	p.protected("7.7.7.7")

	// If the new version does not accept the file, the agent keeps the old configuration.
	p.sh("cp /etc/voipbl/voipbl.yaml /root/good.yaml; echo 'sets: x' >>/etc/voipbl/voipbl.yaml")
	agent = p.unit("voipbl.service", "MainPID")
	if said := p.apt("install", deb(older)); !strings.Contains(said, "was not restarted") || !strings.Contains(said, "sets") {
		t.Errorf("an upgrade beside a broken configuration says:\n%s", said)
	}
	if now := p.unit("voipbl.service", "MainPID"); now != agent {
		t.Error("the agent was restarted with a configuration that it does not take")
	}
	p.sh("cp /root/good.yaml /etc/voipbl/voipbl.yaml")
}

// disabled: an admin's "disable" and "stop" survive upgrades, and a boot.
func (p *pbx) disabled(t *testing.T) {
	p = p.as(t)
	p.sh("systemctl disable --now voipbl.service")
	p.protected("7.7.7.7") // what is in force stays
	p.apt("install", deb(newer))
	if state := p.unit("voipbl.service", "ActiveState") + " " + p.unit("voipbl.service", "UnitFileState"); state != "inactive disabled" {
		t.Errorf("disabled and stopped, and after an upgrade it is %s", state)
	}
	p.Reboot()
	if rules := p.Must("iptables-save"); strings.Contains(rules, drop) {
		t.Errorf("disabled, and after a boot there is\n%s", rules)
	}
	p.sh("systemctl enable --now voipbl.service")
	p.awaitProtected("7.7.7.7")
}
