package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testhost"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testshare"
)

// TestWithoutMounts has a host on which mounting is forbidden, where unchanged units end with
// 226/NAMESPACE. The host is still protected from before the network is up, even if the generator
// cannot detect this. Where mounts are allowed, the units lose nothing.
func TestWithoutMounts(t *testing.T) {
	t.Parallel()
	t.Run("Debian 12", func(t *testing.T) { t.Parallel(); withoutMounts(t, testhost.Debian12) })
	for _, suite := range []string{testhost.Debian12, testhost.Debian13} {
		t.Run("without CAP_SYS_ADMIN, "+suite, func(t *testing.T) { t.Parallel(); withoutAdmin(t, suite) })
	}
	for _, suite := range testshare.Every(t, 2, []string{testhost.Debian12, testhost.Debian13}) {
		t.Run("with mounts, "+suite, func(t *testing.T) { t.Parallel(); withMounts(t, suite) })
	}
}

func withoutMounts(t *testing.T, suite string) {
	h := testhost.BootWithoutMounts(t, suite)
	installUnits(t, h)
	protected := func() bool {
		_, set := h.Run("ipset", "-q", "test", "voip_bl", "5.5.5.5")
		rules := h.Must("iptables-save") + h.Must("ip6tables-save")
		_, active := h.Run("systemctl", "--quiet", "is-active", "voipbl")
		return set == 0 && active == 0 && strings.Contains(rules, "-A INPUT -m set --match-set voip_bl src") && strings.Contains(rules, "-A INPUT -m set --match-set voip_bl6 src")
	}
	eventually := func(what string, holds func() bool) {
		t.Helper()
		if !testpoll.Until(time.Minute, holds) {
			out, _ := h.Run("systemctl", "status", "--no-pager", "voipbl", "voipbl-sets", "voipbl-no-mounts")
			t.Fatalf("never: %s\n%s", what, out)
		}
	}

	// As they are, by themselves, and what doctor says then helps.
	h.Must("mv", "/lib/systemd/system-generators/voipbl", "/root/generator")
	h.Must("mv", "/lib/systemd/system/voipbl-no-mounts.service", "/root/")
	h.Must("systemctl", "daemon-reload")
	h.Run("systemctl", "enable", "--now", "voipbl-sets", "voipbl")
	if protected() {
		t.Fatal("the units start as they are: this host allows mounts")
	}
	const says = "the agent cannot start: systemd ends it with 226/NAMESPACE"
	eventually(says, func() bool { out, _ := h.Run("voipbl", "doctor"); return strings.Contains(out, says) })
	h.Must("mv", "/root/generator", "/lib/systemd/system-generators/voipbl")
	out, _ := h.Run("voipbl", "doctor", "--json")
	_, rest, _ := strings.Cut(out, `"remedy": "touch`)
	remedy, _, found := strings.Cut(rest, ", which leaves")
	if !found {
		t.Fatalf("doctor says\n%s", out)
	}
	h.Must("sh", "-c", "touch"+strings.ReplaceAll(remedy, `\u0026`, "&"))
	if !protected() {
		t.Error("what doctor says does not help")
	}
	out, _ = h.Run("voipbl", "doctor")
	if !strings.Contains(out, "code: agent-no-mounts") || strings.Contains(out, "agent-not-running") {
		t.Errorf("doctor says\n%s", out)
	}
	if log := h.Must("journalctl", "-u", "voipbl"); !strings.Contains(log, "nothing may be mounted on this host") {
		t.Errorf("the journal says\n%s", log)
	}

	// At boot it works without help.
	h.Reboot()
	if !protected() {
		t.Error("not protected after a boot")
	}
	when := func(unit string) int {
		n, _ := strconv.Atoi(strings.TrimSpace(h.Must("systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", unit)))
		return n
	}
	if ready, network := when("voipbl.service"), when("network-pre.target"); ready == 0 || ready > network {
		t.Errorf("ready %d µs after the boot, and the network may come up at %d", ready, network)
	}

	// Nor if the generator cannot try it out.
	h.Must("mv", "/root/voipbl-no-mounts.service", "/lib/systemd/system/")
	h.Must("mv", "/usr/bin/unshare", "/root/")
	h.Reboot()
	eventually("protected without the generator's help", protected)
}

// withoutAdmin has systemd start units without a namespace for mounts, whatever they say.
func withoutAdmin(t *testing.T, suite string) {
	h := testhost.BootWithoutAdmin(t, suite)
	installUnits(t, h)
	h.Must("systemctl", "enable", "--now", "voipbl-sets", "voipbl")
	h.Reboot()
	h.Must("systemctl", "--quiet", "is-active", "voipbl")
	h.Must("ipset", "-q", "test", "voip_bl", "5.5.5.5")
	if rules := h.Must("iptables-save"); !strings.Contains(rules, "-A INPUT -m set --match-set voip_bl src") {
		t.Errorf("the rules are\n%s", rules)
	}
	if out, _ := h.Run("voipbl", "doctor"); !strings.Contains(out, "code: agent-no-mounts") {
		t.Errorf("doctor says\n%s", out)
	}
}

func withMounts(t *testing.T, suite string) {
	h := testhost.BootSuite(t, suite)
	installUnits(t, h)
	h.Must("systemctl", "enable", "--now", "voipbl-sets", "voipbl")
	for _, unit := range []string{"voipbl", "voipbl-sets"} {
		if got := strings.TrimSpace(h.Must("systemctl", "show", "--value", "-p", "ProtectSystem", unit)); got != "strict" {
			t.Errorf("%s: ProtectSystem is %s", unit, got)
		}
	}
	if out, _ := h.Run("voipbl", "doctor"); strings.Contains(out, "no-mounts") {
		t.Errorf("doctor says\n%s", out)
	}

	h.Reboot()
	if got := strings.TrimSpace(h.Must("systemctl", "show", "--value", "-p", "ProtectSystem", "voipbl")); got != "strict" {
		t.Errorf("after a boot: ProtectSystem is %s", got)
	}

	// A start that waits for a lock longer than systemd would: it says so itself.
	holder := h.Command(t.Context(), "flock", "/run/voipbl/sets.lock", "sleep", "600")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if out, code := h.Run("systemctl", "restart", "voipbl"); code == 0 {
		t.Errorf("it starts while the lock is held: %s", out)
	}
	log := h.Must("journalctl", "-u", "voipbl")
	if !strings.Contains(log, "sets.lock is held by") || strings.Contains(log, "timed out") {
		t.Errorf("the journal says\n%s", log)
	}
	holder.Process.Kill()
	holder.Wait()
}

// installUnits puts the program, a configuration and all that systemd needs on a host.
func installUnits(t *testing.T, h *testhost.Host) {
	t.Helper()
	installProgram(t, h)
	for _, unit := range []string{"voipbl.service", "voipbl-sets.service", "voipbl-no-mounts.service"} {
		h.CopyIn(filepath.Join("..", "..", "packaging", "systemd", unit), "/lib/systemd/system/"+unit, 0o644)
	}
	h.CopyIn(filepath.Join("..", "..", "packaging", "systemd", "voipbl-generator"), "/lib/systemd/system-generators/voipbl", 0o755)
	h.Must("systemctl", "daemon-reload")
}
