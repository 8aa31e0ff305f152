package lockout

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// vpnHost returns a host with a VPN of each kind.
func vpnHost() host.Ways {
	any4 := netip.IPv4Unspecified()
	return host.Ways{
		Listeners: []host.Listener{
			{Proto: "udp", Addr: any4, Port: 1194, Program: "openvpn", VPN: "openvpn"},
			{Proto: "udp", Addr: any4, Port: 51820, VPN: "wireguard"},
			{Proto: "udp", Addr: any4, Port: 500, Program: "charon", VPN: "ipsec"},
			{Proto: "esp", Addr: any4, VPN: "ipsec"},
		},
		Tunnels: []host.Tunnel{
			{Interface: "tun0", Kind: "tun", Program: "openvpn", Addrs: testvalue.Addrs("10.8.0.1")},
			{Interface: "wg0", Kind: "wireguard", Outer: []host.Port{{Proto: "udp", Port: 51820}}, Addrs: testvalue.Addrs("10.9.0.1")},
			{Interface: "tun1", Kind: "tun", Program: "vpnc", Addrs: testvalue.Addrs("10.10.0.1")},
			{Interface: "wg1", Kind: "wireguard", Addrs: testvalue.Addrs("10.11.0.1")},
			{Kind: "ipsec", From: []netip.Prefix{netip.MustParsePrefix("10.12.0.0/24")}, Outer: []host.Port{{Proto: "esp"}}},
			{Interface: "ppp0", Kind: "ppp", Addrs: testvalue.Addrs("198.51.100.9")}, // a dial-up line
		},
	}
}

// TestCheckTunnel: a confirmation through a tunnel counts only if the rules let it
// reconnect.
func TestCheckTunnel(t *testing.T) {
	closed := *settings.BaseSettings(testvalue.Config(t, "firewall: {base: true, local_networks: [10.0.0.0/8]}"), nil)
	open := closed
	open.Services = append(open.Services, ruleset.Service{Name: "vpn", Proto: "udp", Ports: []iptables.PortRange{{First: 500, Last: 500}, {First: 1194, Last: 1194}, {First: 51820, Last: 51820}}, Public: true})
	for _, c := range []struct {
		client, server string
		base           ruleset.Base
		want           string
	}{
		{"10.8.0.6", "10.8.0.1", closed, "through the tunnel tun0, which was there before the rules, and they close udp 1194, which"},
		{"10.8.0.6", "10.8.0.1", open, ""},
		{"10.9.0.6", "10.9.0.1", closed, "the tunnel wg0, .* close udp 51820"},
		{"10.9.0.6", "10.9.0.1", open, ""},
		{"10.10.0.6", "10.10.0.1", closed, ""}, // started by this host
		{"10.11.0.6", "10.11.0.1", open, "the tunnel wg1, .* not known what carries it"},
		{"10.12.0.6", "10.1.0.1", closed, "the tunnel ipsec, .* close udp 500 and esp"},
		{"10.12.0.6", "10.1.0.1", open, "close esp"},
		{"192.0.2.6", "198.51.100.9", closed, ""},
		{"192.0.2.6", "10.1.0.1", closed, ""},
	} {
		conn := logins.Connection{Client: netip.AddrPortFrom(netip.MustParseAddr(c.client), 50022), Server: netip.AddrPortFrom(netip.MustParseAddr(c.server), 22)}
		err := CheckTunnel(c.base, [2]*iptables.Saved{}, vpnHost(), conn, time.Now())
		if (err != nil) != (c.want != "") {
			t.Errorf("%s: %v", c.client, err)
			continue
		}
		if err == nil {
			continue
		}
		for piece := range strings.SplitSeq(c.want, " .* ") {
			if !strings.Contains(err.Error(), piece) {
				t.Errorf("%s: %v has no %q", c.client, err, piece)
			}
		}
		if remedy := err.(*tunnelError).Remedy(); !strings.Contains(remedy, "--here") || strings.Contains(err.Error(), "close") != strings.Contains(remedy, "firewall.services") {
			t.Errorf("%s: remedy %s", c.client, remedy)
		}
	}
}

// TestShutVPNs: each VPN is named once, with the sessions through it.
func TestShutVPNs(t *testing.T) {
	base := *settings.BaseSettings(testvalue.Config(t, "firewall: {base: true, local_networks: [10.0.0.0/8], services: [{name: wg, proto: udp, ports: 51820}]}"), nil)
	var got []string
	for _, o := range ShutVPNs(base, [2]*iptables.Saved{}, vpnHost(), []logins.Login{{From: netip.MustParseAddr("10.12.0.6"), Port: 22}, {From: netip.MustParseAddr("10.12.0.6"), Port: 22}}) {
		got = append(got, fmt.Sprintf("%s: %s: %s", o.What, o.Reason, o.Add))
	}
	want := []string{
		`the VPN openvpn at udp 1194: no rule opens it: add {name: openvpn, proto: udp, ports: "1194", from: any} to firewall.services`,
		`the VPN wireguard at udp 51820: it is open for the local networks only: set "from: any" of the service wg (udp) in firewall.services`,
		`the VPN ipsec (charon) at udp 500: no rule opens it, and the SSH session from 10.12.0.6 comes in through it: add {name: ipsec, proto: udp, ports: "500", from: any} to firewall.services`,
		`the VPN ipsec at esp: no rule opens it, and the SSH session from 10.12.0.6 comes in through it: add {name: ipsec, proto: esp, from: any} to firewall.services`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}
