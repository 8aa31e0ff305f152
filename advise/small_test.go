package advise

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/engines"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/survey"
)

// TestEdits changes texts of many layouts: one that cannot be changed safely stays as it is.
func TestEdits(t *testing.T) {
	set := func(value string, path ...string) func(string) (string, bool) {
		return func(text string) (string, bool) { return setKey(text, path, value, "why") }
	}
	add := func(path ...string) func(string) (string, bool) {
		return func(text string) (string, bool) { return addItems(text, path, []string{"new"}, "why") }
	}
	ssh := func(text string) (string, bool) { return setSSH(text, "2222", "why") }
	for _, test := range []struct {
		name       string
		edit       func(string) (string, bool)
		text, want string // "" where it is not changed
	}{
		{"the first key", set("y", "set"), "set: x\n", "# setup: why\nset: y\n"},
		{"in place of an older reason", set("y", "set"), "# setup: old\nset: x # mine\n", "# setup: why\nset: y # mine\n"},
		{"the first below a key", set("3:4", "firewall", "rtp"), "firewall:\n  rtp: 1:2\n  base: true\n", "firewall:\n  # setup: why\n  rtp: 3:4\n  base: true\n"},
		{"one more below a key", set("3:4", "firewall", "rtp"), "firewall:\n  base: true\nset: x\n", "firewall:\n  base: true\n  # setup: why\n  rtp: 3:4\nset: x\n"},
		{"behind a tab", set("y", "set"), "set:\tx\n", "# setup: why\nset: y\n"},
		{"a longer key", set("y", "set"), "settle: x\n", "settle: x\n# setup: why\nset: y\n"},
		{"a list becomes another", set("[c]", "firewall", "trunks"), "firewall:\n  trunks:\n    - a\n    - b\n  rtp: 1:2\n", "firewall:\n  # setup: why\n  trunks: [c]\n  rtp: 1:2\n"},
		{"a list as far left as its key", set("[c]", "allow"), "allow:\n- a\n- b\nset: x\n", "# setup: why\nallow: [c]\nset: x\n"},
		{"nothing is there", set("y", "metrics", "listen"), "", "metrics:\n  # setup: why\n  listen: y\n"},
		{"no line end", set("y", "metrics", "listen"), "set: x", "set: x\nmetrics:\n  # setup: why\n  listen: y\n"},
		{"a key between is missing", set("y", "firewall", "sip", "ports"), "firewall:\n  base: true\n", ""},
		{"another form", set("y", "firewall", "rtp"), "firewall: {base: true}\n", ""},
		{"a list where keys should be", set("y", "firewall", "rtp"), "firewall:\n- rtp: 1:2\n", ""},
		{"nothing below", set("y", "firewall", "rtp"), "firewall:\nset: x\n", ""},

		{"an item", add("firewall", "trunks"), "firewall:\n  trunks:\n    - a # main\n  rtp: 1:2\n", "firewall:\n  trunks:\n    - a # main\n    # setup: why\n    - new\n  rtp: 1:2\n"},
		{"an item of the first key", add("allow"), "allow:\n- a\nset: x\n", "allow:\n- a\n# setup: why\n- new\nset: x\n"},
		{"an item of no list", add("allow"), "allow:\n  x: 1\n", ""},
		{"an item of an empty list", add("allow"), "allow:\nset: x\n", ""},
		{"an item of a list on one line", add("firewall", "trunks"), "firewall:\n  trunks: [a]\n", ""},
		{"an item of a list that is not there", add("firewall", "trunks"), "firewall:\n  rtp: 1:2\n", ""},
		{"an item below a list", add("firewall", "trunks"), "firewall:\n- trunks:\n  - a\n", ""},

		{"ssh", ssh, "firewall:\n  services:\n    - {name: ssh, proto: tcp, ports: 22} # mine\n", "firewall:\n  services:\n    # setup: why\n    - {name: ssh, proto: tcp, ports: \"2222\"} # mine\n"},
		{"ssh, in place of an older reason", ssh, "services:\n  # setup: old\n  - {name: ssh, proto: tcp, ports: \"22\"}\n", "services:\n  # setup: why\n  - {name: ssh, proto: tcp, ports: \"2222\"}\n"},
		{"ssh twice", ssh, "- {name: ssh, proto: tcp, ports: 22}\n- {name: ssh, proto: tcp, ports: 23}\n", ""},
		{"no ssh", ssh, "- {name: ssh, proto: udp, ports: 22}\n", ""},
	} {
		got, ok := test.edit(test.text)
		if want := orElse(test.want, test.text); got != want || ok != (test.want != "") {
			t.Errorf("%s: %v\n%s", test.name, ok, cmp.Diff(want, got))
		}
	}
}

// TestClock: the time zone that doctor recommends makes a log's time stamps right.
func TestClock(t *testing.T) {
	for offset, want := range map[time.Duration]string{
		0: "UTC+0000", 330 * time.Minute: "UTC+0530", -210 * time.Minute: "UTC-0330", 14 * time.Hour: "UTC+1400", time.Minute: "UTC+0001",
	} {
		if got := zoneName(offset); got != want {
			t.Errorf("%v: %s, not %s", offset, got, want)
		}
	}
	here := time.Local
	t.Cleanup(func() { time.Local = here })
	time.Local = time.FixedZone("here", 3600)
	for offset, want := range map[time.Duration]string{2 * time.Hour: "UTC+0300", -2 * time.Hour: "UTC-0100"} {
		var d doctor
		d.clock(fail2ban.SickLog{File: "/l", Offset: offset})
		if !strings.Contains(d.found[0].Remedy, "\"logtimezone = "+want+"\"") {
			t.Errorf("%v: %s", offset, d.found[0].Remedy)
		}
	}
}

func TestList(t *testing.T) {
	for few, want := range map[int]string{1: "a and 2 more", 2: "a, b and 1 more", 3: "a, b, c", 4: "a, b, c"} {
		if got := list([]string{"a", "b", "c"}, few); got != want {
			t.Errorf("%d: %s", few, got)
		}
	}
}

// TestOwners: nftables is named once, with its table if that is known.
func TestOwners(t *testing.T) {
	active := func(names ...string) (f survey.Facts) {
		for _, n := range names {
			f.Firewalls = append(f.Firewalls, host.Owner{Name: n, Active: true})
		}
		return f
	}
	for _, test := range []struct {
		facts   survey.Facts
		byRules []string
		want    string
	}{
		{active("ufw"), nil, "ufw"},
		{active("ufw"), []string{"ufw"}, "ufw"},
		{survey.Facts{Firewalls: []host.Owner{{Name: "ufw"}}}, nil, ""},
		{active("nftables"), nil, "nftables"},
		{active("nftables"), []string{"nftables (inet filter)"}, "nftables (inet filter)"},
		{active("nftables", "freepbx-firewall"), []string{"nftables (inet filter)"}, "FreePBX's firewall, nftables (inet filter)"},
		{survey.Facts{Firewalls: []host.Owner{{Name: "nftables"}}}, []string{"ufw"}, "ufw"},
	} {
		if got := strings.Join(Owners(test.facts, test.byRules), ", "); got != test.want {
			t.Errorf("%+v, %q: %s", test.facts.Firewalls, test.byRules, got)
		}
	}
}

// TestOpeningsOf: who is let in, and on which services something listens.
func TestOpeningsOf(t *testing.T) {
	cfg := configOf(t, "firewall: {sip: {public: false}, services: [{name: a, proto: tcp, ports: 80, from: any}, {name: a, proto: udp, ports: 80, from: any}, {name: e, proto: tcp, ports: 81, from: any}, {name: e, proto: udp, ports: 82, from: any}, {name: b, proto: gre}, {name: c, proto: tcp, ports: 90}]}")
	text := func(listeners ...host.Listener) (all []string) {
		for _, o := range Openings(cfg, listeners) {
			all = append(all, fmt.Sprint(o.Service, " ", strings.Join(o.Protos, "+"), " ", o.Ports, " ", o.From, " ", o.Used))
		}
		return all
	}
	gre := host.Listener{Proto: "gre"}
	want := []string{"sip udp+tcp 5060:5061 local_networks true", "rtp udp 10000:20000 everyone true", "a tcp+udp 80 everyone true", "e tcp 81 everyone false", "e udp 82 everyone false", "b gre  local_networks true", "c tcp 90 local_networks false", "ping icmp  local_networks true"}
	if d := cmp.Diff(want, text(listener("udp", 80, "x"), listener("udp", 90, "x"), host.Listener{Proto: "tcp"}, gre)); d != "" {
		t.Error(d)
	}
	want[2], want[5] = "a tcp+udp 80 everyone false", "b gre  local_networks false"
	if d := cmp.Diff(want, text(listener("gre", 5, "x"))); d != "" {
		t.Error(d)
	}
	cfg.Firewall.Trunks = []config.Host{{Name: "sip.example.net"}}
	if got := text(); !slices.Contains(got, "sip udp 5060:5061 trunks true") {
		t.Errorf("%q", got)
	}
}

// TestIsSIP: FreeSWITCH's SIP ports are those of its profiles, not those of its WebSockets or
// media.
func TestIsSIP(t *testing.T) {
	for text, want := range map[string]bool{
		"udp 4999 freeswitch": false, "udp 5000 freeswitch": true, "tcp 5999 freeswitch": true, "udp 6000 freeswitch": false,
		"tcp 5066 freeswitch": false, "udp 5066 freeswitch": true, "tcp 7443 freeswitch": false, "udp 6000 kamailio": true, "sctp 5060 kamailio": false, "udp 5060 asterisk": false,
	} {
		var l host.Listener
		fmt.Sscan(text, &l.Proto, &l.Port, &l.Program)
		if isSIP(l) != want {
			t.Error(text)
		}
	}
	idle := survey.Facts{Asterisk: &asterisk.Facts{SIP: []host.Port{{Proto: "udp"}, {Proto: "wss", Port: 1}}}, PBXs: []engines.PBX{
		{WebSockets: []host.WebSocket{{Port: 8089, TLS: true}, {Port: 8088}}}, {Running: true, WebSockets: []host.WebSocket{{Port: 9}}},
	}}
	if got := sipPorts(idle, true); len(got) != 0 {
		t.Errorf("SIP on %v", got)
	}
	if got := fmt.Sprint(webSockets(idle, false), webSockets(idle, true)); got != "[{9 false}] [{9 false} {8088 false} {8089 true}]" {
		t.Error(got)
	}
}

func TestServiceText(t *testing.T) {
	for text, want := range map[string]string{
		"{name: a, proto: tcp, ports: \"80,90:91\"}": "{name: a, proto: tcp, ports: \"80,90:91\", from: lan}",
		"{name: a, proto: gre, from: any}":           "{name: a, proto: gre, from: any}",
	} {
		got := serviceText(configOf(t, "firewall: {services: ["+text+"]}").Firewall.Services[0])
		if got != want && got != strings.Replace(want, "from: lan", "from: "+config.FromLAN, 1) {
			t.Error(got)
		}
	}
}

// TestReasonsOfTrunks: a proposal says which trunks were found, and which were asked for.
func TestReasonsOfTrunks(t *testing.T) {
	found := survey.Facts{Asterisk: asteriskWith(nil, 10000, 20000, "sip.example.net")}
	for _, test := range []struct {
		r    Request
		want string
	}{
		{Request{}, "no provider is found"},
		{Request{Facts: found}, "providers in Asterisk's configuration"},
		{Request{Trunks: []string{"sip.example.org"}}, "as you have asked"},
		{Request{Facts: found, Trunks: []string{"sip.example.org"}}, "what you have asked for, and providers"},
		{Request{Facts: found, Trunks: []string{"sip.example.net"}}, "providers in Asterisk's configuration"},
		{Request{Facts: found, Text: []byte("allow: [sip.example.org]\nfirewall:\n  trunks: [a.example]\n")}, "providers in Asterisk's configuration"},
		{Request{Facts: found, Text: []byte("firewall:\n  trunks: [sip.example.net]\n")}, "as you have it"},
		{Request{Text: []byte("firewall:\n  trunks: [a.example]\n"), Trunks: []string{"sip.example.org"}}, "as you have asked"},
	} {
		test.r.Shipped = shipped(t)
		if got := choice(t, test.r, keyTrunks); !strings.HasPrefix(got.Why, test.want) {
			t.Errorf("%s, not %s", got.Why, test.want)
		}
	}
}

// choice returns the last choice of a proposal for a key.
func choice(t *testing.T, r Request, key string) (found Choice) {
	t.Helper()
	p, err := Propose(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Choices {
		if c.Key == key {
			found = c
		}
	}
	return found
}

// TestChoiceOfServices: ports are added to the admin's own list of services, with base rules or
// without; if there is no list, only with base rules.
func TestChoiceOfServices(t *testing.T) {
	facts := survey.Facts{Listeners: []host.Listener{listener("tcp", 2222, "sshd")}}
	web := survey.Facts{Asterisk: &asterisk.Facts{RTP: [2]uint16{10000, 20000}, WebSockets: []host.WebSocket{{Port: 8089, TLS: true}}}}
	const list = "firewall:\n  services:\n    - {name: ssh, proto: tcp, ports: 22}\n"
	for _, test := range []struct {
		r    Request
		want State
	}{
		{Request{Facts: facts, Text: []byte(list)}, Set},
		{Request{Facts: facts, Text: []byte("set: x\n")}, Same},
		{Request{Facts: facts}, Set},
		{Request{Facts: web, Text: []byte(list)}, Set},
		{Request{Facts: web, Text: []byte("set: x\n")}, Same},
		{Request{Facts: web}, Set},
	} {
		test.r.Shipped = shipped(t)
		if got := choice(t, test.r, keyServices); got.State != test.want {
			t.Errorf("%q: %+v, not %s", test.r.Text, got, test.want)
		}
	}
}

// TestChoiceOfBackend counts the rules of both families in the backend that is not shown.
func TestChoiceOfBackend(t *testing.T) {
	for rules, want := range map[[2]string]string{{"INPUT -j LOG", "INPUT -j LOG"}: "there are 2 rules in the legacy backend", {"", "INPUT -j LOG"}: "there is 1 rule", {}: "the command iptables is of the nft kind here"} {
		saved := [2][]string{}
		for f, rule := range rules {
			if rule != "" {
				saved[f] = []string{rule}
			}
		}
		r := Request{Shipped: shipped(t), Rules: []reach.KernelRules{kernel(t, firewall.NFT, true, nil, nil), kernel(t, firewall.Legacy, false, saved[0], saved[1])}}
		if got := choice(t, r, keyBackend); !strings.HasPrefix(got.Why, want) {
			t.Errorf("%q: %s", rules, got.Why)
		}
	}
}

// TestLacks: the addresses of logins are shown if they help to name a network.
func TestLacks(t *testing.T) {
	me := []netip.Addr{netip.MustParseAddr("192.168.1.9")}
	for _, test := range []struct {
		refused  error
		sessions []netip.Addr
		want     bool
	}{{errNoNetworks, me, true}, {errNoNetworks, nil, false}, {&RefusedError{"ufw", "x"}, me, false}} {
		if got := lacksOf(test.refused, &rules.Prospect{Sessions: test.sessions}); strings.Contains(got[0].Fix, "logged in") != test.want {
			t.Errorf("%+v", got)
		}
	}
}

// TestManyExemptBanned: of many banned friends the first get findings, and the others are counted.
func TestManyExemptBanned(t *testing.T) {
	in := healthy(t)
	for i := range maxBanned + 5 {
		a := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32)
		in.Status.ExemptBanned = append(in.Status.ExemptBanned, reach.ExemptBan{Banned: a, Set: "f2b-sip", Because: []exempt.Protected{{Prefix: a, Reasons: []string{"trunks"}}}})
	}
	found := Findings(in)
	if len(found) != maxBanned+1 || found[maxBanned].Text != "5 more exempt addresses are banned" {
		t.Errorf("%d findings, the last is %+v", len(found), found[len(found)-1])
	}
}

// TestFriendsOfFreePBX: addresses that FreePBX's firewall trusts for good are allowed, up to a
// limit, and its private networks become local ones.
func TestFriendsOfFreePBX(t *testing.T) {
	rules := []string{
		"fpbxnets -s 10.5.0.0/16 -j zone-trusted", "fpbxnets -s 203.0.113.0/24 -j zone-trusted", "fpbxnets -s 10.6.0.1/32 -j zone-trusted",
		"fpbxregistrations -s 10.7.0.0/16 -j fpbxknownreg", "fpbxregistrations -s 198.51.100.9/32 -j fpbxknownreg",
	}
	for i := range maxTrusted + 20 {
		rules = append(rules, fmt.Sprintf("fpbxhosts -s 9.%d.%d.1/32 -j zone-trusted", i/250, i%250))
	}
	propose := func(rules []string) config.Config {
		p, err := Propose(Request{Text: []byte("allow:\n  - 203.0.113.0/24\n"), Rules: []reach.KernelRules{kernel(t, firewall.NFT, true, rules, nil)}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Config
	}
	c := propose(rules)
	if got := fmt.Sprint(c.Firewall.LocalNetworks); got != "[10.5.0.0/16]" {
		t.Errorf("local networks %s", got)
	}
	if len(c.Allow) != 1+maxTrusted || slices.ContainsFunc(c.Allow[1:], func(h config.Host) bool { return !strings.HasPrefix(h.String(), "9.") && h.String() != "10.6.0.1" }) {
		t.Errorf("%d are allowed: %v", len(c.Allow), c.Allow)
	}
	if c = propose(rules[:5]); len(c.Allow) != 2 || c.Allow[1].String() != "10.6.0.1" {
		t.Errorf("allowed are %v", c.Allow)
	}
	if c = propose(rules[1:2]); len(c.Allow) != 1 {
		t.Errorf("allowed are %v", c.Allow)
	}
}
