package asterisk

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/voipbl/voipbl/host"
)

func TestRTPPorts(t *testing.T) {
	for text, want := range map[string][2]uint16{
		"":                          {5000, 31000},
		"[general]\nrtpstart=10000": {10000, 31000},
		"[general]\nrtpend=20000":   {5000, 20000},
		"[general]\nrtpstart=10001\nrtpend=20000":                 {10002, 20000},
		"[general]\nrtpstart=1\nrtpend=99999":                     {1024, 65535},
		"[general]\nrtpstart=20000\nrtpend=10000":                 {5000, 31000},
		"[general]\nrtpstart=x\nrtpend=20000x":                    {1024, 20000},
		"[general](!)\nrtpstart=10000":                            {5000, 31000},
		"[general]\nrtpstart=10000\nrtpstart=12000\nrtpend=12100": {12000, 12100},
		"[general]\nrtpend=99999999999999999999\nrtpstart=30000":  {30000, 65535},
	} {
		if got := rtpPorts(parseAsterisk(source{"rtp.conf", text}, none, true)); got != want {
			t.Errorf("%q: %d, not %d", text, got, want)
		}
	}
}

func TestSIPPorts(t *testing.T) {
	for _, c := range []struct {
		text    string
		want    []host.Port
		problem string
	}{
		// These are the ports that Asterisk 16 listened on.
		{"bindport=5160", []host.Port{{Proto: "udp", Port: 5160}}, ""},
		{"bindaddr=0.0.0.0:5161\nbindport=5160\ntcpenable=yes", []host.Port{{Proto: "udp", Port: 5160}, {Proto: "tcp", Port: 5160}}, ""},
		{"udpbindaddr=10.77.0.1:5161\ntcpenable=yes", []host.Port{{Proto: "udp", Port: 5161}, {Proto: "tcp", Port: 5161}}, ""},
		{"bindport=5160\ntcpenable=yes\ntcpbindaddr=0.0.0.0", []host.Port{{Proto: "udp", Port: 5160}, {Proto: "tcp", Port: 5060}}, ""},
		{"udpbindaddr=127.0.0.1\ntcpenable=yes", nil, ""},
		{"bindaddr=10.77.0.1\nudpbindaddr=0.0.0.0:5163", []host.Port{{Proto: "udp", Port: 5163}}, ""},
		{"udpbindaddr=0.0.0.0:5163\nbindaddr=10.77.0.1:5164", []host.Port{{Proto: "udp", Port: 5164}}, ""},

		{"", []host.Port{{Proto: "udp", Port: 5060}}, ""},
		{"udpbindaddr=::1\ntcpenable=yes\ntcpbindaddr=[::]:5070", []host.Port{{Proto: "tcp", Port: 5070}}, ""},
		{"bindport=5160\ntcpenable=on\ntlsenable=1", []host.Port{{Proto: "udp", Port: 5160}, {Proto: "tcp", Port: 5160}, {Proto: "tcp", Port: 5061}}, ""},
		{"tcpenable=no\ntcpbindaddr=0.0.0.0:5070", []host.Port{{Proto: "udp", Port: 5060}}, ""},
		{"tlsenable=true\ntlsbindaddr=10.0.0.1:5071", []host.Port{{Proto: "udp", Port: 5060}, {Proto: "tcp", Port: 5071}}, ""},
		{"bindport=0", []host.Port{{Proto: "udp", Port: 5060}}, `"0" is no port`},
		{"bindaddr=[::1", nil, "closing bracket"},
	} {
		got, err := sipPorts(parseAsterisk(source{"sip.conf", "[general]\n" + c.text}, none, true))
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q: %s", c.text, d)
		}
		if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%q: error %v, not %q", c.text, err, c.problem)
		}
	}
}

func TestLoadsModule(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                     true,
		"autoload=yes":                         true,
		"autoload=yes\nnoload=chan_sip.so":     false,
		"noload => chan_sip":                   false,
		"noload=chan_sip2.so":                  true,
		"autoload=no":                          false,
		"autoload=no\nload=chan_sip.so":        true,
		"autoload=no\nrequire = chan_sip":      true,
		"load=chan_sip.so\nnoload=chan_sip.so": false,
	} {
		if got := loadsModule(parseAsterisk(source{"modules.conf", "[modules]\n" + text}, none, true).section("modules"), "chan_sip"); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestContacts reads what Asterisk 22 printed for two phones. The first had a private address in
// Via and Contact: once with "rewrite_contact" and once without.
func TestContacts(t *testing.T) {
	text, err := os.ReadFile("testdata/contacts.txt")
	if err != nil {
		t.Fatal(err)
	}
	addrs := func(s ...string) (all []netip.Addr) {
		for _, a := range s {
			all = append(all, netip.MustParseAddr(a))
		}
		return all
	}
	registered := time.Unix(1795548196, 0).Add(-time.Hour)
	if d := cmp.Diff(addrs("10.77.0.3", "10.77.0.2", "192.168.7.7"), pjsipContacts(string(text), registered), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	if late := pjsipContacts(string(text), registered.Add(2*time.Hour)); late != nil {
		t.Errorf("an hour later there are %s", late)
	}
	for line, want := range map[string][]netip.Addr{
		`/registrar/contact/1;@x : {"uri":"sip:1@[2001:db8::1]:5060^3Btransport=udp"}`:      addrs("2001:db8::1"),
		`/registrar/contact/1;@x : {"uri":"sip:1@phone.example","via_addr":"198.51.100.1"}`: addrs("198.51.100.1"),
		`/registrar/contact/1;@x : {"uri":"sip:1@127.0.0.1","via_addr":"::1"}`:              nil,
		`/registrar/contact/1;@x : {"uri":"sip:1@10.0.0.1","expiration_time":"0"}`:          addrs("10.0.0.1"),
		`/registrar/contact/1;@x : {"uri":"sip:1@10.0.0.1"`:                                 nil,
		`/registrar/other/1 : {"uri":"sip:1@10.0.0.1"}`:                                     nil,
		"Unable to connect to remote asterisk (does /var/run/asterisk/asterisk.ctl exist?)": nil,
	} {
		if got := pjsipContacts(line, registered); !cmp.Equal(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
			t.Errorf("%s: %s", line, got)
		}
	}
	old := "/SIP/Registry/100                                 : 10.0.0.5:5060:3600:100:sip:100@10.0.0.5:5060\n" +
		"/SIP/Registry/101                                 : [2001:db8::5]:5060:3600:101:sip:101@x\n" +
		"/SIP/Registry/102 : x\n2 results found.\n"
	if d := cmp.Diff(addrs("10.0.0.5", "2001:db8::5"), sipContacts(old), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
}
