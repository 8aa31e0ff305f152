package main

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// TestVPNComesAgain has an admin's VPN reconnect, by packets: under base rules that close
// its port the old connection goes on and a new one does not, which is why they are
// refused; with the line that the refusal names both do.
func TestVPNComesAgain(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		for _, addr := range []string{"198.51.100.1", "2001:db8:1::1"} {
			t.Run(backend+" "+addr, func(t *testing.T) {
				host := netip.MustParseAddr(addr)
				peer := host.Next()
				p := testns.EnterPair(t, []netip.Addr{host}, []netip.Addr{peer})
				server := exec.Command("stand-in", "openvpn", "udp/"+netip.AddrPortFrom(host, 1194).String())
				if err := server.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { server.Process.Kill(); server.Wait() })
				connect := func() (conn net.Conn) {
					p.Outside(func() {
						var err error
						if conn, err = net.Dial("udp", netip.AddrPortFrom(host, 1194).String()); err != nil {
							t.Fatal(err)
						}
					})
					t.Cleanup(func() { conn.Close() })
					return conn
				}
				dir := t.TempDir()
				file := filepath.Join(dir, "voipbl.yaml")
				text := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: mine, path: %[1]s/list}]\nfirewall:\n  backend: %[2]s\n  base: true\n  local_networks: [10.0.0.0/8]\n", dir, backend)
				writeFile(t, file, text)
				writeFile(t, filepath.Join(dir, "list"), "5.5.5.5\n")
				if out, err := exec.Command("voipbl", "--config", file, "sync", "--sets-only").CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				apply := func(more ...string) (string, error) {
					out, err := exec.Command("voipbl", append([]string{"--config", file, "firewall", "apply", "--confirm", "0"}, more...)...).CombinedOutput()
					return string(out), err
				}

				// Connections are tracked already, as beside Docker or a firewall.
				tools := map[bool]string{true: "ip6tables-", false: "iptables-"}
				if out, err := exec.Command(tools[host.Is6()]+backend, "-A", "INPUT", "-m", "conntrack", "--ctstate", "NEW").CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				old := connect()
				if !testpoll.Until(time.Minute, func() bool { return served(old.RemoteAddr()) }) || !answers(t, old) {
					t.Fatal("the VPN is not there")
				}
				said, err := apply()
				if err == nil || !strings.Contains(said, "the VPN openvpn at udp 1194") {
					t.Fatalf("not refused: %v\n%s", err, said)
				}
				if out, err := apply("--force"); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if !answers(t, old) {
					t.Error("the old connection does not go on")
				}
				if answers(t, connect()) {
					t.Error("a new connection comes in, so the refusal was wrong")
				}

				_, line, _ := strings.Cut(said, "try: add ")
				line, _, _ = strings.Cut(line, " to firewall.services")
				writeFile(t, file, text+"  services:\n    - {name: ssh, proto: tcp, ports: \"22\"}\n    - "+line+"\n")
				if out, err := apply(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if !answers(t, connect()) {
					t.Error("a new connection does not come in, although its port is open")
				}
			})
		}
	}
}

// served reports whether a server answers its own host.
func served(to net.Addr) bool {
	own, err := net.Dial("udp", to.String())
	if err != nil {
		return false
	}
	defer own.Close()
	if _, err := own.Write([]byte("x")); err != nil || own.SetReadDeadline(time.Now().Add(time.Minute)) != nil {
		return false
	}
	_, err = own.Read(make([]byte, 10))
	return err == nil
}

// answers sends a packet, and reports whether the answer has come when the server has
// answered the host itself, which asks after that: it answers in the order in which it was
// asked.
func answers(t *testing.T, conn net.Conn) bool {
	t.Helper()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if !served(conn.RemoteAddr()) {
		t.Fatal("the server does not answer its own host")
	}
	_, err := testns.Pending(conn.(*net.UDPConn))
	return err == nil
}
