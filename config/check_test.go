package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestCheckErrors(t *testing.T) {
	checkErrors(t, []errorCase{
		{"empty set", "set: ''\n",
			`x:1:6: set: bad set name (""): expected up to 24 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_bl"`},
		{"set name with a space", "set: voip bl\n",
			`x:1:6: set: bad set name ("voip bl"): expected up to 24 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_bl"`},
		{"set name like an option", "set: -exist\n",
			`x:1:6: set: bad set name ("-exist"): expected up to 24 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_bl"`},
		{"set name too long", "set: aaaaaaaaaaaaaaaaaaaaaaaaa\n",
			`x:1:6: set: bad set name ("aaaaaaaaaaaaaaaaaaaaaaaaa"): expected up to 24 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_bl"`},
		{"bans in the set of the lists", "set: a\nban_set: a\n",
			`x:2:10: ban_set: the set "a" would hold both the lists and the bans: expected two names that still differ when "6" or "-next" is added to either`},
		{"bans in its twin", "set: a\nban_set: a6\n",
			`x:2:10: ban_set: the set "a6" would hold both the lists and the bans: expected two names that still differ when "6" or "-next" is added to either`},
		{"bans in what fills it", "ban_set: voip_bl6-next\n",
			`x:1:10: ban_set: the set "voip_bl6-next" would hold both the lists and the bans: expected two names that still differ when "6" or "-next" is added to either`},
		{"lists in the set of bans", "set: voip_ban\n",
			`x:1:6: set: the set "voip_ban" would hold both the lists and the bans: expected two names that still differ when "6" or "-next" is added to either`},
		{"phones in the set of the lists", "known_set: voip_bl6\n",
			`x:1:12: known_set: the set "voip_bl6" would hold both the lists and the registered phones: expected two names that still differ when "6" or "-next" is added to either`},
		{"phones in the set of the bans", "ban_set: voip_known6\n",
			`x:1:10: ban_set: the set "voip_known6" would hold both the bans and the registered phones: expected two names that still differ when "6" or "-next" is added to either`},
		{"name of the phones too long", "known_set: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
			`x:1:12: known_set: bad set name ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"): expected up to 30 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_known"`},
		{"copies of SIP messages to another host", "pbx: {hep: '192.0.2.1:460'}\n",
			`x:1:12: pbx.hep: not a loopback address with a port ("192.0.2.1:460"): expected a loopback address and a port such as "127.0.0.1:460", or "" for off`},
		{"copies of SIP messages to the PBX's own port", "pbx: {hep: '127.0.0.1:5061'}\n",
			`x:1:12: pbx.hep: 5061 is a port of firewall.sip (5060:5061), at which the PBX listens: expected a port at which nothing listens, such as "127.0.0.1:460"`},
		{"a manager interface without a port", "pbx: {ami: '127.0.0.1'}\n",
			`x:1:12: pbx.ami: not a loopback address with a port ("127.0.0.1"): expected a loopback address and a port such as "127.0.0.1:5038", or "" for off`},
		{"a trap for every phone", "pbx: {traps: {agents: [\"a\"], accounts: [\"\"]}}\n",
			`x:1:24: pbx.traps.agents[0]: bad text ("a"): expected 4 to 64 bytes of printable text, such as "friendly-scanner"
x:1:41: pbx.traps.accounts[0]: bad text (""): expected 1 to 64 bytes of printable text, such as "9999"`},
		{"a trap with a line break", "pbx: {traps: {extensions: [\"1\\n\"]}}\n",
			`x:1:28: pbx.traps.extensions[0]: bad text ("1\n"): expected 1 to 64 bytes of printable text, such as "9999"`},
		{"a hub without TLS", "fleet: {hub: [\"nats://hub.example.net\"]}\n",
			`x:1:15: fleet.hub[0]: URL without TLS ("nats://hub.example.net"): expected tls://, or a loopback address such as "nats://127.0.0.1:4222"`},
		{"a hub by http", "fleet: {hub: [\"https://hub.example.net\"]}\n",
			`x:1:15: fleet.hub[0]: URL with neither tls nor nats ("https://hub.example.net"): expected a URL such as "tls://hub.example.net:4222"`},
		{"a hub with a path", "fleet: {hub: [\"tls://hub.example.net/a\"]}\n",
			`x:1:15: fleet.hub[0]: URL that is not a host and a port ("tls://hub.example.net/a"): expected a URL such as "tls://hub.example.net:4222"`},
		{"a hub with a password", "fleet: {hub: [\"tls://a:s3cret@hub.example.net\"]}\n",
			`x:1:15: fleet.hub[0]: URL with a user name or password: expected a URL such as "tls://hub.example.net:4222"`},
		{"a hub that is a name", "fleet: {hub: [hub.example.net]}\n",
			`x:1:15: fleet.hub[0]: URL with neither tls nor nats ("hub.example.net"): expected a URL such as "tls://hub.example.net:4222"`},
		{"a hub without a port behind its colon", "fleet: {hub: [\"tls://a.example:\"]}\n",
			`x:1:15: fleet.hub[0]: URL that is not a host and a port ("tls://a.example:"): expected a URL such as "tls://hub.example.net:4222"`},
		{"a hub with a line break", "fleet: {hub: [\"tls://a.example\\n\"]}\n",
			`x:1:15: fleet.hub[0]: bad URL ("tls://a.example\n"): expected a URL such as "tls://hub.example.net:4222"`},
		{"credentials by a relative path", "fleet: {creds: fleet.creds}\n",
			`x:1:16: fleet.creds: not an absolute path ("fleet.creds"): expected an absolute path such as "/etc/voipbl/fleet.creds"`},
		{"a private key", "fleet: {key: \"voipbl-doc-secret:AAAA\"}\n",
			`x:1:14: fleet.key: no public key of a document: expected the key that "voipbl fleet sign --new-key" prints, such as "voipbl-doc:" and 44 characters, or "" for none`},
		{"trust in a name with capitals", "fleet: {trust: [Acme]}\n",
			`x:1:17: fleet.trust[0]: bad name ("Acme"): expected a site or a host in it, each up to 20 of a-z, 0-9 and "-", such as "acme" or "acme_pbx1"`},
		{"trust in a host without a name", "fleet: {trust: [acme_]}\n",
			`x:1:17: fleet.trust[0]: bad name ("acme_"): expected a site or a host in it, each up to 20 of a-z, 0-9 and "-", such as "acme" or "acme_pbx1"`},
		{"trust in a name with two underlines", "fleet: {trust: [a_b_c]}\n",
			`x:1:17: fleet.trust[0]: bad name ("a_b_c"): expected a site or a host in it, each up to 20 of a-z, 0-9 and "-", such as "acme" or "acme_pbx1"`},
		{"trust in a name that ends with a dash", "fleet: {trust: [a-]}\n",
			`x:1:17: fleet.trust[0]: bad name ("a-"): expected a site or a host in it, each up to 20 of a-z, 0-9 and "-", such as "acme" or "acme_pbx1"`},
		{"trust in a name too long", "fleet: {trust: [aaaaaaaaaaaaaaaaaaaaa]}\n",
			`x:1:17: fleet.trust[0]: bad name ("aaaaaaaaaaaaaaaaaaaaa"): expected a site or a host in it, each up to 20 of a-z, 0-9 and "-", such as "acme" or "acme_pbx1"`},
		{"too many must agree", "fleet: {agree: 6}\n", `x:1:16: fleet.agree: number out of range (6): expected 1..5, such as 2`},
		{"bans of others for a year", "fleet: {longest: 365d}\n", `x:1:18: fleet.longest: bad time ("365d"): expected 1m..720h, such as "24h"`},
		{"bans of others for a moment", "fleet: {longest: 59s}\n", `x:1:18: fleet.longest: bad time ("59s"): expected 1m..720h, such as "24h"`},
		{"too many bans of one host", "fleet: {per_host: 2001}\n", `x:1:19: fleet.per_host: number out of range (2001): expected 1..2000, such as 500`},
		{"too many bans of others", "fleet: {most: 30001}\n", `x:1:15: fleet.most: number out of range (30001): expected 1..30000, such as 20000`},
		{"trust that is no bool", "pbx: {trust_registered: maybe}\n",
			`x:1:25: pbx.trust_registered: wrong type, text ("maybe"): expected true or false`},
		{"name of the bans too long", "ban_set: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
			`x:1:10: ban_set: bad set name ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"): expected up to 30 of A-Z, a-z, 0-9, ".", "_" and "-", the first not "-", such as "voip_ban"`},
		{"fewer than no extra entries", "shape:\n  extra_entries: -1\n",
			`x:2:18: shape.extra_entries: bad number ("-1"): expected auto, 0 for off, or up to 100000000, such as "10000"`},
		{"too many extra entries", "shape: {extra_entries: 100000001}\n",
			`x:1:24: shape.extra_entries: bad number ("100000001"): expected auto, 0 for off, or up to 100000000, such as "10000"`},
		{"a share of extra entries", "shape: {extra_entries: 25%}\n",
			`x:1:24: shape.extra_entries: bad number ("25%"): expected auto, 0 for off, or up to 100000000, such as "10000"`},
		{"no network around an address", "bans: {ipv6_prefix: 0}\n",
			"x:1:21: bans.ipv6_prefix: number out of range (0): expected 1..128, such as 64"},
		{"relative directory", "state_dir: var/lib\n",
			`x:1:12: state_dir: not an absolute path ("var/lib"): expected an absolute path such as "/var/lib/voipbl"`},
		{"root", "state_dir: /\n",
			`x:1:12: state_dir: the root directory ("/"): expected an absolute path such as "/var/lib/voipbl"`},
		{"directory not clean", "run_dir: /run/../etc\n",
			`x:1:10: run_dir: path is not in its shortest form ("/run/../etc"): expected "/etc"`},
		{"slash at the end", "run_dir: /run/voipbl/\n",
			`x:1:10: run_dir: path is not in its shortest form ("/run/voipbl/"): expected "/run/voipbl"`},
		{"line break in a directory", "run_dir: \"/run/a\\nb\"\n",
			`x:1:10: run_dir: path with an unprintable character ("/run/a\nb"): expected an absolute path such as "/var/lib/voipbl"`},
		{"long directory", "run_dir: /" + strings.Repeat("a", maxPath) + "\n",
			`x:1:10: run_dir: path with more than 1024 bytes ("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"): expected an absolute path such as "/var/lib/voipbl"`},
		{"widest of everything", "limits: {widest: 0}\n",
			"x:1:18: limits.widest: number out of range (0): expected 1..32, such as 8"},
		{"widest beyond", "limits: {widest: 33}\n",
			"x:1:18: limits.widest: number out of range (33): expected 1..32, such as 8"},
		{"widest6 of everything", "limits: {widest6: 0}\n",
			"x:1:19: limits.widest6: number out of range (0): expected 1..128, such as 19"},
		{"widest6 beyond", "limits: {widest6: 129}\n",
			"x:1:19: limits.widest6: number out of range (129): expected 1..128, such as 19"},
		{"size without sense", "limits: {max_bytes: big}\n",
			`x:1:21: limits.max_bytes: bad size ("big"): expected 1KiB..1GiB, such as "64MiB" or "2MB"`},
		{"size with a fraction", "limits: {max_bytes: 1.5MiB}\n",
			`x:1:21: limits.max_bytes: bad size ("1.5MiB"): expected 1KiB..1GiB, such as "64MiB" or "2MB"`},
		{"size in other units", "limits: {max_bytes: 64M}\n",
			`x:1:21: limits.max_bytes: bad size ("64M"): expected 1KiB..1GiB, such as "64MiB" or "2MB"`},
		{"size too small", "limits: {max_bytes: 1023}\n",
			`x:1:21: limits.max_bytes: bad size ("1023"): expected 1KiB..1GiB, such as "64MiB" or "2MB"`},
		{"size too big", "limits: {max_bytes: 1025MiB}\n",
			`x:1:21: limits.max_bytes: bad size ("1025MiB"): expected 1KiB..1GiB, such as "64MiB" or "2MB"`},
		{"size far too big", "limits: {max_bytes: 99999999999GiB}\n",
			`x:1:21: limits.max_bytes: bad size ("99999999999GiB"): expected 1KiB..1GiB, such as "64MiB" or "2MB"`},
		{"size negative", "limits: {max_bytes: -1MiB}\n",
			`x:1:21: limits.max_bytes: bad size ("-1MiB"): expected 1KiB..1GiB, such as "64MiB" or "2MB"`},
		{"time without a unit", "limits: {timeout: 60}\n",
			`x:1:19: limits.timeout: bad time ("60"): expected 1s..1h, such as "60s" or "5m"`},
		{"time too short", "limits: {timeout: 999ms}\n",
			`x:1:19: limits.timeout: bad time ("999ms"): expected 1s..1h, such as "60s" or "5m"`},
		{"time too long", "limits: {timeout: 61m}\n",
			`x:1:19: limits.timeout: bad time ("61m"): expected 1s..1h, such as "60s" or "5m"`},
		{"metrics for everyone", "metrics: {listen: '0.0.0.0:9617'}\n",
			`x:1:19: metrics.listen: not a loopback address with a port ("0.0.0.0:9617"): expected a loopback address and a port such as "127.0.0.1:9617", or "" for off`},
		{"metrics on a name", "metrics: {listen: 'localhost:9617'}\n",
			`x:1:19: metrics.listen: not a loopback address with a port ("localhost:9617"): expected a loopback address and a port such as "127.0.0.1:9617", or "" for off`},
		{"metrics without a port", "metrics: {listen: 127.0.0.1}\n",
			`x:1:19: metrics.listen: not a loopback address with a port ("127.0.0.1"): expected a loopback address and a port such as "127.0.0.1:9617", or "" for off`},
		{"metrics on port 0", "metrics: {listen: '127.0.0.1:0'}\n",
			`x:1:19: metrics.listen: not a loopback address with a port ("127.0.0.1:0"): expected a loopback address and a port such as "127.0.0.1:9617", or "" for off`},
		{"metrics with a zone", "metrics: {listen: '[::1%lo]:9617'}\n",
			`x:1:19: metrics.listen: not a loopback address with a port ("[::1%lo]:9617"): expected a loopback address and a port such as "127.0.0.1:9617", or "" for off`},
	})
}

func TestTooMany(t *testing.T) {
	elements := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	checkErrors(t, []errorCase{
		{"feeds", "feeds:\n" + elements(maxFeeds+1, "- {name: f%d, path: /a}\n"),
			"x:2:1: feeds: too many elements (257): expected at most 256"},
		{"allow", "allow: [" + elements(maxHosts+1, "h%d.example, ") + "]\n",
			"x:1:8: allow: too many elements (4097): expected at most 4096"},
		{"services", "firewall:\n  services:\n" + elements(maxServices+1, "  - {name: s%d, proto: tcp, ports: 80}\n"),
			"x:3:3: firewall.services: too many elements (257): expected at most 256"},
	})
	c := mustParse(t, "feeds:\n"+elements(maxFeeds, "- {name: f%d, path: /a}\n")+
		"allow: ["+elements(maxHosts, "h%d.example, ")+"]\n"+
		"firewall:\n  services:\n"+elements(maxServices, "  - {name: s%d, proto: tcp, ports: 80}\n"))
	if len(c.Feeds) != maxFeeds || len(c.Allow) != maxHosts || len(c.Firewall.Services) != maxServices {
		t.Errorf("%d feeds, %d hosts, %d services", len(c.Feeds), len(c.Allow), len(c.Firewall.Services))
	}
}

func TestSizeFormats(t *testing.T) {
	for text, want := range map[string]string{
		"1024": "1KiB", "1025": "1025", "1GiB": "1GiB", "1024MiB": "1GiB", "2MB": "2MB", "5 KiB": "5KiB", "1500KB": "1500KB", "65536KiB": "64MiB",
	} {
		n, f := parseSize(text)
		if f != nil {
			t.Errorf("%q: %s", text, f.problem)
		} else if got := formatSize(n); got != want {
			t.Errorf("%q is written as %q, want %q", text, got, want)
		}
	}
}

func TestKeepFormats(t *testing.T) {
	for text, want := range map[string]string{
		"1h": "1h", "24h": "1d", "7d": "7d", "168h": "7d", "90d": "90d", "36h": "36h", "90m": "1h30m",
		"": "", "0d": "", "91d": "", "59m": "", "1.5d": "36h", "1d12h": "36h", "-1d": "", "99999d": "", "d": "", "7": "", "1w": "",
	} {
		d, f := parseKeep(text)
		if f != nil && want != "" {
			t.Errorf("%q: %s", text, f.problem)
		} else if f == nil && formatDays(d) != want {
			t.Errorf("%q is written as %q, want %q", text, formatDays(d), want)
		}
	}
}

func TestDurationFormats(t *testing.T) {
	for text, want := range map[string]string{
		"1s": "1s", "60s": "1m", "90s": "1m30s", "3600s": "1h", "10m": "10m", "20m0.5s": "20m0.5s", "1.5s": "1.5s",
	} {
		d, f := parseTimeout(text)
		if f != nil {
			t.Errorf("%q: %s", text, f.problem)
		} else if got := formatDuration(d); got != want {
			t.Errorf("%q is written as %q, want %q", text, got, want)
		}
	}
}
