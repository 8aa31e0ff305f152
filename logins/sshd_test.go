package logins

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/internal/testsshd"
	"github.com/voipbl/voipbl/internal/testvalue"
)

var (
	sshHostAddrs = testvalue.Addrs("198.51.100.2", "2a00:1::2")
	sshPeers     = testvalue.Addrs("20.0.0.7", "20.0.0.8", "2a00:20::7")
)

// seen returns the addresses of sessions, found by processes and connections.
func seen(early map[int]process) []string {
	var all []string
	for _, c := range shellConnections("/proc", early) {
		all = append(all, c.Client.Addr().String())
	}
	slices.Sort(all)
	return all
}

// looked are the processes by the test's last look, if it has made one.
var looked map[int]process

// expectSeen expects the same of a look that begins with the last one.
func expectSeen(t *testing.T, when string, want ...string) {
	t.Helper()
	for _, early := range []map[int]process{nil, looked} {
		if got := seen(early); !slices.Equal(got, want) {
			t.Errorf("%s: sessions from %q, want %q (%d processes looked at before)", when, got, want, len(early))
		}
	}
	var err error
	if looked, err = processes("/proc", nil); err != nil {
		t.Fatal(err)
	}
}

func startSSHD(t *testing.T, addr netip.Addr, wrap ...string) *testsshd.Server {
	t.Helper()
	testskip.UnlessRoot(t)
	s, err := testsshd.Start(t.TempDir(), netip.AddrPortFrom(addr, 22), wrap...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// logIn logs in from the other side of the wire.
func logIn(t *testing.T, pair *testns.Pair, s *testsshd.Server, from netip.Addr) *testsshd.Session {
	t.Helper()
	var session *testsshd.Session
	var err error
	pair.Outside(func() { session, err = s.Login(from) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

// TestSessionsOfRealSSHD: a login counts while it lasts. A connection without a login does not,
// although root's sshd has it as well.
func TestSessionsOfRealSSHD(t *testing.T) {
	pair := testns.EnterPair(t, sshHostAddrs, sshPeers)
	server := startSSHD(t, sshHostAddrs[0])
	server6 := startSSHD(t, sshHostAddrs[1])
	expectSeen(t, "at first")

	var stranger net.Conn
	pair.Outside(func() {
		var err error
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: sshPeers[1].AsSlice()}}
		if stranger, err = dialer.Dial("tcp", server.Addr.String()); err != nil {
			t.Fatal(err)
		}
	})
	defer stranger.Close()
	// The greeting has arrived, so the process runs that authenticates the client.
	if line, err := bufio.NewReader(stranger).ReadString('\n'); err != nil || !strings.HasPrefix(line, "SSH-2.0") {
		t.Fatalf("%q, %v", line, err)
	}
	expectSeen(t, "a stranger has connected")

	first := logIn(t, pair, server, sshPeers[0])
	expectSeen(t, "logged in", "20.0.0.7")
	logIn(t, pair, server6, sshPeers[2])
	expectSeen(t, "two logged in", "20.0.0.7", "2a00:20::7")
	if got := sshSessions(); got[0].Server.Port() != 22 || got[1].Server.Port() != 22 {
		t.Errorf("%v", got)
	}
	first.Close()
	expectSeen(t, "logged out", "2a00:20::7")
}

// TestSessionsOfContainers: root of a container can do anything in there.
func TestSessionsOfContainers(t *testing.T) {
	pair := testns.EnterPair(t, sshHostAddrs, sshPeers)
	// This container uses the host's network, but has processes of its own.
	server := startSSHD(t, sshHostAddrs[0], "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
	logIn(t, pair, server, sshPeers[0])
	expectSeen(t, "an sshd in a container")
}

// TestNamedSSHD: any user can name a program sshd, and set the environment of what it starts.
func TestNamedSSHD(t *testing.T) {
	pair := testns.EnterPair(t, sshHostAddrs, sshPeers)
	server := startSSHD(t, sshHostAddrs[0])
	logIn(t, pair, server, sshPeers[0])
	claim := sshSessions()[0]

	dir, err := os.MkdirTemp("", "named") // unlike the test's own folder, open to everybody
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// This is a shell by that name. It starts another shell and waits for it.
	shell, err := os.ReadFile("/bin/dash")
	if err != nil {
		t.Fatal(err)
	}
	liar := filepath.Join(dir, "sshd")
	if err := os.WriteFile(liar, shell, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, claimed := range map[string]string{
		"a connection that is none":       "20.0.0.8 50000 198.51.100.2 22",
		"a connection of somebody else's": fmt.Sprintf("%s %d 198.51.100.2 22", claim.Client.Addr(), claim.Client.Port()),
	} {
		for who, credential := range map[string]*syscall.Credential{"nobody": {Uid: 65534, Gid: 65534}, "root": nil} {
			cmd := exec.Command(liar, "-c", "env 'SSH_CONNECTION="+claimed+"' sh -c 'echo there; exec cat'; true")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
			end := testpoll.Started(t, cmd, "there")
			expectSeen(t, name+" of "+who, "20.0.0.7")
			end()
		}
	}
}
