package main

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testbuild"
	"github.com/voipbl/voipbl/internal/testhost"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// installProgram puts the program and a configuration with a list on a host, and returns the
// file that the configuration was copied from.
func installProgram(t *testing.T, h *testhost.Host) (config string) {
	t.Helper()
	h.CopyIn(testbuild.Program, "/usr/sbin/voipbl", 0o755)
	config = filepath.Join(t.TempDir(), "voipbl.yaml")
	writeFile(t, config, "feeds: [{name: mine, path: /etc/voipbl/list}]\n")
	h.CopyIn(config, "/etc/voipbl/voipbl.yaml", 0o644)
	h.Must("sh", "-c", "echo 5.5.5.5 >/etc/voipbl/list")
	return config
}

// TestSystemd tries base rules on a whole host with systemd, where a timer rolls them back. The
// timer survives the end of everything that the session has started. Rules on trial do not survive
// a boot; confirmed ones do.
func TestSystemd(t *testing.T) {
	h := testhost.Boot(t)
	config := installProgram(t, h)
	h.CopyIn(filepath.Join("..", "..", "packaging", "systemd", "voipbl.service"), "/lib/systemd/system/voipbl.service", 0o644)
	h.Must("systemctl", "enable", "--now", "voipbl")

	base := func() bool { return strings.Contains(h.Must("iptables-save"), "-j VOIPBL-INPUT") }
	timers := func() string { return h.Must("systemctl", "list-timers", "--all", "--no-legend", "voipbl-rollback-*") }
	eventually := func(what string, holds func() bool) {
		t.Helper()
		if !testpoll.Until(30*time.Second, holds) {
			t.Fatalf("never: %s\n%s", what, h.Must("iptables-save"))
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

	// The agent does not install new base rules.
	writeFile(t, config, "feeds: [{name: mine, path: /etc/voipbl/list}]\nfirewall: {base: true, local_networks: [192.168.1.0/24]}\n")
	h.CopyIn(config, "/etc/voipbl/voipbl.yaml", 0o644)
	eventually("the agent has seen the new configuration", func() bool {
		return strings.Contains(h.Must("journalctl", "-u", "voipbl"), "nobody has tried yet whether they let an admin in")
	})
	if base() {
		t.Error("the agent has installed base rules that are new")
	}

	onTrial("4s")
	eventually("base rules are taken back", func() bool { return !base() })
	eventually("the timer's service has ended", func() bool { return timers() == "" })
	if out, code := h.Run("voipbl", "sync"); code != exit.Stale || !strings.Contains(out, "nobody confirmed them in time") || base() {
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
	if out, code := h.Run("voipbl", "sync", "--offline"); code != exit.Stale || !strings.Contains(out, "the host was started anew before anybody confirmed them") || base() {
		t.Errorf("sync after a boot ends with %d, base rules in force: %v: %s", code, base(), out)
	}

	onTrial("10m")
	h.Must("voipbl", "firewall", "confirm")
	if timers() != "" {
		t.Errorf("confirmed, and there are timers: %q", timers())
	}
	h.Reboot()
	if !base() {
		t.Errorf("what was confirmed is not back after a boot:\n%s", h.Must("systemctl", "status", "voipbl"))
	}
	h.Must("ipset", "test", "voip_bl", "5.5.5.5")
	h.Must("voipbl", "firewall", "diff")

	when := func(unit string) int {
		t.Helper()
		n, err := strconv.Atoi(strings.TrimSpace(h.Must("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", unit)))
		if err != nil || n == 0 {
			t.Fatalf("%s was never active: %v", unit, err)
		}
		return n
	}
	if ready, network := when("voipbl.service"), when("network-pre.target"); ready > network {
		t.Errorf("ready %d µs after the boot, and the network may come up at %d", ready, network)
	}

	// An agent that hangs is killed and started anew, and the host stays protected.
	drop := filepath.Join(t.TempDir(), "drop")
	writeFile(t, drop, "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=2s\n")
	h.CopyIn(drop, "/etc/systemd/system/voipbl.service.d/quick.conf", 0o644)
	h.Must("systemctl", "daemon-reload")
	h.Must("systemctl", "restart", "voipbl")
	pid := func() string {
		return strings.TrimSpace(h.Must("systemctl", "show", "--value", "-p", "MainPID", "voipbl"))
	}
	protected := func() bool {
		_, code := h.Run("ipset", "test", "voip_bl", "5.5.5.5")
		return code == 0 && strings.Contains(h.Must("iptables-save"), "-A PREROUTING -m set --match-set voip_bl src")
	}
	hung := pid()
	h.Must("sh", "-c", "kill -STOP "+hung)
	eventually("the agent that hangs is replaced", func() bool {
		if !protected() {
			t.Fatal("not protected while the agent hangs")
		}
		now := pid()
		return now != hung && now != "0" && strings.TrimSpace(h.Must("systemctl", "show", "--value", "-p", "ActiveState", "voipbl")) == "active"
	})
	h.Must("sh", "-c", "echo 5.5.5.6 >>/etc/voipbl/list")
	eventually("the new one works", func() bool { _, code := h.Run("ipset", "test", "voip_bl", "5.5.5.6"); return code == 0 })
	h.Must("systemctl", "reload", "voipbl")
	if out, code := h.Run("voipbl", "remove"); code != exit.NotApplied || !strings.Contains(out, "systemctl stop voipbl") {
		t.Errorf("remove beside the agent ends with %d: %s", code, out)
	}
	h.Must("systemctl", "stop", "voipbl")
	if !protected() {
		t.Error("protection ended with the agent")
	}
}
