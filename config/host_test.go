package config

import (
	"net/netip"
	"testing"
)

func TestHostErrors(t *testing.T) {
	checkErrors(t, []errorCase{
		{"short address", "allow: [10.0.0]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("10.0.0"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"version", "allow: [1.2.3]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("1.2.3"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"octet too big", "allow: [192.0.2.256]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("192.0.2.256"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"leading zero", "allow: [192.0.2.01]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("192.0.2.01"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"placeholder", "allow: [xxx.xxx.xxx.xxx/24]\n",
			`x:1:9: allow[0]: broken address or network ("xxx.xxx.xxx.xxx/24"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"underscore", "allow: [known_external_proxy]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("known_external_proxy"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"empty", "allow: ['']\n",
			`x:1:9: allow[0]: neither an address nor a host name (""): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"dot", "allow: [.]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("."): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"empty label", "allow: [a..example]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("a..example"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"dash first", "allow: [-a.example]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("-a.example"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"dash last", "allow: [a-.example]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("a-.example"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"long label", "allow: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"long name", "allow: [a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.example]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.…"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"not ASCII", "allow: [bücher.example]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("bücher.example"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"host bits", "allow: [192.168.1.10/24]\n",
			`x:1:9: allow[0]: network with host bits set ("192.168.1.10/24"): expected "192.168.1.0/24", or "192.168.1.10" for the one address`},
		{"host bits, IPv6", "allow: ['2001:db8::1/64']\n",
			`x:1:9: allow[0]: network with host bits set ("2001:db8::1/64"): expected "2001:db8::/64", or "2001:db8::1" for the one address`},
		{"everything", "allow: [0.0.0.0/0]\n",
			`x:1:9: allow[0]: network too wide ("0.0.0.0/0"): expected a /8 or narrower, as this would switch the protection off`},
		{"half", "firewall: {trunks: [0.0.0.0/1]}\n",
			`x:1:21: firewall.trunks[0]: network too wide ("0.0.0.0/1"): expected a /8 or narrower, as this would switch the protection off`},
		{"everything, IPv6", "allow: ['::/0']\n",
			`x:1:9: allow[0]: network too wide ("::/0"): expected a /19 or narrower, as this would switch the protection off`},
		{"everything mapped", "allow: ['::ffff:0.0.0.0/96']\n",
			`x:1:9: allow[0]: network too wide ("::ffff:0.0.0.0/96"): expected a /8 or narrower, as this would switch the protection off`},
		{"/18, IPv6", "firewall: {local_networks: ['2000::/18']}\n",
			`x:1:29: firewall.local_networks[0]: network too wide ("2000::/18"): expected a /19 or narrower, as this would switch the protection off`},
		{"prefix too long", "allow: [192.0.2.0/33]\n",
			`x:1:9: allow[0]: broken address or network ("192.0.2.0/33"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"zone", "allow: [fe80::1%eth0]\n",
			`x:1:9: allow[0]: address with a zone ("fe80::1%eth0"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"port", "allow: ['192.0.2.1:5060']\n",
			`x:1:9: allow[0]: broken address or network ("192.0.2.1:5060"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"URL", "allow: ['https://example.net/']\n",
			`x:1:9: allow[0]: broken address or network ("https://example.net/"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"range", "allow: [192.0.2.1-192.0.2.9]\n",
			`x:1:9: allow[0]: neither an address nor a host name ("192.0.2.1-192.0.2.9"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"trunk", "firewall: {trunks: [a_b]}\n",
			`x:1:21: firewall.trunks[0]: neither an address nor a host name ("a_b"): expected an address, a network or a name, such as "203.0.113.10", "198.51.100.0/24" or "trunk.example.net"`},
		{"name as a network", "firewall: {local_networks: [lan.example]}\n",
			`x:1:29: firewall.local_networks[0]: broken address or network ("lan.example"): expected a network, such as "192.168.1.0/24"`},
		{"network's host bits", "firewall: {local_networks: [192.168.1.1/24]}\n",
			`x:1:29: firewall.local_networks[0]: network with host bits set ("192.168.1.1/24"): expected "192.168.1.0/24", or "192.168.1.1" for the one address`},
	})
}

func TestHosts(t *testing.T) {
	prefix := func(s string) Host { return Host{Prefix: netip.MustParsePrefix(s)} }
	name := func(s string) Host { return Host{Name: s} }
	for _, c := range []struct {
		in   string
		want Host
		out  string
	}{
		{"203.0.113.10", prefix("203.0.113.10/32"), "203.0.113.10"},
		{"203.0.113.10/32", prefix("203.0.113.10/32"), "203.0.113.10"},
		{"10.0.0.0/8", prefix("10.0.0.0/8"), "10.0.0.0/8"},
		{"2001:DB8::1", prefix("2001:db8::1/128"), "2001:db8::1"},
		{"2000::/19", prefix("2000::/19"), "2000::/19"},
		{"fc00::/7", prefix("fc00::/7"), "fc00::/7"},
		{"fe80::/10", prefix("fe80::/10"), "fe80::/10"},
		{"::ffff:192.0.2.1", prefix("192.0.2.1/32"), "192.0.2.1"},
		{"::ffff:c000:200/120", prefix("192.0.2.0/24"), "192.0.2.0/24"},
		{"::ffff:10.0.0.0/104", prefix("10.0.0.0/8"), "10.0.0.0/8"},
		{"localhost", name("localhost"), "localhost"},
		{"SIP.Example.NET.", name("sip.example.net."), "sip.example.net."},
		{"3com.example", name("3com.example"), "3com.example"},
		{"xn--bcher-kva.example", name("xn--bcher-kva.example"), "xn--bcher-kva.example"},
		{"1.2.3a", name("1.2.3a"), "1.2.3a"},
	} {
		got, f := parseHost(c.in)
		if f != nil {
			t.Errorf("%q: %s", c.in, f.problem)
		} else if got != c.want || got.String() != c.out {
			t.Errorf("%q is %+v, written %q; want %+v, written %q", c.in, got, got, c.want, c.out)
		}
	}
}
