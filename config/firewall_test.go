package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFirewallErrors(t *testing.T) {
	checkErrors(t, []errorCase{
		{"backend", "firewall: {backend: nftables}\n",
			`x:1:21: firewall.backend: unknown value ("nftables"): expected auto, nft or legacy`},
		{"drop_at", "firewall: {drop_at: INPUT}\n",
			`x:1:21: firewall.drop_at: unknown value ("INPUT"): expected auto, input, prerouting or none`},
		{"no rules and base rules", "firewall: {base: true, drop_at: none, local_networks: [10.0.0.0/8]}\n",
			`x:1:33: firewall.drop_at: none leaves all rules to another program, and "base: true" makes voipbl the whole firewall: expected auto, input or prerouting, or "base: false"`},
		{"ipv6", "firewall: {ipv6: on}\n", `x:1:18: firewall.ipv6: unknown value ("on"): expected auto or off`},
		{"log_drops", "firewall: {log_drops: syslog}\n",
			`x:1:23: firewall.log_drops: unknown value ("syslog"): expected off, log or nflog`},
		{"RTP over SIP", "firewall: {rtp: '1024:65535'}\n",
			`x:1:17: firewall.rtp: 1024:65535 has ports of firewall.sip (5060:5061), which has rules of its own: expected other ports, as in Asterisk's rtp.conf, or a change of firewall.sip`},
		{"service on a SIP port", "firewall: {services: [{name: a, proto: tcp, ports: '80,5061'}]}\n",
			`x:1:52: firewall.services[0].ports: 5061 is a port of firewall.sip (5060:5061), which has rules of its own: expected other ports, or a change of firewall.sip`},
		{"base alone", "firewall:\n  base: true\n",
			`x:2:9: firewall.local_networks: needed with "base: true", but empty: expected the networks of your phones and your own, such as ["192.168.1.0/24"]`},
		{"base with an empty list", "firewall:\n  base: true\n  local_networks: []\n",
			`x:3:19: firewall.local_networks: needed with "base: true", but empty: expected the networks of your phones and your own, such as ["192.168.1.0/24"]`},
		{"base with a broken list", "firewall:\n  base: true\n  local_networks: 10.0.0.0/8\n",
			`x:3:19: firewall.local_networks: wrong type, text ("10.0.0.0/8"): expected a list, such as [192.168.1.0/24]`},
		{"SIP port 0", "firewall: {sip: {ports: 0}}\n",
			`x:1:25: firewall.sip.ports: bad ports ("0"): expected ports and ranges within 1..65535, such as "5060:5061" or "5060,5160"`},
		{"SIP port too big", "firewall: {sip: {ports: '65536'}}\n",
			`x:1:25: firewall.sip.ports: bad ports ("65536"): expected ports and ranges within 1..65535, such as "5060:5061" or "5060,5160"`},
		{"SIP ports with a dash", "firewall: {sip: {ports: 5060-5061}}\n",
			`x:1:25: firewall.sip.ports: bad ports ("5060-5061"): expected ports and ranges within 1..65535, such as "5060:5061" or "5060,5160"`},
		{"SIP ports twice", "firewall: {sip: {ports: '5060,5160,5060:5061'}}\n",
			`x:1:25: firewall.sip.ports: 5060 and 5060:5061 overlap ("5060,5160,5060:5061"): expected each port once, such as "80,443"`},
		{"SIP ports that no rule holds", "firewall: {sip: {ports: [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, '30:40']}}\n",
			`x:1:25: firewall.sip.ports: too many ports ("1,3,5,7,9,11,13,15,17,19,21,23,25,27,30:40"): expected at most 15, where a range counts as two; let one range hold several of them, such as "5060:5090"`},
		{"no SIP ports", "firewall: {sip: {ports: []}}\n",
			`x:1:25: firewall.sip.ports: bad ports (""): expected ports and ranges within 1..65535, such as "5060:5061" or "5060,5160"`},
		{"SIP ports of a wrong type", "firewall: {sip: {ports: [5060, {a: 1}]}}\n",
			`x:1:32: firewall.sip.ports[1]: wrong type, keys with values: expected a port or a range within 1..65535, such as "5060" or "5060:5061"`},
		{"a mapping of SIP ports", "firewall: {sip: {ports: {udp: 5060}}}\n",
			`x:1:25: firewall.sip.ports: wrong type, keys with values: expected text, such as "5060:5061"`},
		{"RTP over the second port of SIP", "firewall: {sip: {ports: [5060, 10100]}}\n",
			`x:1:11: firewall.rtp: 10000:20000 has ports of firewall.sip (5060,10100), which has rules of its own: expected other ports, as in Asterisk's rtp.conf, or a change of firewall.sip`},
		{"RTP backwards", "firewall: {rtp: '20000:10000'}\n",
			`x:1:17: firewall.rtp: bad port or range ("20000:10000"): expected a port or a range within 1..65535, such as "5060" or "5060:5061"`},
		{"RTP open end", "firewall: {rtp: '10000:'}\n",
			`x:1:17: firewall.rtp: bad port or range ("10000:"): expected a port or a range within 1..65535, such as "5060" or "5060:5061"`},
		{"RTP in hexadecimal", "firewall: {rtp: 0x2710}\n",
			`x:1:17: firewall.rtp: bad port or range ("0x2710"): expected a port or a range within 1..65535, such as "5060" or "5060:5061"`},
		{"empty service", "firewall:\n  services:\n    - {}\n",
			`x:3:7: firewall.services[0].name: this key is missing: expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"
x:3:7: firewall.services[0].proto: this key is missing: expected tcp or udp, or esp, gre, ipip, 6in4
x:3:7: firewall.services[0].ports: this key is missing: expected ports and ranges within 1..65535, such as "80,443" or "137:139,445"`},
		{"service name", "firewall: {services: [{name: Web UI, proto: tcp, ports: 80}]}\n",
			`x:1:30: firewall.services[0].name: bad name ("Web UI"): expected up to 64 of a-z, 0-9, ".", "_" and "-", the first a letter or digit, such as "my-list"`},
		{"protocol", "firewall: {services: [{name: a, proto: sctp, ports: 80}]}\n",
			`x:1:40: firewall.services[0].proto: unknown value ("sctp"): expected tcp, udp, esp, gre, ipip or 6in4`},
		{"ports of a protocol without ports", "firewall: {services: [{name: a, proto: esp, ports: 80}]}\n",
			`x:1:52: firewall.services[0].ports: esp has no ports: expected no such key`},
		{"from", "firewall: {services: [{name: a, proto: tcp, ports: 80, from: wan}]}\n",
			`x:1:62: firewall.services[0].from: unknown value ("wan"): expected lan or any`},
		{"no ports", "firewall: {services: [{name: a, proto: tcp, ports: ''}]}\n",
			`x:1:52: firewall.services[0].ports: bad ports (""): expected ports and ranges within 1..65535, such as "80,443" or "137:139,445"`},
		{"a list of ports with a list in it", "firewall: {services: [{name: a, proto: tcp, ports: [80, [443]]}]}\n",
			`x:1:57: firewall.services[0].ports[1]: wrong type, a list: expected a port or a range within 1..65535, such as "5060" or "5060:5061"`},
		{"ports with a gap", "firewall: {services: [{name: a, proto: tcp, ports: '80,,443'}]}\n",
			`x:1:52: firewall.services[0].ports: bad ports ("80,,443"): expected ports and ranges within 1..65535, such as "80,443" or "137:139,445"`},
		{"overlap", "firewall: {services: [{name: a, proto: tcp, ports: '80:90,85'}]}\n",
			`x:1:52: firewall.services[0].ports: 80:90 and 85 overlap ("80:90,85"): expected each port once, such as "80,443"`},
		{"too many ports", "firewall: {services: [{name: a, proto: tcp, ports: '1,2,3,4,5,6,7,8,9,10,11,12,13,14,20:30'}]}\n",
			`x:1:52: firewall.services[0].ports: too many ports ("1,2,3,4,5,6,7,8,9,10,11,12,13,14,20:30"): expected at most 15, where a range counts as two; write a second service for the others`},
		{"same service", "firewall:\n  services:\n    - {name: ntp, proto: tcp, ports: 123}\n    - {name: ntp, proto: udp, ports: 123}\n    - {name: ntp, proto: udp, ports: 124}\n",
			`x:5:14: firewall.services[2].name: firewall.services[1] has the same name and protocol ("ntp"): expected each name once for a protocol; put the ports together, such as "80,443"`},
	})
}

// TestServicesReplace: a written list of services replaces the built-in one, even if it
// is empty.
func TestServicesReplace(t *testing.T) {
	if c := mustParse(t, "firewall: {services: []}\n"); len(c.Firewall.Services) != 0 {
		t.Errorf("got %+v", c.Firewall.Services)
	}
	c := mustParse(t, "firewall: {base: true, local_networks: [10.0.0.0/8], services: [{name: a, proto: tcp, ports: 80}]}\n")
	if len(c.Firewall.Services) != 1 || c.Firewall.Services[0].From != FromLAN {
		t.Errorf("got %+v", c.Firewall.Services)
	}
}

// TestPortless: a service whose protocol has no ports has none, also after it is
// written back.
func TestPortless(t *testing.T) {
	for _, proto := range portless {
		c := mustParse(t, "firewall: {services: [{name: vpn, proto: "+proto+", from: any}]}\n")
		text := c.YAML()
		want := []Service{{Name: "vpn", Proto: proto, From: FromAny}}
		if d := cmp.Diff(want, c.Firewall.Services); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(want, mustParse(t, string(text)).Firewall.Services); d != "" {
			t.Errorf("%s\n%s", d, text)
		}
	}
}

// TestPortForms: ports may be written as a number, a range, text with commas or a list.
func TestPortForms(t *testing.T) {
	for text, want := range map[string]string{
		"5060":                         "5060",
		"5060:5061":                    "5060:5061",
		"'5060,5160'":                  "5060,5160",
		"5060, 5160":                   "5060,5160",
		"[5060, 5160]":                 "5060,5160",
		"[5160, '5060:5061']":          "5060:5061,5160",
		"['5060,5061', 5062]":          "5060:5062",
		"[5160, 5062, 5060:5061]":      "5060:5062,5160",
		"\n      - 5160\n      - 5060": "5060,5160",
		"[65535, 65534]":               "65534:65535",
		"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,18]": "1:16,18",
		"[1,3,5,7,9,11,13,15,17,19,21,23,25,27,29]":   "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29",
	} {
		c, err := Parse("x", []byte("firewall:\n  sip:\n    ports: "+text+"\n"))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := c.Firewall.SIP.Ports.String(); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	c := mustParse(t, "firewall: {services: [{name: web, proto: tcp, ports: [443, 80, '8000:8080']}]}\n")
	if got := formatPorts(c.Firewall.Services[0].Ports); got != "443,80,8000:8080" {
		t.Errorf("a service has %s", got)
	}
}
