package config

import (
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// diff compares configurations. Nil and empty lists differ, as they would in an admin's tools
// that print both.
func diff(want, got Config) string {
	return cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.AddrPort{}))
}

// mustParse parses text that is valid.
func mustParse(t *testing.T, text string) Config {
	t.Helper()
	c, err := Parse("voipbl.yaml", []byte(text))
	if err != nil {
		t.Fatalf("Parse:\n%v\nin:\n%s", err, text)
	}
	return c
}

// An errorCase is a text and the whole of what Parse says about it.
type errorCase struct{ name, text, want string }

func checkErrors(t *testing.T, cases []errorCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config, err := Parse("x", []byte(c.text))
			if err == nil {
				t.Fatalf("no error, want:\n%s\nin:\n%.500s", c.want, c.text)
			}
			if d := cmp.Diff(c.want, err.Error()); d != "" {
				t.Errorf("error (-want +got):\n%s\nin:\n%.500s", d, c.text)
			}
			if d := diff(Config{}, config); d != "" {
				t.Errorf("an error comes with a configuration:\n%s", d)
			}
		})
	}
}

func TestEmptyIsDefault(t *testing.T) {
	texts := []string{"", "\n", "# nothing\n", "---\n", "---\n...\n", "~\n", "{}\n", "\ufeff", "limits: {}\n", "firewall: {sip: {}}\n"}
	for _, text := range texts {
		if d := diff(Default(), mustParse(t, text)); d != "" {
			t.Errorf("%q (-default +got):\n%s", text, d)
		}
	}
	c, err := Parse("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(Default(), c); d != "" {
		t.Errorf("nil (-default +got):\n%s", d)
	}
}

func TestDefaultIsOnesOwn(t *testing.T) {
	c := Default()
	c.Feeds[0].Name = "changed"
	c.Firewall.Services[0].Ports[0].First = 1
	if d := diff(mustParse(t, ""), Default()); d != "" {
		t.Errorf("a change of one default shows in the next:\n%s", d)
	}
}

const example = `
set: voip_bl                    # the IPv6 twin is voip_bl6
state_dir: /var/lib/voipbl
run_dir: /run/voipbl
feeds:
  - name: voipbl
    url: https://voipbl.org/update/
    schedule: "0 */4 * * *"     # cron, or @every 4h
    insecure: false             # true allows http
    min_entries: 1000
    max_coverage: 5%            # of IPv4 space
  - name: local
    path: /etc/voipbl/blocklist.d
allow: [203.0.113.10, trunk.example.net]
limits: {widest: 8, widest6: 19, max_bytes: 64MiB, timeout: 60s}
firewall:
  backend: auto                 # auto | nft | legacy
  drop_at: auto                 # auto | input | prerouting
  base: false                   # true: the full base ruleset
  local_networks: [192.168.1.0/24]
  trunks: [203.0.113.10]
  sip: {public: true, ports: "5060:5061"}
  rtp: "10000:20000"
  services:
    - {name: webmin, proto: tcp, ports: "10000", from: lan}
metrics: {listen: "127.0.0.1:9617"}
`

func TestParse(t *testing.T) {
	want := Default()
	want.Feeds[1].Optional = false // only the built-in feed is optional
	address := Host{Prefix: netip.MustParsePrefix("203.0.113.10/32")}
	want.Allow = []Host{address, {Name: "trunk.example.net"}}
	want.Firewall.LocalNetworks = []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}
	want.Firewall.Trunks = []Host{address}
	want.Firewall.Services = []Service{{Name: "webmin", Proto: "tcp", Ports: []PortRange{{First: 10000, Last: 10000}}, From: "lan"}}
	if d := diff(want, mustParse(t, example)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestParseEveryOtherValue(t *testing.T) {
	got := mustParse(t, `
set: Block.list-1
ban_set: own-bans
known_set: own-phones
state_dir: /srv/v
run_dir: /tmp/v
on_impact: hold
feeds:
  - {name: a, url: "http://[2001:db8::1]:8080/l?bc=US,CA&wn[]=x", insecure: true, schedule: "@hourly", splay: 15m, min_entries: 0, max_coverage: 100 %, frozen_after: 0}
  - {name: b.2, url: https://example.net, splay: 0}
  - {name: c, path: /etc/lists/*.txt, schedule: "@every 1s", optional: false}
allow: ["::ffff:192.0.2.1", 2001:db8::/32, Phones.Example.NET., fd00::1]
names: {keep: 336h}
bans: {ipv6_prefix: 56}
limits: {widest: 32, widest6: 128, max_entries: 1000, max_bytes: 1024, timeout: 1h, keep_lost: 36h}
shape: {extra_entries: 0}
firewall:
  backend: legacy
  drop_at: prerouting
  ipv6: off
  drop_outbound: true
  log_drops: nflog
  base: true
  beside_others: true
  local_networks: [10.0.0.0/8, fe80::/10, 192.168.1.1]
  sip: {public: false, ports: 5060}
  rtp: "5061:65535"
  services: [{name: web, proto: tcp, ports: "80, 8000:8080"}]
metrics: {listen: ""}
report: {enabled: true, url: "http://[2001:db8::1]:8080/x/", insecure: true, serial: 0123, per_hour: 600}
pbx: {hep: "127.0.0.1:460", ami: "[::1]:5038", trust_registered: false, ban_attackers: false, traps: {extensions: ["9999"], accounts: [admin, "100"], agents: [my-scanner]}}
fleet: {hub: ["tls://hub.example.net:4222", "tls://[2001:db8::1]", "nats://127.0.0.1:4222"], creds: /srv/c, key: "voipbl-doc:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=", publish: false, accept: false, lists: false, trust: [acme, a-1_pbx7], agree: 1, proved: true, longest: 30d, per_host: 2000, most: 1}
`)
	want := Config{
		Set: "Block.list-1", BanSet: "own-bans", KnownSet: "own-phones", StateDir: "/srv/v", RunDir: "/tmp/v", OnImpact: "hold",
		Feeds: []Feed{
			{Name: "a", URL: "http://[2001:db8::1]:8080/l?bc=US,CA&wn[]=x", Insecure: true, Schedule: mustSchedule("@hourly"), Splay: 15 * time.Minute, MaxCoverage: 1},
			{Name: "b.2", URL: "https://example.net", Schedule: mustSchedule("0 */4 * * *"), Splay: SplayNone, MinEntries: 1, MaxCoverage: 0.05, FrozenAfter: 10},
			{Name: "c", Path: "/etc/lists/*.txt", Schedule: mustSchedule("@every 1s"), MaxCoverage: 1},
		},
		Allow: []Host{
			{Prefix: netip.MustParsePrefix("192.0.2.1/32")},
			{Prefix: netip.MustParsePrefix("2001:db8::/32")},
			{Name: "phones.example.net."},
			{Prefix: netip.MustParsePrefix("fd00::1/128")},
		},
		Names:  Names{Keep: 14 * day},
		Bans:   Bans{IPv6Prefix: 56},
		Limits: Limits{Widest: 32, Widest6: 128, MaxEntries: 1000, MaxBytes: 1024, Timeout: time.Hour, KeepLost: 36 * time.Hour},
		Firewall: Firewall{
			Backend: BackendLegacy, DropAt: DropPrerouting, IPv6: IPv6Off, DropOutbound: true, LogDrops: LogNetlink, Base: true, BesideOthers: true,
			LocalNetworks: []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("192.168.1.1/32"),
			},
			SIP:      SIP{Ports: Ports{{First: 5060, Last: 5060}}},
			RTP:      PortRange{First: 5061, Last: 65535},
			Services: []Service{{Name: "web", Proto: ProtoTCP, Ports: []PortRange{{First: 80, Last: 80}, {First: 8000, Last: 8080}}, From: FromLAN}},
		},
		Report: Report{Enabled: true, URL: "http://[2001:db8::1]:8080/x", Insecure: true, Serial: "0123", PerHour: 600},
		PBX: PBX{
			HEP: netip.MustParseAddrPort("127.0.0.1:460"), AMI: netip.MustParseAddrPort("[::1]:5038"),
			Traps: Traps{Extensions: []string{"9999"}, Accounts: []string{"admin", "100"}, Agents: []string{"my-scanner"}},
		},
		Fleet: Fleet{
			Hubs: []string{"tls://hub.example.net:4222", "tls://[2001:db8::1]", "nats://127.0.0.1:4222"}, Creds: "/srv/c",
			Key:   DocumentKey{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32},
			Trust: []string{"acme", "a-1_pbx7"}, Agree: 1, Proved: true, Longest: 30 * day, PerHost: 2000, Most: 1,
		},
	}
	if d := diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, want := got.SetName6(), "Block.list-16"; got != want {
		t.Errorf("SetName6() = %q, want %q", got, want)
	}
}

// TestPackagedFile: the file that is installed in /etc/voipbl names every key and
// changes no default.
func TestPackagedFile(t *testing.T) {
	text, err := os.ReadFile("../packaging/voipbl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(Default(), mustParse(t, string(text))); d != "" {
		t.Errorf("(-default +packaging/voipbl.yaml):\n%s", d)
	}
	// Keys that need another one, which the default feeds do not have, stand in an example.
	examples := []string{"field", "column", "separator", "headers", "user", "secret_file", "next"}
	for _, name := range keyNames(reflect.TypeFor[rawConfig]()) {
		before := `^[^#]*\b`
		if slices.Contains(examples, name) {
			before = `^ *# +(- )?`
		}
		if !regexp.MustCompile(`(?m)` + before + name + `:`).Match(text) {
			t.Errorf("packaging/voipbl.yaml has no key %q", name)
		}
	}
}

// keyNames returns every key of a raw type and those inside it.
func keyNames(t reflect.Type) []string {
	var names []string
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			names = append(append(names, keyName(f)), keyNames(f.Type)...)
		}
	}
	return names
}
