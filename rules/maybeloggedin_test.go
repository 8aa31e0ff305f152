package rules

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/ruleset"
)

// TestMaybeLoggedIn connects to sshd's port from another address. A connection that base rules
// would let in again is no danger, nor is one from this host.
func TestMaybeLoggedIn(t *testing.T) {
	testskip.UnlessRoot(t)
	testns.Enter(t)
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", "198.51.100.2/32", "dev", "lo"}, {"addr", "add", "192.168.7.7/32", "dev", "lo"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %q: %v: %s", args, err, out)
		}
	}
	// Any user can listen and connect to it: that must not keep base rules out.
	unix.SetfsuidRetUid(65534) // of this thread, which is the test's alone
	users, err := net.Listen("tcp", "198.51.100.2:2222")
	unix.SetfsuidRetUid(0)
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	his, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("198.51.100.2")}}).Dial("tcp", users.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer his.Close()
	listener, err := net.Listen("tcp", "198.51.100.2:22")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	base := ruleset.Base{
		LocalNetworks: []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")},
		Services:      []ruleset.Service{{Name: "ssh", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}}}},
	}
	maybe := func() bool {
		connections, err := logins.Inbound()
		return maybeLoggedIn(base, connections, err)
	}
	if maybe() {
		t.Error("nobody is connected")
	}
	if !maybeLoggedIn(base, nil, os.ErrPermission) {
		t.Error("it is not known who is connected")
	}
	for from, want := range map[string]bool{"127.0.0.1": false, "192.168.7.7": false, "198.51.100.2": true} {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		client, err := dialer.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := maybe(); got != want {
			t.Errorf("connected from %s: %v", from, got)
		}
		client.Close()
		server.Close()
	}
}
