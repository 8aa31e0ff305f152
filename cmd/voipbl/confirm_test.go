package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testshare"
)

// host is a PBX host of a test's own: a namespace, a folder, and two
// configurations that differ in the base rules.
type host struct {
	t          testing.TB
	backend    string
	dir        string
	drop, base string
}

func newHost(t *testing.T, backend string) *host {
	t.Helper()
	testns.Enter(t)
	h := hostHere(t, backend)
	h.must("voipbl", "--config", h.drop, "sync")
	return h
}

// hostHere is one in the namespace that the test is in already, where voipbl never ran.
func hostHere(t testing.TB, backend string) *host {
	t.Helper()
	h := &host{t: t, backend: backend, dir: t.TempDir()}
	h.drop, h.base = filepath.Join(h.dir, "drop.yaml"), filepath.Join(h.dir, "base.yaml")
	text := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\nfirewall:\n  backend: %[2]s\n", h.dir, backend)
	writeFile(t, h.drop, text)
	writeFile(t, h.base, text+"  base: true\n  local_networks: [192.168.1.0/24]\n")
	writeFile(t, filepath.Join(h.dir, "list"), "5.5.5.5\n")
	return h
}

// run runs a program in the host and returns what it printed and its exit code.
func (h *host) run(name string, args ...string) (string, int) {
	h.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil && exitCode(err) < 0 {
		h.t.Fatalf("%s: %v", name, err)
	}
	return string(out), exitCode(err)
}

func exitCode(err error) int {
	switch exit := err.(type) {
	case nil:
		return 0
	case *exec.ExitError:
		return exit.ExitCode()
	}
	return -1
}

func (h *host) must(name string, args ...string) string {
	h.t.Helper()
	out, code := h.run(name, args...)
	if code != 0 {
		h.t.Fatalf("%s %s: exit code %d: %s", name, strings.Join(args, " "), code, out)
	}
	return out
}

// rules are the rules of both families.
func (h *host) rules() string {
	h.t.Helper()
	var kept strings.Builder // without empty tables, which stay once they are used
	for _, family := range []string{"iptables", "ip6tables"} {
		for line := range strings.Lines(h.must(family + "-" + h.backend + "-save")) {
			if line[0] != '#' && line[0] != ':' || strings.Contains(line, " - ") {
				kept.WriteString(line)
			}
		}
	}
	return strings.ReplaceAll(kept.String(), "*raw\nCOMMIT\n", "")
}

// eventually polls until a condition holds.
func (h *host) eventually(what string, within time.Duration, holds func() bool) {
	h.t.Helper()
	if !testpoll.Until(within, holds) {
		h.t.Fatalf("not within %s: %s\n%s", within, what, h.rules())
	}
}

// waiting are the processes that wait to take this host's rules back.
func (h *host) waiting() (found []string) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		text, err := os.ReadFile(file)
		if err == nil && bytes.Contains(text, []byte("--token")) && bytes.Contains(text, []byte(h.dir)) {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

// session types a command into a shell as sshd starts it: in a session of its
// own, that ends with all its processes when the connection is lost.
func (h *host) session(command string) (lose func()) {
	h.t.Helper()
	cmd := exec.Command("sh", "-c", command+"; exec sleep 100")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = append(os.Environ(), "SSH_CONNECTION=192.168.1.5 50022 192.168.1.1 22")
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	return func() {
		// The kernel hangs up first, then whoever cleans up kills.
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGKILL} {
			if err := syscall.Kill(-cmd.Process.Pid, s); err != nil {
				h.t.Fatal(err)
			}
		}
		cmd.Wait()
	}
}

// window opens a second SSH session now, in which a command is typed later.
func (h *host) window(command string) (typed func() (string, int)) {
	h.t.Helper()
	cmd := exec.Command("sh", "-c", "read line; "+command)
	cmd.Env = append(os.Environ(), "SSH_CONNECTION=192.168.1.5 50099 192.168.1.1 22")
	keys, err := cmd.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	return func() (string, int) {
		fmt.Fprintln(keys)
		code := exitCode(cmd.Wait())
		return out.String(), code
	}
}

// TestStateLost damages or removes the state while base rules are on trial: they are still rolled
// back.
func TestStateLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, command string }{
		{"damaged", "echo nonsense >DIR/state/firewall.json"},
		{"removed", "rm DIR/state/firewall.json"},
		{"all removed", "rm -r DIR/state"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "nft")
			before := h.rules()
			h.must("voipbl", "--config", h.base, "firewall", "apply", "--confirm", "2s")
			h.must("sh", "-c", strings.ReplaceAll(c.command, "DIR", h.dir))
			h.eventually("base rules taken back", 20*time.Second, func() bool { return h.rules() == before })
			h.eventually("nothing waits any more", 10*time.Second, func() bool { return len(h.waiting()) == 0 })
		})
	}
}

// TestLostSession loses the SSH session while base rules are on trial. They are rolled back in
// time, changes that others made meanwhile stay, and the rules do not come back by themselves.
func TestLostSession(t *testing.T) {
	t.Parallel()
	for _, backend := range testshare.Every(t, 2, []string{"nft", "legacy"}) {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, backend)
			before := h.rules()
			start := time.Now()
			lose := h.session("voipbl --config " + h.base + " firewall apply --confirm 10s")
			h.eventually("base rules on trial", 10*time.Second, func() bool { return strings.Contains(h.rules(), "-j VOIPBL-INPUT") })
			h.eventually("apply has ended", 10*time.Second, func() bool {
				out, _ := h.run("voipbl", "--config", h.base, "status")
				return strings.Contains(out, "on trial until")
			})
			h.must("iptables-"+backend, "-I", "INPUT", "-s", "203.0.113.9", "-j", "DROP")
			h.must("iptables-"+backend, "-A", "fail2ban-ssh", "-s", "203.0.113.8", "-j", "REJECT")
			lose()
			if len(h.waiting()) != 1 {
				t.Fatalf("what takes the rules back went with the session: %q", h.waiting())
			}
			h.eventually("base rules taken back", 20*time.Second, func() bool { return !strings.Contains(h.rules(), "VOIPBL-INPUT") })
			if took := time.Since(start); took < 10*time.Second {
				t.Errorf("taken back after %s already", took)
			}
			h.eventually("nothing waits any more", 10*time.Second, func() bool { return len(h.waiting()) == 0 })
			after := h.rules()
			for _, foreign := range []string{
				"-A INPUT -s 203.0.113.9/32 -j DROP\n",
				"-A fail2ban-ssh -s 203.0.113.8/32 -j REJECT --reject-with icmp-port-unreachable\n",
				":fail2ban-ssh - [0:0]\n",
			} {
				if !strings.Contains(after, foreign) {
					t.Errorf("%q is gone", foreign)
				}
				after = strings.Replace(after, foreign, "", 1)
			}
			if after != before {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
			out, code := h.run("voipbl", "--config", h.base, "sync")
			if code != exit.Stale || !strings.Contains(out, "nobody confirmed them in time") || strings.Contains(h.rules(), "VOIPBL-INPUT") {
				t.Errorf("the next sync ends with %d: %s\n%s", code, out, h.rules())
			}
		})
	}
}

// TestConfirmed confirms over a second session: the rules stay when their time
// would have been over, and nothing waits any more.
func TestConfirmed(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	old := h.window("voipbl --config " + h.base + " firewall confirm")
	lose := h.session("voipbl --config " + h.base + " firewall apply --confirm 10s")
	defer lose()
	h.eventually("apply has ended", 10*time.Second, func() bool {
		out, _ := h.run("voipbl", "--config", h.base, "status")
		return strings.Contains(out, "on trial until")
	})
	if out, code := old(); code != exit.NotApplied || !strings.Contains(out, "was there before the rules") {
		t.Errorf("an older window confirms with %d: %s", code, out)
	}
	start := time.Now()
	h.must("env", "SSH_CONNECTION=192.168.1.5 50023 192.168.1.1 22", "voipbl", "--config", h.base, "firewall", "confirm")
	h.eventually("nothing waits any more", 20*time.Second, func() bool { return len(h.waiting()) == 0 && time.Since(start) > 11*time.Second })
	if !strings.Contains(h.rules(), "-j VOIPBL-INPUT") {
		t.Errorf("the rules are gone:\n%s", h.rules())
	}
	h.must("voipbl", "--config", h.base, "sync")
	h.must("voipbl", "--config", h.base, "firewall", "diff")
}

// TestKilledInApply kills apply at random moments: whatever it had done by then, in
// the end the rules are as they were, and the next sync finds nothing in its way.
func TestKilledInApply(t *testing.T) {
	t.Parallel()
	const kills = 16
	for i := range kills {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			h := newHost(t, []string{"nft", "legacy"}[i%2])
			before := h.rules()
			cmd := exec.Command("voipbl", "--config", h.base, "firewall", "apply", "--confirm", "2s")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// Somewhere within what an apply takes, also on a busy machine.
			kill := time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { cmd.Process.Kill() })
			cmd.Wait()
			kill.Stop()
			onTrial := strings.Contains(h.rules(), "-j VOIPBL-INPUT")
			h.eventually("nothing waits any more", 30*time.Second, func() bool { return len(h.waiting()) == 0 })
			// A kill between writing down what is pending and starting what
			// takes it back leaves it to the next run.
			h.eventually("a sync finds nothing in its way", 10*time.Second, func() bool { _, code := h.run("voipbl", "--config", h.drop, "sync"); return code == exit.OK })
			if after := h.rules(); after != before {
				t.Errorf("on trial when killed: %v; before:\n%safter:\n%s", onTrial, before, after)
			}
		})
	}
}

// TestTakenBackBesideHangingSync has a sync wait for a server that never answers while base rules
// are on trial: they are still rolled back in time.
func TestTakenBackBesideHangingSync(t *testing.T) {
	t.Parallel()
	h := newHost(t, "nft")
	server, err := startFeedServer(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	server.set("list", behaviour{"hang", filepath.Join(h.dir, "list")})
	slow := filepath.Join(h.dir, "slow.yaml")
	writeFile(t, slow, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: far, url: \"http://127.0.0.1:8080/list\", insecure: true}]\n", h.dir))
	h.must("voipbl", "--config", h.base, "firewall", "apply", "--confirm", "8s")
	waiting := func() bool { return exec.Command("pgrep", "-f", "firewall rollback .*"+h.dir).Run() == nil }
	if !waiting() {
		t.Error("nobody waits to take the rules back")
	}
	sync := exec.Command("voipbl", "--config", slow, "sync")
	if err := sync.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sync.Process.Kill(); sync.Wait() }()
	h.eventually("the sync fetches", 10*time.Second, func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return server.count["list"] > 0
	})
	h.eventually("base rules taken back", 20*time.Second, func() bool { return !strings.Contains(h.rules(), "VOIPBL-INPUT") })
	// A process that has ended has no command line.
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", sync.Process.Pid)); err != nil || len(line) == 0 {
		t.Errorf("the sync was over by then: %v", err)
	}
	h.eventually("what was taken back is written down", 10*time.Second, func() bool { return !waiting() })
}
