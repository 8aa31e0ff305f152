package main

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/internal/testsshd"
)

// TestSessionsAreExempt has everybody who may use SSH on a host: only those who are logged in are
// exempt. Claims, connections and programs called sshd exempt nobody, and hold no base rules back.
func TestSessionsAreExempt(t *testing.T) {
	host := netip.MustParseAddr("81.2.69.142")
	loggedIn, connected, claimed, contained := netip.MustParseAddr("20.0.0.7"), netip.MustParseAddr("20.0.0.8"), netip.MustParseAddr("20.0.0.9"), netip.MustParseAddr("20.0.0.10")
	pair := testns.EnterPair(t, []netip.Addr{host}, []netip.Addr{loggedIn, connected, claimed, contained})
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "list"), "20.0.0.0/24\n")
	config := filepath.Join(dir, "voipbl.yaml")
	writeFile(t, config, fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\nfirewall: {base: true, local_networks: [20.0.0.7]}\n", dir))

	server := logInFrom(t, pair, netip.AddrPortFrom(host, 22), loggedIn)
	logInFrom(t, pair, netip.AddrPortFrom(host, 2222), contained, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
	var stranger net.Conn
	pair.Outside(func() {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: connected.AsSlice()}}
		var err error
		if stranger, err = dialer.Dial("tcp", server.Addr.String()); err != nil {
			t.Fatal(err)
		}
	})
	defer stranger.Close()
	if greeting, err := bufio.NewReader(stranger).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", greeting, err)
	}
	pretendSSHD(t, fmt.Sprintf("%s 50000 %s 22", claimed, host))

	t.Cleanup(func() { // let them log out
		for _, tool := range []string{"iptables-nft", "ip6tables-nft"} {
			exec.Command(tool, "-P", "INPUT", "ACCEPT").Run()
			exec.Command(tool, "-F").Run()
		}
	})
	sync := exec.Command("voipbl", "--config", config, "sync")
	// Its caller claims a session too; for base rules, which are its own business, that counts.
	sync.Env = append(os.Environ(), fmt.Sprintf("SSH_CONNECTION=%s 50000 %s 22", loggedIn, host))
	out, err := sync.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "base rules on") {
		t.Fatalf("%v: %s", err, out)
	}
	for addr, exempt := range map[netip.Addr]bool{loggedIn: true, connected: false, claimed: false, contained: false} {
		blocked := exec.Command("ipset", "test", "voip_bl", addr.String()).Run() == nil
		cmd := exec.Command("voipbl", "--config", config, "exempt", "--quiet", addr.String())
		cmd.Env = append(os.Environ(), fmt.Sprintf("SSH_CONNECTION=%s 50000 %s 22", addr, host))
		if said := cmd.Run() == nil; blocked == exempt || said != exempt {
			t.Errorf("%s: blocked %v, exempt %v; want exempt %v", addr, blocked, said, exempt)
		}
	}
}

// logInFrom starts an SSH server on this side and logs in from the other one, until the
// test ends.
func logInFrom(t *testing.T, pair *testns.Pair, at netip.AddrPort, from netip.Addr, wrap ...string) *testsshd.Server {
	t.Helper()
	testskip.UnlessRoot(t)
	server, err := testsshd.Start(t.TempDir(), at, wrap...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	var session *testsshd.Session
	pair.Outside(func() { session, err = server.Login(from) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return server
}

// pretendSSHD runs, as a user without rights and until the test ends, a program by the name
// of sshd that has started a shell with that SSH_CONNECTION.
func pretendSSHD(t *testing.T, connection string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "named") // other than the test's own folder open for everybody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	shell, err := os.ReadFile("/bin/dash")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "sshd")
	if err := os.WriteFile(program, shell, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", "env 'SSH_CONNECTION="+connection+"' sh -c 'echo there; exec cat'; true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	testpoll.Started(t, cmd, "there")
}
