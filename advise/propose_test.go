package advise

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/engines"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/survey"
)

var update = flag.Bool("update", false, "write the golden files anew")

func shipped(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../packaging/voipbl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func asteriskWith(sip []uint16, first, last uint16, trunks ...string) *asterisk.Facts {
	a := &asterisk.Facts{RTP: [2]uint16{first, last}, Trunks: trunks}
	for _, p := range sip {
		a.SIP = append(a.SIP, host.Port{Proto: "udp", Port: p})
	}
	return a
}

// requests are the hosts of the golden files.
func requests(t *testing.T) map[string]Request {
	bare := []reach.KernelRules{kernel(t, firewall.NFT, true, nil, nil)}
	lan := []host.Network{network("eth0", "192.168.1.2/24"), network("eth0", "2001:db8::2/64"), network("wg0", "10.8.0.1/24"), network("wg0", "10.9.0.1/32")}
	bridge := network("docker0", "172.17.0.1/16")
	bridge.Container = true
	return map[string]Request{
		"asterisk": {Rules: bare, Facts: survey.Facts{
			Networks: lan, Asterisk: asteriskWith([]uint16{5060}, 10000, 20000, "sip.example.net", "203.0.113.0/28", "192.168.1.9"),
			Listeners: []host.Listener{listener("tcp", 2222, "sshd"), listener("udp", 5060, "asterisk")},
		}},
		"freepbx": {
			Rules: []reach.KernelRules{kernel(t, firewall.NFT, true, []string{"INPUT -j fpbxfirewall", "fpbxfirewall -i lo -j ACCEPT"}, nil)}, Owners: []string{"FreePBX's firewall"},
			Facts: survey.Facts{
				Networks: lan, Asterisk: asteriskWith([]uint16{5060, 5160}, 10000, 20000, "sip.example.net"),
				PBXs:      []engines.PBX{{Name: "freepbx", Running: true}},
				Firewalls: []host.Owner{{Name: "freepbx-firewall", Active: true, AtBoot: true}},
				Listeners: []host.Listener{listener("tcp", 22, "sshd")},
			},
		},
		"kamailio-docker": {
			Rules: []reach.KernelRules{kernel(t, firewall.NFT, true, []string{"nat:DOCKER ! -i docker0 -p udp -m udp --dport 5060 -j DNAT --to-destination 172.17.0.2:5060"}, nil)},
			Facts: survey.Facts{
				Networks: []host.Network{network("eth0", "198.51.100.2/24"), bridge}, Docker: &host.Docker{Running: true},
				Listeners: []host.Listener{listener("udp", 5070, "kamailio"), listener("tcp", 5070, "kamailio"), listener("tcp", 22, "sshd")},
			},
		},
		"ufw": {Rules: bare, Owners: []string{"ufw"}, Facts: survey.Facts{
			Networks: lan[:1], Asterisk: asteriskWith([]uint16{5080}, 16384, 32768), Firewalls: []host.Owner{{Name: "ufw", Active: true}},
		}},
		"webrtc": {Rules: bare, Facts: survey.Facts{
			Networks: lan[:1],
			Asterisk: &asterisk.Facts{
				SIP: []host.Port{{Proto: "udp", Port: 5060}, {Proto: "udp", Port: 5160}, {Proto: "tcp", Port: 5061}}, RTP: [2]uint16{10000, 20000}, Trunks: []string{"sip.example.net"},
				IAX2:       &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4570}}, Trunks: []string{"iax.example.net", "sip.example.net"}, Accounts: true},
				WebSockets: []host.WebSocket{{Port: 8088}, {Port: 8089, TLS: true}},
			},
		}},
		"freeswitch": {Rules: bare, Text: []byte("firewall:\n  base: true\n  local_networks: [192.168.1.0/24]\n"), Facts: survey.Facts{
			Networks:  lan[:1],
			PBXs:      []engines.PBX{{Name: "freeswitch", SIP: []host.Port{{Proto: "udp", Port: 5060}, {Proto: "tcp", Port: 5060}, {Proto: "udp", Port: 5080}}}},
			Listeners: []host.Listener{listener("tcp", 5061, "freeswitch"), listener("tcp", 5081, "freeswitch"), listener("tcp", 7443, "freeswitch"), listener("tcp", 8021, "freeswitch")},
		}},
		"unknown": {Rules: bare},
		"base":    {Rules: bare, Base: true, Networks: []string{"198.51.100.0/24"}, Trunks: []string{"sip.example.org"}, Facts: survey.Facts{Networks: lan[:1]}},
		"own": {
			Rules: append(slices.Clone(bare), kernel(t, firewall.Legacy, false, []string{"INPUT -j LOG"}, nil)),
			Text: []byte(`# Ours, since 2019.
set: blocked      # old name
allow: [198.51.100.0/24]
firewall:
    # the office
    local_networks:
    - 192.168.1.0/24
    trunks:
        - sip.example.com   # main line
    sip: {public: false}
    rtp: "10000:12000"
    drop_at: input

metrics: {listen: ""}
`),
			Facts: survey.Facts{
				Networks: lan, Docker: &host.Docker{Running: true},
				Asterisk:  asteriskWith([]uint16{5062}, 10000, 20000, "sip.example.net", "SIP.example.com", "198.51.100.9"),
				Listeners: []host.Listener{listener("tcp", 2222, "sshd")},
			},
		},
		"own-flow": {
			Rules: bare, Text: []byte("firewall: {local_networks: [10.0.0.0/8]}\n"),
			Facts: survey.Facts{Asterisk: asteriskWith([]uint16{5060, 6060}, 5000, 5100, "sip.example.net")},
		},
	}
}

// TestProposals compares choices and the changed lines of the text with golden files.
func TestProposals(t *testing.T) {
	for name, r := range requests(t) {
		t.Run(name, func(t *testing.T) {
			r.Shipped = shipped(t)
			p, err := Propose(r)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, c := range p.Choices {
				fmt.Fprintf(&b, "%s %s: %s\n    %s\n", c.State, c.Key, c.Value, c.Why)
			}
			fmt.Fprintf(&b, "base fits: %t\n", p.BaseFits)
			from := r.Text
			if from == nil {
				from = r.Shipped
			}
			b.WriteString(changedLines(string(from), string(p.Text)))
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(b.String()), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: write it with -update, and read it", err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
				t.Errorf("not as in %s (-want +got):\n%s", file, diff)
			}

			// The text says what is proposed, and a second proposal for the same host changes nothing.
			got, err := config.Parse("", p.Text)
			if err != nil || !got.Equal(p.Config) {
				t.Errorf("the text says something else: %v", err)
			}
			r.Text = p.Text
			again, err := Propose(r)
			if err != nil || again.Changed || string(again.Text) != string(p.Text) {
				t.Errorf("a second time it is changed: %v\n%s", err, changedLines(string(p.Text), string(again.Text)))
			}
		})
	}
}

// changedLines returns the lines that only one of two texts has.
func changedLines(old, new string) string {
	var b strings.Builder
	have := make(map[string]int)
	for line := range strings.Lines(old) {
		have[line]++
	}
	for line := range strings.Lines(new) {
		if have[line]--; have[line] < 0 {
			b.WriteString("+" + line)
		}
	}
	for line := range strings.Lines(old) {
		if have[line] > 0 {
			have[line]--
			b.WriteString("-" + line)
		}
	}
	return b.String()
}

func TestRefusedProposals(t *testing.T) {
	lan := survey.Facts{Networks: []host.Network{network("eth0", "192.168.1.2/24")}}
	for _, test := range []struct {
		name string
		r    Request
		want string
	}{
		{"no networks", Request{Base: true}, "without a local network"},
		{"another firewall by its rules", Request{Base: true, Facts: lan, Owners: []string{"ufw"}}, "ufw is the firewall of this host"},
		{"another firewall by its service", Request{Base: true, Facts: survey.Facts{Networks: lan.Networks, Firewalls: []host.Owner{{Name: "firewalld", Active: true}}}}, "firewalld is the firewall"},
		{"a bad network", Request{Networks: []string{"0.0.0.0/0"}}, "--local 0.0.0.0/0: network too wide"},
		{"a bad trunk", Request{Trunks: []string{"10.0.0"}}, "--trunk 10.0.0: neither an address nor a host name"},
		{"a form that is not changed", Request{Base: true, Networks: nil, Text: []byte("firewall: {local_networks: [10.0.0.0/8]}")}, "of a form that is not changed by itself"},
		{"a broken text", Request{Text: []byte("sett: x")}, "unknown key"},
	} {
		test.r.Shipped = shipped(t)
		if _, err := Propose(test.r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	beside := Request{Base: true, Owners: []string{"ufw"}, Facts: lan, Text: []byte("firewall:\n  beside_others: true\n")}
	if p, err := Propose(beside); err != nil || !p.Config.Firewall.Base {
		t.Errorf("beside others, as the admin has it: %v", err)
	}
	idle := Request{Base: true, Shipped: shipped(t), Facts: survey.Facts{Networks: lan.Networks, Firewalls: []host.Owner{{Name: "ufw"}, {Name: "netfilter-persistent", Active: true}}}}
	if p, err := Propose(idle); err != nil || !p.Config.Firewall.Base {
		t.Errorf("beside a ufw that is off: %v", err)
	}
}

// TestNothingIsLost: in a configuration of any form, a proposal changes only the keys that it
// names.
func TestNothingIsLost(t *testing.T) {
	facts := survey.Facts{
		Networks:  []host.Network{network("eth0", "192.168.1.2/24")},
		Asterisk:  asteriskWith([]uint16{5160}, 12000, 13000, "sip.example.net"),
		Listeners: []host.Listener{listener("tcp", 2222, "sshd")},
		Docker:    &host.Docker{Running: true},
	}
	for _, text := range []string{
		"", "# nothing\n", "{}\n", "---\nset: x\n", "firewall:\n  trunks: []\n", "\xef\xbb\xbffirewall:\n  rtp: 10000:20000 # as ever\n",
		"firewall: {trunks: [a.example.net]}", "firewall:\r\n  trunks: [a.example.net]\r\n", "\"firewall\":\n  trunks: []\n",
		"firewall:\n  sip:\n    public: false\nset: y", "firewall:\n  sip: {public: false} # never\n", "firewall:\n  sip:\n    ports: 5060:5061\n\n\n# end",
		"firewall:\n  services:\n  - name: ssh\n    proto: tcp\n    ports: 22\n  - {name: x, proto: udp, ports: 9}\n",
		"firewall:\n  services:\n    - {name: ssh, proto: tcp, ports: \"22\"} # mine\n    - {name: ssh, proto: udp, ports: 22}\nallow:\n- 9.9.9.9\n",
		"firewall:\n  local_networks:\n  # those\n  - 10.0.0.0/8\n\n  - 172.16.0.0/12\n  trunks: # none\n    []\n  drop_outbound: true\n",
		"set: |-\n  firewall\nallow: [\n  9.9.9.9,\n ]\n", "firewall:\n  log_drops: \"log\"\n  # setup: an old reason\n  trunks: []\n",
	} {
		before, err := config.Parse("", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		p, err := Propose(Request{Facts: facts, Text: []byte(text)})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		after, err := config.Parse("", p.Text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		named := make(map[string]bool)
		for _, c := range p.Choices {
			named[c.Key] = c.State == Set
		}
		back := after
		for key, undo := range map[string]func(){
			keyNetworks: func() { back.Firewall.LocalNetworks = before.Firewall.LocalNetworks },
			keyTrunks:   func() { back.Firewall.Trunks = before.Firewall.Trunks },
			keySIPPorts: func() { back.Firewall.SIP.Ports = before.Firewall.SIP.Ports },
			keyRTP:      func() { back.Firewall.RTP = before.Firewall.RTP },
			keyServices: func() { back.Firewall.Services = before.Firewall.Services },
			keyDropAt:   func() { back.Firewall.DropAt = before.Firewall.DropAt },
		} {
			if named[key] {
				undo()
			}
		}
		if !back.Equal(before) {
			t.Errorf("%q: more is changed than is said:\n%s", text, p.Text)
		}
		for _, h := range before.Firewall.Trunks {
			if !slices.Contains(after.Firewall.Trunks, h) {
				t.Errorf("%q: the trunk %s is lost", text, h)
			}
		}
		for _, line := range strings.Split(text, "\n") {
			if _, comment, found := strings.Cut(line, "# "); found && !strings.HasPrefix(comment, "setup:") && !strings.Contains(string(p.Text), comment) {
				t.Errorf("%q: a comment is lost:\n%s", text, p.Text)
			}
		}
		if n := strings.Count(string(p.Text), "an old reason"); n > 0 {
			t.Errorf("%q: an old reason stays:\n%s", text, p.Text)
		}
	}
}

// TestPortsInTheWay: a port of SIP that a service has for another protocol is left to the
// admin, with the reason.
func TestPortsInTheWay(t *testing.T) {
	text := "firewall:\n  services:\n    - {name: x, proto: tcp, ports: 5160, from: any}\n"
	p, err := Propose(Request{Text: []byte(text), Facts: survey.Facts{Asterisk: asteriskWith([]uint16{5060, 5160}, 10000, 20000)}})
	if err != nil || string(p.Text) != text {
		t.Fatalf("%v\n%s", err, p.Text)
	}
	if i := slices.IndexFunc(p.Choices, func(c Choice) bool { return c.Key == keySIPPorts }); p.Choices[i].State != ByHand || !strings.Contains(p.Choices[i].Why, "has some of 5060,5160 too") {
		t.Errorf("%+v", p.Choices[i])
	}
}

func TestSIPPorts(t *testing.T) {
	f := survey.Facts{
		Asterisk:  &asterisk.Facts{SIP: []host.Port{{Proto: "udp", Port: 5061}, {Proto: "wss", Port: 8089}, {Proto: "tcp", Port: 5060}}},
		Listeners: []host.Listener{listener("udp", 5070, "opensips"), listener("udp", 9, "other"), listener("tcp", 9, "kamailio"), listener("udp", 5061, "kamailio"), {Proto: "udp", Addr: netip.IPv6Unspecified(), Port: 5070, Program: "opensips"}},
	}
	if got := fmt.Sprint(SIPPorts(f)); got != "[{tcp 9} {tcp 5060} {udp 5061} {udp 5070}]" {
		t.Error(got)
	}
}
