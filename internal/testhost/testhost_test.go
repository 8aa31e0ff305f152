package testhost

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testroot"
)

// machineSets are the names of the sets in the test's own network namespace.
func machineSets(t *testing.T) string {
	t.Helper()
	sets, err := netlink.IpsetListAll()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range sets {
		names = append(names, s.SetName)
	}
	return strings.Join(names, " ")
}

// waitFor runs a command on the host until it succeeds.
func waitFor(t *testing.T, h *Host, limit time.Duration, args ...string) {
	t.Helper()
	var out string
	if !testpoll.Until(limit, func() bool {
		var code int
		out, code = h.Run(args...)
		return code == 0
	}) {
		t.Fatalf("%s still fails after %v: %s", strings.Join(args, " "), limit, out)
	}
}

func TestHost(t *testing.T) {
	h := Boot(t)
	before := machineSets(t)

	if comm := strings.TrimSpace(h.Must("cat", "/proc/1/comm")); comm != "systemd" {
		t.Errorf("process 1 is %q", comm)
	}
	if out := h.Must("systemctl", "--failed", "--plain", "--no-legend"); strings.TrimSpace(out) != "" {
		t.Errorf("failed units: %s", out)
	}

	// The host has its own network, rules and sets.
	machine, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if own := strings.TrimSpace(h.Must("readlink", "/proc/self/ns/net")); own == machine {
		t.Fatalf("the host is in the machine's network namespace %s", own)
	}
	if rules := h.Must("iptables-nft", "-S"); strings.Contains(rules, "-A ") {
		t.Errorf("rules of another: %s", rules)
	}
	if sets := h.Must("ipset", "list", "-n"); sets != "" {
		t.Errorf("sets of another: %s", sets)
	}
	h.Must("ipset", "create", "testhost", "hash:net")
	h.Must("iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "testhost", "src", "-j", "DROP")
	if rules := h.Must("iptables-nft", "-S"); !strings.Contains(rules, "--match-set testhost src -j DROP") {
		t.Errorf("the rule is missing: %s", rules)
	}
	if after := machineSets(t); after != before {
		t.Errorf("the machine's sets were %q and are %q", before, after)
	}

	// A timer fires after the session that started it has ended.
	h.Must("systemd-run", "--on-active=2s", "--timer-property=AccuracySec=100ms", "touch", "/root/fired")
	if _, code := h.Run("test", "-e", "/root/fired"); code == 0 {
		t.Error("the timer fired at once")
	}
	waitFor(t, h, 10*time.Second, "test", "-e", "/root/fired")

	// Files survive a reboot, the kernel's state does not.
	id := h.Must("cat", "/proc/sys/kernel/random/boot_id")
	h.Reboot()
	h.Must("test", "-e", "/root/fired")
	if sets := h.Must("ipset", "list", "-n"); sets != "" {
		t.Errorf("sets after the reboot: %s", sets)
	}
	if rules := h.Must("iptables-nft", "-S"); strings.Contains(rules, "-A ") {
		t.Errorf("rules after the reboot: %s", rules)
	}
	if again := h.Must("cat", "/proc/sys/kernel/random/boot_id"); again == id {
		t.Error("it was no reboot: the boot ID is the same")
	}

	// The host powers off by itself.
	h.Run("systemctl", "poweroff")
	<-h.current.Load().done
	h.Reboot()
	h.Must("test", "-e", "/root/fired")
}

func TestCommand(t *testing.T) {
	h := Boot(t)

	for _, c := range []struct {
		args []string
		code int
		out  string
	}{
		{[]string{"sh", "-c", "echo out; echo err >&2; exit 3"}, 3, "out\nerr\n"},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{[]string{"sh", "-c", "echo $HOME $PATH | cut -c 1-15"}, 0, "/root /usr/loca\n"},
		{[]string{"pwd"}, 0, "/\n"},
		{[]string{"hostname"}, 0, "pbx\n"},
		// A scope needs a control group that exists on the host.
		{[]string{"systemd-run", "--scope", "--quiet", "true"}, 0, ""},
	} {
		if out, code := h.Run(c.args...); code != c.code || out != c.out {
			t.Errorf("%q: exit code %d and %q, not %d and %q", c.args, code, out, c.code, c.out)
		}
	}
	if own, init := h.Must("grep", "CapBnd", "/proc/self/status"), h.Must("grep", "CapBnd", "/proc/1/status"); own != init {
		t.Errorf("a command's capabilities are %s, init's are %s", own, init)
	}
	if out, code := h.Run("no-such-program"); code != 127 {
		t.Errorf("a program that is missing: exit code %d, %s", code, out)
	}
	// The clock is the machine's, so try to set it to its current time.
	if out, code := h.Run("sh", "-c", "date -s @$(date +%s)"); code == 0 {
		t.Errorf("the clock could be set: %s", out)
	}

	// A program that is left behind does not delay Run.
	start := time.Now()
	h.Must("sh", "-c", "sleep 60 & echo $! > /root/left")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("Run waited %v for a program in the background", took)
	}
	h.Must("sh", "-c", "kill -0 $(cat /root/left)")
	// A built-in kill of a shell would see the machine's processes.
	if out, code := h.Run("kill", "-0", "1"); code != 127 {
		t.Errorf("a shell's own command: exit code %d, %s", code, out)
	}

	// Input reaches the command, and a kill does, too.
	cmd := h.Command(t.Context(), "tr", "a-z", "A-Z")
	cmd.Stdin = strings.NewReader("input")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "INPUT" {
		t.Errorf("with input: %q, %v", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd = h.Command(ctx, "sh", "-c", "echo $$ > /root/killed; sleep 60; true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, h, 10*time.Second, "test", "-s", "/root/killed")
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the command was not killed")
	}
	waitFor(t, h, 10*time.Second, "sh", "-c", "! kill -0 $(cat /root/killed)")
}

func TestFiles(t *testing.T) {
	h := Boot(t)
	src := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(src, []byte("#!/bin/sh\necho hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// /var/run is an absolute link, which must not lead out of the host.
	for _, dst := range []string{"/usr/local/sbin/hello", "/opt/new/folder/hello", "/var/run/testhost-hello"} {
		h.CopyIn(src, dst, 0o755)
		h.CopyIn(src, dst, 0o755)
		if out := h.Must("stat", "-c", "%a %U %G", dst); out != "755 root root\n" {
			t.Errorf("%s: %s", dst, out)
		}
		if _, err := os.Stat(dst); err == nil {
			t.Errorf("%s is on the machine", dst)
		}
	}
	if out := h.Must("hello"); out != "hello\n" {
		t.Errorf("the program says %q", out)
	}
	// A running program can be replaced.
	h.Must("cp", "/bin/sleep", "/root/busy")
	cmd := h.Command(t.Context(), "/root/busy", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, h, 10*time.Second, "sh", "-c", "readlink /proc/[0-9]*/exe | grep -qx /root/busy")
	h.CopyIn(src, "/root/busy", 0o700)
	if out := h.Must("/root/busy"); out != "hello\n" {
		t.Errorf("the new program says %q", out)
	}

	got, err := os.ReadFile(filepath.Join(h.Root(), "run/testhost-hello"))
	if err != nil || !bytes.Contains(got, []byte("hello")) {
		t.Errorf("through Root: %q, %v", got, err)
	}
}

// TestCommandAtPowerOff: a running command does not delay a power off or reboot.
func TestCommandAtPowerOff(t *testing.T) {
	t.Run("host", func(t *testing.T) {
		var start time.Time
		t.Cleanup(func() {
			if took := time.Since(start); !start.IsZero() && took >= powerOffLimit {
				t.Errorf("the power off took %v", took)
			}
		})
		h := Boot(t)
		running := func() *exec.Cmd {
			cmd := h.Command(context.Background(), "sh", "-c", "echo $$ > /run/started; sleep 600; true")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, h, 10*time.Second, "test", "-s", "/run/started")
			return cmd
		}
		cmd := running()
		start = time.Now()
		h.Reboot()
		// systemd waits 90 s for a process that does not end.
		if took := time.Since(start); took > time.Minute {
			t.Errorf("the reboot took %v", took)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the command has ended well")
		}
		running()
		t.Cleanup(func() { start = time.Now() })
	})
}

// TestTwoHosts: two hosts at the same time, booted from a namespace without a way out,
// are independent and leave nothing behind.
func TestTwoHosts(t *testing.T) {
	var pids []int
	t.Run("hosts", func(t *testing.T) {
		testns.Enter(t)
		a, b := Boot(t), Boot(t)
		a.Must("ipset", "create", "only-a", "hash:net")
		a.Must("systemd-run", "--unit=only-a", "sleep", "600")
		if out := b.Must("ipset", "list", "-n"); out != "" {
			t.Errorf("the other host has sets %s", out)
		}
		if _, code := b.Run("systemctl", "is-active", "only-a"); code == 0 {
			t.Error("the other host has the unit")
		}
		b.Reboot()
		a.Must("systemctl", "is-active", "only-a")
		a.Must("systemctl", "stop", "only-a")
		for _, h := range []*Host{a, b} {
			pids = append(pids, h.current.Load().cmd.Process.Pid, h.current.Load().up().pid)
		}
	})
	for _, pid := range pids {
		if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); err == nil {
			t.Errorf("process %d is still there", pid)
		}
	}
	own, err := ownCgroups()
	if err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	for _, folder := range own {
		if left, _ := filepath.Glob(filepath.Join(folder, namePrefix+strconv.Itoa(os.Getpid())+"-*")); left != nil {
			t.Errorf("control groups are left: %s", left)
		}
	}
	if mounts, err := exec.Command("findmnt", "--noheadings", testroot.Mounted).Output(); err == nil {
		t.Errorf("a mount is left: %s", mounts)
	}
}
