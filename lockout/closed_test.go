package lockout

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

func listener(proto, addr string, port uint16, program, vpn string) host.Listener {
	return host.Listener{Proto: proto, Addr: netip.MustParseAddr(addr), Port: port, Program: program, VPN: vpn}
}

var (
	lan  = []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("fd00::/48")}
	base = ruleset.Base{
		LocalNetworks: lan, SIP: ruleset.Ports{{First: 5060, Last: 5061}}, RTP: iptables.PortRange{First: 10000, Last: 20000},
		Services: []ruleset.Service{
			{Name: "ssh", Proto: "tcp", Ports: []iptables.PortRange{{First: 22, Last: 22}}},
			{Name: "http", Proto: "tcp", Ports: []iptables.PortRange{{First: 80, Last: 80}}, Public: true},
			{Name: "openvpn", Proto: "udp", Ports: []iptables.PortRange{{First: 1195, Last: 1195}}, Public: true},
		},
	}
)

// TestFind has a host with all kinds of listeners. For each closed one it checks who can
// still reach it and what opens it.
func TestFind(t *testing.T) {
	opened, err := iptables.ParseSaved(iptables.IPv4, []byte("*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -p tcp -m tcp --dport 9090 -j ACCEPT\n[0:0] -A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 9091 -j ACCEPT\nCOMMIT\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, c := range Find(base, [2]*iptables.Saved{opened, nil}, []host.Listener{
		listener("tcp", "0.0.0.0", 22, "sshd", ""),
		listener("tcp", "::", 22, "sshd", ""),
		listener("tcp", "0.0.0.0", 80, "nginx", ""),
		listener("tcp", "127.0.0.1", 3306, "mysqld", ""),
		listener("udp", "0.0.0.0", 68, "dhclient", ""),
		listener("udp", "0.0.0.0", 12000, "asterisk", ""),
		listener("udp", "0.0.0.0", 5060, "asterisk", ""),
		listener("tcp", "0.0.0.0", 9090, "cockpit", ""),
		listener("tcp", "::", 9090, "cockpit", ""), // not opened for IPv6
		listener("tcp", "0.0.0.0", 9091, "cockpit", ""),
		listener("tcp", "0.0.0.0", 6379, "redis-server", ""),
		listener("udp", "0.0.0.0", 500, "charon", "ipsec"),
		listener("udp", "::", 4500, "charon", "ipsec"),
		listener("esp", "0.0.0.0", 0, "", "ipsec"),
		listener("udp", "0.0.0.0", 51820, "", "wireguard"),
		listener("udp", "0.0.0.0", 1194, "openvpn", "openvpn"),
		listener("tcp", "0.0.0.0", 7000, "Ärger/1", ""),
		listener("tcp", "0.0.0.0", 7001, "", ""),
	}) {
		got = append(got, fmt.Sprintf("%s %s %v %v %s", c.Place(), c.By(), c.OpenTo, c.Named, c.Remedy))
	}
	want := []string{
		`tcp 22 sshd [192.168.1.0/24] true set "from: any" of the service ssh (tcp) in firewall.services`,
		`tcp 22 sshd [192.168.1.0/24 fd00::/48] true set "from: any" of the service ssh (tcp) in firewall.services`,
		`udp 5060 asterisk [192.168.1.0/24] false set "firewall: {sip: {public: true}}"`,
		`tcp 9090 cockpit [] false add {name: cockpit, proto: tcp, ports: "9090,9091", from: any} to firewall.services`,
		`tcp 9091 cockpit [10.0.0.0/8] false add {name: cockpit, proto: tcp, ports: "9090,9091", from: any} to firewall.services`,
		`tcp 6379 redis-server [] false add {name: redis-server, proto: tcp, ports: "6379", from: any} to firewall.services`,
		`udp 500 charon [] false add {name: ipsec, proto: udp, ports: "500,4500", from: any} to firewall.services`,
		`udp 4500 charon [] false add {name: ipsec, proto: udp, ports: "500,4500", from: any} to firewall.services`,
		`esp the kernel [] false add {name: ipsec, proto: esp, from: any} to firewall.services`,
		`udp 51820 the kernel [] false add {name: wireguard, proto: udp, ports: "51820", from: any} to firewall.services`,
		`udp 1194 openvpn [] false add {name: openvpn-1194, proto: udp, ports: "1194", from: any} to firewall.services`,
		`tcp 7000 Ärger/1 [] false add {name: rger1, proto: tcp, ports: "7000", from: any} to firewall.services`,
		`tcp 7001 unknown [] false add {name: port, proto: tcp, ports: "7001", from: any} to firewall.services`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestRemedyOpens adds each suggested line to a configuration; then nothing is closed.
func TestRemedyOpens(t *testing.T) {
	all := []host.Listener{
		listener("tcp", "::", 6379, "redis-server", ""), listener("udp", "::", 500, "charon", "ipsec"), listener("udp", "::", 4500, "charon", "ipsec"),
		listener("esp", "0.0.0.0", 0, "", "ipsec"), listener("gre", "0.0.0.0", 0, "", "gretap"), listener("6in4", "0.0.0.0", 0, "", "sit"),
		listener("ipip", "0.0.0.0", 0, "", "ipip"), listener("udp", "::", 51820, "", "wireguard"), listener("tcp", "::", 1194, "openvpn", "openvpn"),
	}
	none := ruleset.Base{LocalNetworks: lan}
	var lines []string
	for _, c := range Find(none, [2]*iptables.Saved{}, all) {
		line := strings.TrimSuffix(strings.TrimPrefix(c.Remedy, "add "), " to firewall.services")
		if len(lines) == 0 || lines[len(lines)-1] != line {
			lines = append(lines, line)
		}
	}
	cfg, err := config.Parse("", []byte("firewall:\n  services:\n    - "+strings.Join(lines, "\n    - ")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	mended := none
	for _, s := range cfg.Firewall.Services {
		service := ruleset.Service{Name: s.Name, Proto: s.Proto, Public: s.From == config.FromAny}
		for _, p := range s.Ports {
			service.Ports = append(service.Ports, iptables.PortRange(p))
		}
		mended.Services = append(mended.Services, service)
	}
	if left := Find(mended, [2]*iptables.Saved{}, all); len(left) > 0 {
		t.Errorf("still closed: %+v", left)
	}
}

func TestVPN(t *testing.T) {
	got := []string{}
	for _, c := range VPN(Find(base, [2]*iptables.Saved{}, []host.Listener{
		listener("tcp", "0.0.0.0", 6379, "redis-server", ""),
		listener("udp", "0.0.0.0", 51820, "", "wireguard"), listener("udp", "::", 51820, "", "wireguard"),
		listener("udp", "0.0.0.0", 41641, "tailscaled", "tailscale"), // tailscale finds another way
		listener("udp", "0.0.0.0", 1195, "openvpn", "openvpn"),       // open
		listener("esp", "0.0.0.0", 0, "", "ipsec"),
		listener("udp", "0.0.0.0", 1194, "openvpn", "openvpn"), listener("tcp", "0.0.0.0", 1194, "openvpn", "openvpn"),
	})) {
		got = append(got, c.Place())
	}
	if d := cmp.Diff([]string{"udp 51820", "esp", "udp 1194", "tcp 1194"}, got); d != "" {
		t.Error(d)
	}
}

// TestServiceName: characters that the configuration does not accept are left out.
func TestServiceName(t *testing.T) {
	for text, want := range map[string]string{
		"abyz-ABYZ_0189.x": "abyz-abyz_0189.x", "`a{/0:@B[": "a0b", "-._1": "1", "": "port", "Ä ": "port", "._-": "port",
	} {
		if got := serviceName(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
