package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/internal/testsshd"
)

// TestConfirmedOverSharedConnection confirms in a session of a real sshd that is younger
// than the rules, over a connection that is older (ControlMaster): that one passes as
// established whatever the rules say, and proves nothing. A connection of its own does.
func TestConfirmedOverSharedConnection(t *testing.T) {
	testskip.UnlessRoot(t)
	host, admin := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.2")
	p := testns.EnterPair(t, []netip.Addr{host}, []netip.Addr{admin})
	dir := t.TempDir()
	server, err := testsshd.Start(dir, netip.AddrPortFrom(host, 22))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	file := filepath.Join(dir, "voipbl.yaml")
	writeFile(t, file, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\nfirewall: {backend: nft, base: true, local_networks: [10.0.0.0/8]}\n", dir))
	writeFile(t, filepath.Join(dir, "list"), "5.5.5.5\n")
	program, err := exec.LookPath("voipbl")
	if err != nil {
		t.Fatal(err)
	}
	ssh := func(args ...string) (out string, err error) {
		p.Outside(func() {
			all := append([]string{"-F", "none", "-i", filepath.Join(dir, "client"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
				"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ControlPath=" + filepath.Join(dir, "shared")}, args...)
			var text []byte
			text, err = exec.Command("ssh", all...).CombinedOutput()
			out = string(text)
		})
		return out, err
	}
	to := "root@" + host.String()
	master := make(chan error, 1)
	var shared *exec.Cmd
	p.Outside(func() {
		shared = exec.Command("ssh", "-F", "none", "-i", filepath.Join(dir, "client"), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
			"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-M", "-S", filepath.Join(dir, "shared"), "-N", to)
		if err := shared.Start(); err != nil {
			t.Fatal(err)
		}
	})
	go func() { master <- shared.Wait() }()
	t.Cleanup(func() { shared.Process.Kill(); <-master })
	if !testpoll.Until(30*time.Second, func() bool { _, err = ssh("-O", "check", to); return err == nil }) {
		t.Fatalf("no shared connection: %v\n%s", err, server.Log())
	}

	if out, err := exec.Command("voipbl", "--config", file, "sync", "--sets-only").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	confirm := fmt.Sprintf("%s --config %s firewall confirm", program, file)
	if out, err := exec.Command("voipbl", "--config", file, "firewall", "apply", "--confirm", "10m", "--force").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := ssh(to, confirm); err == nil || !strings.Contains(out, "was there before the rules") {
		t.Errorf("over the shared connection: %v: %s", err, out)
	}
	if out, err := ssh("-S", "none", to, confirm); err != nil || !strings.Contains(out, "confirmed") {
		t.Errorf("over one of its own: %v: %s", err, out)
	}
}
