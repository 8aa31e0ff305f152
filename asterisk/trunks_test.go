package asterisk

import (
	"net/netip"
	"strings"
	"testing"
)

func TestTrunk(t *testing.T) {
	for in, want := range map[string]string{
		"198.51.100.7":                   "198.51.100.7",
		"198.51.100.7:5060":              "198.51.100.7",
		"198.51.100.7/32":                "198.51.100.7",
		"198.51.100.7/255.255.255.255":   "198.51.100.7",
		"198.51.100.7/24":                "198.51.100.0/24",
		"198.51.100.7/255.255.255.0":     "198.51.100.0/24",
		"10.0.0.0/255.0.255.0":           "",
		"10.0.0.0/ffff::":                "",
		"2001:db8::1":                    "2001:db8::1",
		"[2001:db8::1]:5061":             "2001:db8::1",
		"2001:DB8:0::/32":                "2001:db8::/32",
		"::ffff:198.51.100.7":            "198.51.100.7",
		"Sip.Example.COM.":               "sip.example.com",
		"sip.example.com:5070":           "sip.example.com",
		"_sip._udp.example.com":          "_sip._udp.example.com",
		" sip.example.com ":              "sip.example.com",
		"":                               "",
		"dynamic host":                   "",
		"-x.example":                     "",
		"a..example":                     "",
		"300.1.1.1":                      "",
		"127.0.0.1":                      "",
		"127.0.0.0/8":                    "",
		"localhost":                      "",
		"0.0.0.0":                        "",
		"0.0.0.0/0":                      "",
		"fe80::1%eth0":                   "",
		"x:y:z":                          "",
		"host:port":                      "",
		"${TRUNK}":                       "",
		strings.Repeat("a", 64) + ".com": "",
	} {
		got, ok := trunk(in)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

func TestURIHost(t *testing.T) {
	for in, want := range map[string]string{
		"sip:provider.example":                      "provider.example",
		"sip:provider.example:5070":                 "provider.example:5070",
		"SIPS:me:p@ss@provider.example;transport=x": "provider.example",
		`sip:provider.example\;lr\;x=y`:             "provider.example",
		"<sip:me@provider.example;lr>;q=1":          "provider.example",
		`"Me" <sip:me@provider.example?X=y>`:        "provider.example",
		"sip:me@[2001:db8::1]:5061":                 "[2001:db8::1]:5061",
		"provider.example:5070":                     "provider.example:5070",
		"":                                          "",
	} {
		if got := uriHost(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"user@host.example":                                 "host.example",
		"user:secret@host.example:5065/4711":                "host.example:5065",
		"peer?tls://user@domain:se/cr@et:auth@1.2.3.4~3600": "1.2.3.4",
		"nonsense": "",
	} {
		if got := registerHost(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

// TestTrunksOf finds providers wherever the configuration names them; templates alone name none.
func TestTrunksOf(t *testing.T) {
	conf := func(text string) *astConfig { return parseAsterisk(source{name: "x.conf", text: text}, none, false) }
	const nothing = ""
	for _, test := range []struct{ pjsip, wizard, sip, want string }{
		{"[a]\ntype=identify\nmatch=198.51.100.7,198.51.100.8\n", nothing, nothing, "198.51.100.7 198.51.100.8"},
		{"[a]\ntype=registration\nserver_uri=sip:a.example\noutbound_proxy=sip:b.example\n[c]\ntype=aor\ncontact=sip:c.example,sip:d.example\n", nothing, nothing, "a.example b.example c.example d.example"},
		{"[e](!)\ntype=endpoint\noutbound_proxy=sip:e.example\n", nothing, nothing, ""},
		{nothing, "[w]\ntype=wizard\nremote_hosts=w.example:5070\noutbound_proxy=x.example\n", nothing, "w.example x.example"},
		{nothing, nothing, "[a]\ntype=peer\nhost=a.example\n[b]\ntype=friend\nhost=Dynamic\n[c]\ntype=peer\nhost=Static\n[d]\ntype=user\nhost=d.example\n", "a.example"},
		{nothing, nothing, "[t](!)\noutboundproxy=t.example\n", ""},
		{nothing, nothing, "[t](!)\noutboundproxy=t.example\n[a](t)\ntype=peer\nhost=dynamic\n", "t.example"},
		{nothing, nothing, "[general]\noutboundproxy=g.example\nregister=>user:secret@r.example/1\n", "g.example r.example"},
	} {
		if got := strings.Join(trunksOf(conf(test.pjsip), conf(test.wizard), conf(test.sip)), " "); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// FuzzTrunk: a trunk is a host name, an address or a network in its only spelling, and never
// everybody or this host.
func FuzzTrunk(f *testing.F) {
	for _, seed := range []string{"sip:a@b.example:5060;x", "10.0.0.0/255.0.0.0", "[::1]:5060", "a.b/24", "::ffff:1.2.3.4/120", "1.2.3.4:99999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, s := range []string{in, uriHost(in), registerHost(in)} {
			got, ok := trunk(s)
			if !ok {
				continue
			}
			if again, ok := trunk(got); !ok || again != got {
				t.Errorf("%q: %q, and that is %q, %t", s, got, again, ok)
			}
			if p, err := netip.ParsePrefix(got); err == nil && (p.Bits() == 0 || p != p.Masked()) {
				t.Errorf("%q: network %q", s, got)
			}
			if a, err := netip.ParseAddr(got); err == nil && (a.IsLoopback() || a.IsUnspecified()) {
				t.Errorf("%q: address %q", s, got)
			}
			if strings.ContainsAny(got, " \t\n;,'\"$\\<>@") {
				t.Errorf("%q: %q", s, got)
			}
		}
	})
}
