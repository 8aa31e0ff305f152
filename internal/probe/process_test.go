package probe

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProcessRuns(t *testing.T) {
	for _, c := range []struct {
		Process
		name string
		want bool
	}{
		{Process{Name: "asterisk", Args: []string{"/usr/sbin/asterisk", "-f"}}, "asterisk", true},
		{Process{Name: "asterisk"}, "asterisk", true},
		{Process{Name: "astcanary", Args: []string{"astcanary", "/var/run/asterisk/alt"}}, "asterisk", false},
		{Process{Name: "a-very-long-pbx"}, "a-very-long-pbx-name", true},
		{Process{Name: "fail2ban-server", Args: []string{"/usr/bin/python3", "/usr/bin/fail2ban-server", "-xf", "start"}}, "fail2ban-server", true},
		{Process{Name: "python3", Args: []string{"/usr/bin/python3.11", "-s", "/usr/sbin/firewalld", "--nofork"}}, "firewalld", true},
		{Process{Name: "php", Args: []string{"voipfirewalld (Monitor thread)"}}, "voipfirewalld", true},
		{Process{Name: "php", Args: []string{"php", "/var/www/html/admin/modules/firewall/hooks/voipfirewalld"}}, "voipfirewalld", true},
		{Process{Name: "nginx", Args: []string{"nginx: master process /usr/sbin/nginx"}}, "nginx", true},
		{Process{Name: "vim", Args: []string{"vim", "/usr/sbin/asterisk"}}, "asterisk", false},
		{Process{Name: "bash", Args: []string{"bash", "-c", "asterisk -r"}}, "asterisk", false},
		{Process{Name: "sh", Args: []string{"sh", "restart.sh", "asterisk"}}, "asterisk", false},
		{Process{Name: "kworker/0:0"}, "asterisk", false},
	} {
		if got := c.Runs(c.name); got != c.want {
			t.Errorf("%+v runs %s: %t", c.Process, c.name, got)
		}
	}
	if d := cmp.Diff([]string{"a", "", "b c"}, parseCmdline("a\x00\x00b c\x00\x00")); d != "" {
		t.Error(d)
	}
	if got := parseCmdline(""); got != nil {
		t.Errorf("%q", got)
	}
}

// TestUnits checks services in all states that matter.
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

	l := New(t.Context(), root)
	for name, want := range map[string]bool{"enabled": true, "required": true, "vendor": true, "disabled": false, "masked": false, "emptied": false, "gone": false} {
		if got := l.AtBoot(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !l.AtBoot("gone", "enabled") {
		t.Error("another name does not count")
	}
}
