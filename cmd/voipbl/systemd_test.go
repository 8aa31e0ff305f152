package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testhost"
)

// TestSystemd tries base rules on a whole host with systemd, where a timer takes
// them back: it survives the death of everything that the session has started, the
// rules on trial do not survive a boot, and confirmed ones do.
func TestSystemd(t *testing.T) {
	h := testhost.Boot(t)
	program := filepath.Join(t.TempDir(), "voipbl")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h.CopyIn(program, "/usr/sbin/voipbl", 0o755)
	config := filepath.Join(t.TempDir(), "voipbl.yaml")
	writeFile(t, config, "feeds: [{name: mine, path: /etc/voipbl/list}]\nfirewall: {base: true, local_networks: [192.168.1.0/24]}\n")
	h.CopyIn(config, "/etc/voipbl/voipbl.yaml", 0o644)
	h.Must("sh", "-c", "echo 5.5.5.5 >/etc/voipbl/list")

	unit := filepath.Join(t.TempDir(), "unit")
	writeFile(t, unit, readmeUnit(t))
	h.CopyIn(unit, "/etc/systemd/system/voipbl-boot.service", 0o644)
	h.Must("systemctl", "enable", "voipbl-boot")

	base := func() bool { return strings.Contains(h.Must("iptables-save"), "-j VOIPBL-INPUT") }
	timers := func() string { return h.Must("systemctl", "list-timers", "--all", "--no-legend", "voipbl-rollback-*") }
	eventually := func(what string, holds func() bool) {
		t.Helper()
		poll := time.NewTicker(100 * time.Millisecond)
		defer poll.Stop()
		for deadline := time.Now().Add(30 * time.Second); !holds(); <-poll.C {
			if time.Now().After(deadline) {
				t.Fatalf("never: %s\n%s", what, h.Must("iptables-save"))
			}
		}
	}
	// onTrial applies in a session, and kills all that the session has started.
	onTrial := func(window string) {
		t.Helper()
		h.Must("rm", "-f", "/root/applied")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		session := h.Command(ctx, "sh", "-c", "voipbl firewall apply --confirm "+window+" >/root/applied 2>&1; exec sleep 100")
		if err := session.Start(); err != nil {
			t.Fatal(err)
		}
		eventually("apply has ended", func() bool { out, _ := h.Run("cat", "/root/applied"); return strings.Contains(out, "on trial") })
		if !base() || timers() == "" {
			t.Errorf("base rules in force: %v; timers: %q", base(), timers())
		}
		cancel()
		session.Wait()
	}

	onTrial("4s")
	eventually("base rules are taken back", func() bool { return !base() })
	eventually("the timer's service has ended", func() bool { return timers() == "" })
	if out, code := h.Run("voipbl", "sync"); code != exitStale || !strings.Contains(out, "nobody confirmed them in time") || base() {
		t.Errorf("the next sync ends with %d: %s", code, out)
	}

	onTrial("10m")
	h.Must("voipbl", "firewall", "rollback")
	if base() || timers() != "" {
		t.Errorf("rolled back by hand; base rules in force: %v; timers: %q", base(), timers())
	}

	onTrial("10m")
	h.Reboot()
	if rules := h.Must("iptables-save"); !strings.Contains(rules, "-A INPUT -m set --match-set voip_bl src") || base() {
		t.Errorf("after a boot:\n%s", rules)
	}
	if out, code := h.Run("voipbl", "sync", "--offline"); code != exitStale || !strings.Contains(out, "the host was started anew before anybody confirmed them") || base() {
		t.Errorf("sync after a boot ends with %d, base rules in force: %v: %s", code, base(), out)
	}

	onTrial("10m")
	h.Must("voipbl", "firewall", "confirm")
	if timers() != "" {
		t.Errorf("confirmed, and there are timers: %q", timers())
	}
	h.Reboot()
	if !base() {
		t.Errorf("what was confirmed is not back after a boot:\n%s", h.Must("systemctl", "status", "voipbl-boot"))
	}
	h.Must("ipset", "test", "voip_bl", "5.5.5.5")
	h.Must("voipbl", "firewall", "diff")
}

// readmeUnit is the unit that the README gives for the time until there is a
// package.
func readmeUnit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "    [Unit]\n")
	unit, _, ended := strings.Cut(rest, "\n\nand ")
	if !found || !ended {
		t.Fatal("the README has no unit")
	}
	return strings.ReplaceAll("    [Unit]\n"+unit+"\n", "    ", "")
}
