package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProcessRuns(t *testing.T) {
	for _, c := range []struct {
		process
		name string
		want bool
	}{
		{process{name: "asterisk", args: []string{"/usr/sbin/asterisk", "-f"}}, "asterisk", true},
		{process{name: "asterisk"}, "asterisk", true},
		{process{name: "astcanary", args: []string{"astcanary", "/var/run/asterisk/alt"}}, "asterisk", false},
		{process{name: "a-very-long-pbx"}, "a-very-long-pbx-name", true},
		{process{name: "fail2ban-server", args: []string{"/usr/bin/python3", "/usr/bin/fail2ban-server", "-xf", "start"}}, "fail2ban-server", true},
		{process{name: "python3", args: []string{"/usr/bin/python3.11", "-s", "/usr/sbin/firewalld", "--nofork"}}, "firewalld", true},
		{process{name: "php", args: []string{"voipfirewalld (Monitor thread)"}}, "voipfirewalld", true},
		{process{name: "php", args: []string{"php", "/var/www/html/admin/modules/firewall/hooks/voipfirewalld"}}, "voipfirewalld", true},
		{process{name: "nginx", args: []string{"nginx: master process /usr/sbin/nginx"}}, "nginx", true},
		{process{name: "vim", args: []string{"vim", "/usr/sbin/asterisk"}}, "asterisk", false},
		{process{name: "bash", args: []string{"bash", "-c", "asterisk -r"}}, "asterisk", false},
		{process{name: "sh", args: []string{"sh", "restart.sh", "asterisk"}}, "asterisk", false},
		{process{name: "kworker/0:0"}, "asterisk", false},
	} {
		if got := c.runs(c.name); got != c.want {
			t.Errorf("%+v runs %s: %t", c.process, c.name, got)
		}
	}
	if d := cmp.Diff([]string{"a", "", "b c"}, parseCmdline("a\x00\x00b c\x00\x00")); d != "" {
		t.Error(d)
	}
	if got := parseCmdline(""); got != nil {
		t.Errorf("%q", got)
	}
}

func TestParsePackages(t *testing.T) {
	text := "installed a 1:16.28.0~dfsg-0+deb11u4\ninstalled b 5.8.4-1\nconfig-files c 1\nnot-installed d \ninstalled e 3.4+x-2-1\n"
	if d := cmp.Diff(map[string]string{"a": "16.28.0", "b": "5.8.4", "e": "3.4"}, parsePackages(text)); d != "" {
		t.Error(d)
	}
}

func TestUFWEnabled(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "ENABLED=yes\n": true, "ENABLED=no": false, "#ENABLED=yes": false, " ENABLED='YES'": true, "ENABLED=yes\nENABLED=no": false, "ENABLED=yesterday": false,
	} {
		if got := parseUFWEnabled(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestUnits makes services in all states that matter to us.
func TestUnits(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, path string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"enabled", "disabled", "masked", "required", "vendor", "emptied"} {
		write("/lib/systemd/system/"+name+".service", "[Unit]\n")
	}
	link("/lib/systemd/system/enabled.service", "/etc/systemd/system/multi-user.target.wants/enabled.service")
	link("/lib/systemd/system/masked.service", "/etc/systemd/system/multi-user.target.wants/masked.service")
	link("/dev/null", "/etc/systemd/system/masked.service")
	link("/lib/systemd/system/emptied.service", "/etc/systemd/system/multi-user.target.wants/emptied.service")
	write("/etc/systemd/system/emptied.service", "")
	link("/lib/systemd/system/required.service", "/etc/systemd/system/sysinit.target.requires/required.service")
	link("../vendor.service", "/usr/lib/systemd/system/sysinit.target.wants/vendor.service")
	link("/lib/systemd/system/gone.service", "/etc/systemd/system/multi-user.target.wants/gone.service")

	l := &looker{ctx: t.Context(), root: root}
	for name, want := range map[string]bool{"enabled": true, "required": true, "vendor": true, "disabled": false, "masked": false, "emptied": false, "gone": false} {
		if got := l.atBoot(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !l.atBoot("gone", "enabled") {
		t.Error("another name does not count")
	}
}

// TestFirewalls has other states of those of the made-up machines.
func TestFirewalls(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"usr/sbin/ufw": "x", "etc/ufw/ufw.conf": "ENABLED=no\n", "usr/sbin/firewalld": "x",
		"lib/systemd/system/ufw.service": "x", "lib/systemd/system/freepbx.service": "x",
		"etc/systemd/system/multi-user.target.wants/freepbx.service": "x", // its firewall is not enabled
		"lib/systemd/system/firewalld.service":                       "x", "lib/systemd/system/nftables.service": "x",
		"etc/systemd/system/multi-user.target.wants/ufw.service":       "x",
		"etc/systemd/system/multi-user.target.wants/firewalld.service": "x",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l := &looker{ctx: t.Context(), root: root, processes: []process{{name: "firewalld"}, {name: "php", args: []string{"voipfirewalld (Monitor thread)"}}}}
	want := []Owner{{"ufw", false, false}, {"firewalld", true, true}, {"freepbx-firewall", true, false}, {"nftables", false, false}}
	if d := cmp.Diff(want, l.firewalls()); d != "" {
		t.Error(d)
	}
}

func TestDocker(t *testing.T) {
	root := t.TempDir()
	l := &looker{ctx: t.Context(), root: root}
	if d := l.docker(); d != nil {
		t.Errorf("%+v", d)
	}
	for _, name := range []string{"dockerd", "conmon"} {
		l.processes = []process{{name: name}}
		if d := l.docker(); d == nil || !d.Running {
			t.Errorf("%s: %+v", name, d)
		}
	}
	l.processes = nil
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/dockerd"), []byte(strings.Repeat("x", 9)), 0o755); err != nil {
		t.Fatal(err)
	}
	if d := l.docker(); d == nil || d.Running {
		t.Errorf("%+v", d)
	}
}
