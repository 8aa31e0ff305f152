package host

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// addInterface creates an interface with addresses. It is one end of a veth pair, which every
// kernel supports, whatever its name.
func addInterface(t *testing.T, name string, addrs ...string) {
	t.Helper()
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "end-" + name[:min(len(name), 11)]}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(link, addr); err != nil {
			t.Fatal(a, err)
		}
	}
}

func TestNetworks(t *testing.T) {
	testns.Enter(t)
	addInterface(t, "eth0", "192.168.1.5/24", "203.0.113.5/28", "169.254.3.4/16", "2001:db8::5/64", "fd00:1::5/48")
	addInterface(t, "tun0", "10.8.0.6/32")
	addInterface(t, "docker0", "172.17.0.1/16")
	addInterface(t, "br-0123456789ab", "172.18.0.1/16")
	addInterface(t, "br-lan", "10.0.0.1/8")

	var got []string
	for _, n := range FindNetworks(probe.New(t.Context(), t.TempDir())) {
		got = append(got, fmt.Sprint(n.Interface, " ", n.Addr, " ", n.Prefix, " ", n.Private, " ", n.Container))
	}
	slices.Sort(got)
	want := []string{
		"br-0123456789ab 172.18.0.1 172.18.0.0/16 true true",
		"br-lan 10.0.0.1 10.0.0.0/8 true false",
		"docker0 172.17.0.1 172.17.0.0/16 true true",
		"eth0 192.168.1.5 192.168.1.0/24 true false",
		"eth0 2001:db8::5 2001:db8::/64 false false",
		"eth0 203.0.113.5 203.0.113.0/28 false false",
		"eth0 fd00:1::5 fd00:1::/48 true false",
		"tun0 10.8.0.6 10.8.0.6/32 true false",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestContainerBridge(t *testing.T) {
	for _, name := range []string{"docker0", "docker_gwbridge", "br-0a1b2c3d4e5f", "cni0", "cni-podman0", "podman1", "virbr0", "vethab12", "lxcbr0", "lxdbr0"} {
		if !containerBridge().MatchString(name) {
			t.Errorf("%s is none", name)
		}
	}
	for _, name := range []string{"eth0", "br0", "br-lan", "br-voice", "br-0a1b2c3d4e5", "wg0", "tun0", "ens3", "dockerless", "bond0.10"} {
		if containerBridge().MatchString(name) {
			t.Errorf("%s is one", name)
		}
	}
}

// listenVariable makes a copy of this test program a server; see [TestMain].
const listenVariable = "VOIPBL_TEST_LISTEN"

// TestMain runs the tests, or a program that listens as its variable says until its input ends.
func TestMain(m *testing.M) {
	where := os.Getenv(listenVariable)
	if where == "" {
		os.Exit(m.Run())
	}
	for ap := range strings.FieldsSeq(where) {
		proto, addr, _ := strings.Cut(ap, "/")
		if _, err := open(proto, addr); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

// open listens.
func open(proto, addr string) (io.Closer, error) {
	if strings.HasPrefix(proto, "tcp") {
		return net.Listen(proto, addr)
	}
	a, err := net.ResolveUDPAddr(proto, addr)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP(proto, a)
}

// startServer runs a listening program under a given name.
func startServer(t *testing.T, name, where string) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(program, self, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), listenVariable+"="+where)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	testpoll.Started(t, cmd, "ready")
}

func TestListeners(t *testing.T) {
	testns.Enter(t)
	own, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	me := strings.TrimSpace(string(own))
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40100"), 0); err != nil {
		t.Fatal(err)
	}
	startServer(t, "a-very-long-pbx-name", "udp4/0.0.0.0:5060 udp6/[::]:5060 tcp4/0.0.0.0:5060 tcp/:5061 udp4/127.0.0.1:5099 tcp6/[::1]:5038 udp4/0.0.0.0:40050")
	for _, where := range [][2]string{{"tcp4", "0.0.0.0:22"}, {"tcp4", "0.0.0.0:40060"}, {"udp4", "0.0.0.0:40070"}, {"udp6", "[::]:40070"}} {
		c, err := open(where[0], where[1])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	// These are a connected socket, and one of a client.
	connected, err := net.DialUDP("udp4", &net.UDPAddr{Port: 7777}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	client, err := open("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	talking, err := net.Dial("tcp4", "127.0.0.1:22")
	if err != nil {
		t.Fatal(err)
	}
	defer talking.Close()
	for _, table := range socketTables {
		if table.family == 0 {
			continue
		}
		shown, err := readSockets("/proc/thread-self/net/"+table.file, table.state)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := tcpListeners(table.family)
		byPort := func(a, b socket) int { return int(a.local.Port()) - int(b.local.Port()) }
		slices.SortFunc(shown, byPort)
		slices.SortFunc(asked, byPort)
		if err != nil || len(shown) == 0 || !slices.Equal(asked, shown) {
			t.Errorf("%s has %v, and the kernel answers %v (%v)", table.file, shown, asked, err)
		}
	}

	look := probe.New(t.Context(), t.TempDir())
	var got []string
	for _, l := range FindWays(look).Listeners {
		got = append(got, fmt.Sprint(l.Proto, " ", netip.AddrPortFrom(l.Addr, l.Port), " ", l.Program))
	}
	const pbx = " a-very-long-pbx" // the kernel keeps 15 bytes
	want := []string{
		"tcp 0.0.0.0:22 " + me,
		"tcp 0.0.0.0:5060" + pbx, "udp 0.0.0.0:5060" + pbx, "udp [::]:5060" + pbx, "tcp [::]:5061" + pbx,
		"tcp 0.0.0.0:40060 " + me, "udp 0.0.0.0:40070 " + me, "udp [::]:40070 " + me,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(look.Unknowns()) > 0 {
		t.Errorf("unknown: %+v", look.Unknowns())
	}
	if !look.Running("a-very-long-pbx-name") {
		t.Error("the program does not run")
	}
}

// TestXTRecent creates lists by rules and packets.
func TestXTRecent(t *testing.T) {
	host := netip.MustParseAddr("198.51.100.1")
	peers := []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("203.0.113.3")}
	p := testns.EnterPair(t, []netip.Addr{host}, peers)
	for _, rule := range []string{
		"-A INPUT -p udp --dport 5060 -m recent --name SIP --set",
		"-A INPUT -p udp --dport 5061 -m recent --name QUIET --set",
	} {
		if out, err := exec.Command("iptables", append([]string{"-w"}, strings.Fields(rule)...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", rule, err, out)
		}
	}
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: host.AsSlice(), Port: 5060})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, peer := range peers {
		for range 2 {
			p.Outside(func() {
				c, err := net.DialUDP("udp4", &net.UDPAddr{IP: peer.AsSlice()}, &net.UDPAddr{IP: host.AsSlice(), Port: 5060})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			})
			// Packets that came in are in the list.
			if _, _, err := server.ReadFrom(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	x := FindXTRecent(probe.New(t.Context(), t.TempDir()))
	if x == nil {
		t.Fatal("no xt_recent")
	}
	if d := cmp.Diff(map[string]int{"SIP": 3, "QUIET": 0}, x.Lists); d != "" {
		t.Error(d)
	}
	for name, got := range map[string]int{"ip_list_tot": x.MaxAddrs, "ip_pkt_list_tot": x.MaxPackets} {
		text, err := os.ReadFile("/sys/module/xt_recent/parameters/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSpace(string(text)); fmt.Sprint(got) != want {
			t.Errorf("%s is %d, not %s", name, got, want)
		}
	}
	if x.MaxAddrs == 0 {
		t.Error("no address is remembered")
	}
}
