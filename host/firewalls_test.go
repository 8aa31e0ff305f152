package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/voipbl/voipbl/internal/probe"
)

func TestUFWEnabled(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "ENABLED=yes\n": true, "ENABLED=no": false, "#ENABLED=yes": false, " ENABLED='YES'": true, "ENABLED=yes\nENABLED=no": false, "ENABLED=yesterday": false,
	} {
		if got := parseUFWEnabled(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestFirewalls has states of these programs that the made-up machines lack.
func TestFirewalls(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"usr/sbin/ufw": "x", "etc/ufw/ufw.conf": "ENABLED=no\n", "usr/sbin/firewalld": "x",
		"lib/systemd/system/ufw.service": "x", "lib/systemd/system/freepbx.service": "x",
		"etc/systemd/system/multi-user.target.wants/freepbx.service": "x", // its firewall is disabled
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
	l := probe.New(t.Context(), root)
	l.Processes = []probe.Process{{Name: "firewalld"}, {Name: "php", Args: []string{"voipfirewalld (Monitor thread)"}}}
	want := []Owner{{"ufw", false, false}, {"firewalld", true, true}, {"freepbx-firewall", true, false}, {"nftables", false, false}}
	if d := cmp.Diff(want, FindFirewalls(l)); d != "" {
		t.Error(d)
	}
}

func TestDocker(t *testing.T) {
	root := t.TempDir()
	l := probe.New(t.Context(), root)
	l.Processes = nil
	if d := FindDocker(l); d != nil {
		t.Errorf("%+v", d)
	}
	for _, name := range []string{"dockerd", "conmon"} {
		l.Processes = []probe.Process{{Name: name}}
		if d := FindDocker(l); d == nil || !d.Running {
			t.Errorf("%s: %+v", name, d)
		}
	}
	l.Processes = nil
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/dockerd"), []byte(strings.Repeat("x", 9)), 0o755); err != nil {
		t.Fatal(err)
	}
	if d := FindDocker(l); d == nil || d.Running {
		t.Errorf("%+v", d)
	}
}
