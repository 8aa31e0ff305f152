package host

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testvalue"
)

func TestParseResolvConf(t *testing.T) {
	text := "# c\nnameserver 192.0.2.53\nsearch example.net\nnameserver  fe80::1%eth0\nnameserver\nnameserver x\n nameserver 2001:db8::53 # c\nnameserver ::ffff:192.0.2.54\n"
	if got, want := parseResolvConf([]byte(text)), testvalue.Addrs("192.0.2.53", "fe80::1", "2001:db8::53", "192.0.2.54"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestUtmp also holds the offsets to what the system's own tool reads: utmpdump
// of util-linux prints each record of a file.
func TestUtmp(t *testing.T) {
	record := func(layout utmpLayout, typ uint16, pid int32, addr netip.Addr) []byte {
		b := make([]byte, layout.size)
		binary.NativeEndian.PutUint16(b[utmpType:], typ)
		binary.NativeEndian.PutUint32(b[utmpPID:], uint32(pid))
		copy(b[layout.addr:], addr.AsSlice())
		return b
	}
	for _, layout := range []utmpLayout{{384, 348}, {400, 360}} {
		text := slices.Concat(
			record(layout, 2, 1, netip.MustParseAddr("192.0.2.1")),              // boot
			record(layout, userProcess, 10, netip.MustParseAddr("192.0.2.2")),   // logged in
			record(layout, userProcess, 11, netip.MustParseAddr("192.0.2.3")),   // crashed
			record(layout, userProcess, 12, netip.MustParseAddr("0.0.0.0")),     // at the console
			record(layout, userProcess, 13, netip.MustParseAddr("2001:db8::4")), // logged in
			[]byte("half a record"),
		)
		got := parseUtmp(text, layout, func(pid int) bool { return pid != 11 })
		if want := testvalue.Addrs("192.0.2.2", "2001:db8::4"); !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", layout, got, want)
		}
	}
	utmpdump, err := exec.LookPath("utmpdump")
	if err != nil {
		t.Fatal("utmpdump of util-linux is needed: ", err)
	}
	cmd := exec.Command(utmpdump)
	cmd.Stdin = bytes.NewReader(record(utmpFormat(), userProcess, 10, netip.MustParseAddr("192.0.2.2")))
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "[7] [00010]") || !strings.Contains(string(out), "[192.0.2.2") {
		t.Errorf("utmpdump reads our layout as %q, %v", out, err)
	}
}

func TestCallerConnections(t *testing.T) {
	proc, process := testvalue.Proc(t)
	process(1, 0, "init", "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22\x00")
	process(50, 1, "sshd", "A=b\x00")
	process(60, 50, "a) S 1 (b", "PATH=/bin\x00SSH_CONNECTION=2001:db8::7 50000 2001:db8::1 22\x00X=\x00")
	process(70, 60, "sudo", "PATH=/bin\x00")
	want := []Connection{{netip.MustParseAddrPort("[2001:db8::7]:50000"), netip.MustParseAddrPort("[2001:db8::1]:22"), 60 * time.Second}}
	if got := callerConnections(proc, 70); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	process(80, 80, "loop", "")
	if got := callerConnections(proc, 80); len(got) != 0 {
		t.Errorf("a loop gives %v", got)
	}
}

func TestOwnAddressesAndGateways(t *testing.T) {
	testns.Enter(t)
	for _, args := range []string{
		"link add v0 type veth peer name v1", "link set v0 up", "link set v1 up",
		"addr add 198.51.100.2/24 dev v0", "addr add 2001:db8::2/64 dev v0 nodad",
		"route add default via 198.51.100.1", "-6 route add default via 2001:db8::1",
		"route add 192.0.2.0/24 via 198.51.100.99", "route add default via 198.51.100.3 table 100", "-6 route add 2000::/3 via 2001:db8::9",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	own, err := OwnAddresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range testvalue.Addrs("127.0.0.1", "::1", "198.51.100.2", "2001:db8::2") {
		if !slices.Contains(own, a) {
			t.Errorf("%s is not among %v", a, own)
		}
	}
	gws, err := Gateways()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(gws, netip.Addr.Compare)
	if want := testvalue.Addrs("198.51.100.1", "198.51.100.3", "2001:db8::1", "2001:db8::9"); !slices.Equal(gws, want) {
		t.Errorf("gateways %v, want %v", gws, want)
	}
}
