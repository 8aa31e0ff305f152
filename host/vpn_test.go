package host

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
)

// TestVPNOf: a VPN is recognised by its program, by the device that the program drives, by the
// kernel's own ports, and by the port alone if the program is hidden.
func TestVPNOf(t *testing.T) {
	tunnels := []Tunnel{
		{Interface: "wg0", Kind: "wireguard", Outer: []Port{{"udp", 33333}}},
		{Interface: "tun0", Kind: "tun", Program: "house-vpn"},
		{Interface: "tun1", Kind: "tun", Program: "openvpn"},
	}
	for _, c := range []struct {
		l    Listener
		want string
	}{
		{Listener{Proto: "udp", Port: 33333}, "wireguard"},
		{Listener{Proto: "tcp", Port: 33333}, ""},
		{Listener{Proto: "udp", Port: 33333, Program: "other"}, ""},
		{Listener{Proto: "udp", Port: 7, Program: "house-vpn"}, "house-vpn"},
		{Listener{Proto: "udp", Port: 7, Program: "openvpn"}, "openvpn"},
		{Listener{Proto: "udp", Port: 500, Program: "charon"}, "ipsec"},
		{Listener{Proto: "udp", Port: 51820, Program: "asterisk"}, ""},
		{Listener{Proto: "udp", Port: 51820}, "wireguard"},
		{Listener{Proto: "tcp", Port: 1194}, "openvpn"},
		{Listener{Proto: "udp", Port: 7}, ""},
	} {
		if got := vpnOf(c.l, tunnels); got != c.want {
			t.Errorf("%+v: %q, not %q", c.l, got, c.want)
		}
	}
}

// TestParseWireguard reads the port from the kernel's answer (uapi linux/wireguard.h).
func TestParseWireguard(t *testing.T) {
	attr := func(typ uint16, value ...byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		b = append(binary.NativeEndian.AppendUint16(b, typ), value...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	head := []byte{0, 1, 0, 0}
	name := attr(unix.WGDEVICE_A_IFNAME, []byte("wg0\x00")...)
	port := attr(unix.WGDEVICE_A_LISTEN_PORT, binary.NativeEndian.AppendUint16(nil, 51820)...)
	for _, c := range []struct {
		answer []byte
		want   uint16
		fails  bool
	}{
		{slices.Concat(head, name, port), 51820, false},
		{slices.Concat(head, name), 0, false}, // more peers follow
		{head, 0, false},
		{nil, 0, true},
		{slices.Concat(head, []byte{200, 0, 6, 0}), 0, true},
	} {
		if got, err := parseWireguard(c.answer); got != c.want || (err != nil) != c.fails {
			t.Errorf("%x: %d, %v", c.answer, got, err)
		}
	}
}

// TestLookWays finds devices of the kernel, and IPsec. It skips devices that are down or belong to
// a virtual machine.
func TestLookWays(t *testing.T) {
	testns.Enter(t)
	for _, args := range []string{
		"link set lo up",
		"tuntap add dev tun0 mode tun", "addr add 10.8.0.1/24 dev tun0", "link set tun0 up",
		"tuntap add dev tap0 mode tap", "link set tap0 up",
		"tuntap add dev tun9 mode tun", "addr add 10.99.0.1/24 dev tun9",
		"link add vx0 type vxlan id 5 dstport 51820 local 127.0.0.1", "addr add 10.66.0.1/24 dev vx0", "link set vx0 up",
		"xfrm policy add src 10.9.0.0/24 dst 10.1.0.0/24 dir in tmpl src 203.0.113.1 dst 198.51.100.1 proto esp mode tunnel",
		"xfrm policy add src 10.1.0.0/24 dst 10.9.0.0/24 dir out tmpl src 198.51.100.1 dst 203.0.113.1 proto esp mode tunnel",
		"route add 192.0.2.0/24 dev tun0",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	w := LookWays()
	var tunnels, listeners []string
	for _, one := range w.Tunnels {
		tunnels = append(tunnels, fmt.Sprint(one.Interface, " ", one.Kind, " ", one.Addrs, one.From, one.Outer))
	}
	slices.Sort(tunnels)
	if d := cmp.Diff([]string{" ipsec [] [10.9.0.0/24] [{esp 0}]", "tun0 tun [10.8.0.1] [] []", "vx0 vxlan [10.66.0.1] [] [{udp 51820}]"}, tunnels); d != "" {
		t.Error(d)
	}
	for _, l := range w.Listeners {
		listeners = append(listeners, fmt.Sprint(l.Proto, " ", l.Port, " ", l.VPN))
	}
	if d := cmp.Diff([]string{"udp 51820 vxlan", "esp 0 ipsec"}, listeners); d != "" {
		t.Error(d)
	}
	for client, want := range map[string]string{
		"10.8.0.9": "tun0", "192.0.2.9": "tun0", "10.66.0.9": "vx0", "10.9.0.9": "ipsec", "10.9.1.9": "", "127.0.0.1": "", "2001:db8::9": "",
	} {
		got, through := w.Through(netip.MustParseAddr(client), netip.Addr{})
		if name := got.Interface; name == "" && got.Kind != want || name != "" && name != want || through != (want != "") {
			t.Errorf("%s comes through %+v, %v", client, got, through)
		}
	}
}

func TestMystery(t *testing.T) {
	openVPN := Listener{Proto: "udp", Port: 1194, VPN: "openvpn"}
	for _, c := range []struct {
		tunnel    Tunnel
		listeners []Listener
		want      bool
	}{
		{Tunnel{Kind: "tun"}, nil, true},
		{Tunnel{Kind: "tun"}, []Listener{openVPN}, false},
		{Tunnel{Kind: "tun", Program: "vpnc"}, nil, false}, // this host opens the connections
		{Tunnel{Kind: "ppp"}, nil, false},                  // a dial-up line
		{Tunnel{Kind: "gre", Outer: []Port{{"gre", 0}}}, nil, false},
	} {
		if got := (Ways{c.listeners, []Tunnel{c.tunnel}}).Mystery(c.tunnel); got != c.want {
			t.Errorf("%+v beside %+v: %t", c.tunnel, c.listeners, got)
		}
	}
}
