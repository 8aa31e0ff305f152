package deb_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testhost"
	"github.com/voipbl/voipbl/internal/testshare"
)

const (
	configFile = "/etc/voipbl/voipbl.yaml"
	reference  = "/usr/share/voipbl/voipbl.yaml"
)

// The package's last lines in apt's output, after an installation and after an upgrade.
const (
	saysStatus = `voipbl: "voipbl status" tells whether this host is protected.`
	saysSetup  = `voipbl: "voipbl setup" looks at this host, proposes a configuration, and asks.`
)

// TestConfiguration: the package leaves an admin's configuration alone, on each release of Debian
// and without a terminal. No upgrade asks, fails, loses a change or leaves another file beside
// it.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	for _, suite := range testshare.Every(t, 2, []string{testhost.Debian12, testhost.Debian13}) {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			p := bootSuite(t, suite)
			p.copyDebs()
			p.variants()
			t.Run("first installation", p.as(t).firstInstallation)
			t.Run("own file before it", p.as(t).ownFileBefore)
			t.Run("was a conffile", p.as(t).wasConffile)
			t.Run("was a conffile, edited", p.as(t).wasConffileEdited)
			t.Run("was a conffile, stuck", p.as(t).wasConffileStuck)
		})
	}
}

// variants makes two packages like 0.9.0-1, which had the configuration as a conffile, with different
// texts (/root/conffile.deb, /root/conffile2.deb), and one with another reference
// (/root/reference.deb).
func (p *pbx) variants() {
	p.t.Helper()
	p.sh(`set -e
variant() { # NAME VERSION: the package in /root/NAME becomes /root/NAME.deb
	sed -i "s/^Version: .*/Version: $2/" /root/$1/DEBIAN/control
	(cd /root/$1 && find etc usr -type f -exec md5sum {} + >DEBIAN/md5sums)
	dpkg-deb -Znone --build --root-owner-group /root/$1 /root/$1.deb >/dev/null
	rm -rf /root/$1
}
for name in conffile conffile2; do
	dpkg-deb --raw-extract ` + deb(older) + ` /root/$name
	mv /root/$name` + reference + ` /root/$name/etc/voipbl/voipbl.yaml
	echo "# The text of $name." >>/root/$name/etc/voipbl/voipbl.yaml
	echo ` + configFile + ` >>/root/$name/DEBIAN/conffiles
	sed -i /dpkg-dist/d /root/$name/DEBIAN/postinst # which that version did not know
done
variant conffile 0.9.0-0.1
variant conffile2 0.9.0-0.2
dpkg-deb --raw-extract ` + deb(newer) + ` /root/reference
echo "# New in this version." >>/root/reference` + reference + `
variant reference 0.9.0-3`)
}

// beside returns the files beside the configuration.
func (p *pbx) beside() string {
	p.t.Helper()
	return strings.Join(strings.Fields(p.sh("cd /etc/voipbl && find . -mindepth 1 | sort")), " ")
}

// settled fails unless the configuration has the text, no other file is beside it, and no package is
// half installed.
func (p *pbx) settled(text string) {
	p.t.Helper()
	if now := p.sh("cat " + configFile); now != text {
		p.t.Errorf("the configuration is\n%s", now)
	}
	if files := p.beside(); files != "./blocklist.d ./voipbl.yaml" {
		p.t.Errorf("in /etc/voipbl are %s", files)
	}
	if audit := p.Must("dpkg", "--audit"); audit != "" {
		p.t.Errorf("dpkg finds\n%s", audit)
	}
}

// edit changes the configuration as an admin would, and returns the whole text.
func (p *pbx) edit() string {
	p.t.Helper()
	p.sh("sed -i 's/^allow: .*/allow: [5.6.7.8]/' " + configFile)
	return p.sh("cat " + configFile)
}

// goesBy fails unless the program and the agent accept the configuration.
func (p *pbx) goesBy(what string) {
	p.t.Helper()
	if shown := p.Must("voipbl", "config", "show"); !strings.Contains(shown, what) {
		p.t.Errorf("the configuration lacks %q:\n%s", what, shown)
	}
	if state := p.unit("voipbl.service", "ActiveState"); state != "active" {
		p.t.Errorf("the agent is %s:\n%s", state, p.sh("systemctl status --no-pager voipbl || true"))
	}
}

// gone purges the package, so that nothing is left for the next one.
func (p *pbx) gone() {
	p.t.Helper()
	p.apt("purge", "voipbl")
	if p.succeeds("test", "-e", "/etc/voipbl") {
		p.t.Errorf("purged, and there is still %s", p.beside())
	}
}

// says fails unless the package's own output ends with these lines.
func says(t *testing.T, printed string, lines ...string) {
	t.Helper()
	var own []string
	for line := range strings.Lines(printed) {
		if strings.HasPrefix(line, "voipbl: ") {
			own = append(own, strings.TrimSpace(line))
		}
	}
	if len(own) < len(lines) || !slices.Equal(own[len(own)-len(lines):], lines) {
		t.Errorf("it ends with %q, and not with %q", own, lines)
	}
}

// firstInstallation: there is a commented file, which belongs to the admin from then on.
func (p *pbx) firstInstallation(t *testing.T) {
	p = p.as(t)
	says(t, p.apt("install", deb(older)), saysStatus, saysSetup)
	p.settled(p.sh("cat " + reference))
	if owner := p.sh("dpkg-query -S " + configFile + " 2>&1 || true"); !strings.Contains(owner, "no path found") {
		t.Errorf("the configuration is dpkg's: %s", owner)
	}
	p.goesBy("https://voipbl.org/update/")
	edited := p.edit()
	says(t, p.apt("install", deb(newer)), saysStatus)
	p.settled(edited)
	p.apt("install", "/root/reference.deb")
	p.settled(edited)
	p.goesBy("5.6.7.8")
	if !strings.Contains(p.sh("cat "+reference), "# New in this version.") {
		t.Error("the reference is not that of the new version")
	}
	// A mistake is reported with the place where every key is explained.
	p.sh("cp " + configFile + " /root/good.yaml && echo 'alow: []' >>" + configFile)
	if out, code := p.Run("voipbl", "config", "check"); code != 2 || !strings.Contains(out, reference) {
		t.Errorf("config check ends with %d:\n%s", code, out)
	}
	p.sh("mv /root/good.yaml " + configFile)
	// What an admin has removed does not come back; the defaults apply.
	p.sh("rm " + configFile)
	p.apt("install", "--reinstall", "/root/reference.deb")
	if p.succeeds("test", "-e", configFile) {
		t.Error("removed by an admin, and put back by an upgrade")
	}
	p.goesBy("https://voipbl.org/update/")
	p.gone()
}

// ownFileBefore: a file that provisioning has created before is kept and used.
func (p *pbx) ownFileBefore(t *testing.T) {
	p = p.as(t)
	const own = "feeds: [{name: mine, path: /etc/voipbl/blocklist.d}]\n"
	p.sh("mkdir -p /etc/voipbl/blocklist.d && echo 5.5.5.5 >/etc/voipbl/blocklist.d/mine && printf '" + own + "' >" + configFile + " && chmod 600 " + configFile)
	p.apt("install", deb(newer))
	if now := p.sh("stat -c %a " + configFile + "; cat " + configFile); now != "600\n"+own {
		t.Errorf("the configuration is\n%s", now)
	}
	p.awaitProtected("5.5.5.5")
	p.gone()
	// A mistake in it keeps the agent from starting; the output says so in plain words.
	p.sh("mkdir -p /etc/voipbl && echo 'alow: []' >" + configFile)
	printed := p.apt("install", deb(newer))
	says(t, printed, `voipbl: Mend /etc/voipbl/voipbl.yaml ("voipbl config check"), then run "systemctl restart voipbl".`, saysStatus, saysSetup)
	if !strings.Contains(printed, `unknown key "alow"`) || strings.Contains(printed, "deb-systemd-invoke") || strings.Contains(printed, "Job for") {
		t.Errorf("an installation beside a mistake says:\n%s", printed)
	}
	p.sh("printf '" + own + "' >" + configFile + " && systemctl restart voipbl")
	p.gone()
}

// wasConffile: an unchanged conffile becomes the admin's file as it is.
func (p *pbx) wasConffile(t *testing.T) {
	p = p.as(t)
	p.apt("install", "/root/conffile.deb")
	text := p.sh("cat " + configFile)
	if !strings.Contains(text, "# The text of conffile.") || !strings.Contains(p.sh("dpkg-query -W -f '${Conffiles}' voipbl"), configFile) {
		t.Fatalf("that is no conffile:\n%s", text)
	}
	p.apt("install", deb(newer))
	p.settled(text)
	p.goesBy("https://voipbl.org/update/")
	edited := p.edit()
	p.apt("install", "/root/reference.deb")
	p.settled(edited)
	p.apt("remove", "voipbl")
	if !p.succeeds("test", "-e", configFile) {
		t.Error("removed with the package, which was not purged")
	}
	p.gone()
}

// wasConffileEdited: so does one that an admin or voipbl setup has changed.
func (p *pbx) wasConffileEdited(t *testing.T) {
	p = p.as(t)
	p.apt("install", "/root/conffile.deb")
	edited := p.edit()
	p.apt("install", deb(newer))
	p.settled(edited)
	p.goesBy("5.6.7.8")
	p.apt("install", "/root/reference.deb")
	p.settled(edited)
	p.gone()
}

// wasConffileStuck: without this package's care, dpkg wants to ask about an edited conffile, cannot,
// and leaves the package half configured. The next version repairs such a host.
func (p *pbx) wasConffileStuck(t *testing.T) {
	p = p.as(t)
	p.apt("install", "/root/conffile.deb")
	edited := p.edit()
	if out, code := p.Run(slices.Concat(unattended, []string{"install", "/root/conffile2.deb"})...); code != 100 {
		t.Fatalf("apt ends with %d beside an edited conffile:\n%s", code, out)
	}
	p.apt("install", deb(newer))
	p.settled(edited)
	p.goesBy("5.6.7.8")
	// If dpkg was told to keep the old file, the other one is beside it.
	p.gone()
	p.apt("install", "/root/conffile.deb")
	edited = p.edit()
	p.sh(strings.Join(unattended, " ") + " -o Dpkg::Options::=--force-confold install /root/conffile2.deb </dev/null")
	if !p.succeeds("test", "-e", configFile+".dpkg-dist") {
		t.Fatalf("beside it is %s", p.beside())
	}
	p.apt("install", deb(newer))
	p.settled(edited)
	p.gone()
}
