package config

import (
	"strings"
	"testing"
)

// TestParseFleetDocument: an operator's text becomes a document, checked as a configuration is.
func TestParseFleetDocument(t *testing.T) {
	got, err := ParseFleetDocument("d", []byte(`serial: 7
allow: [203.0.113.10, 198.51.100.0/24, "2001:db8::/32", Home.Example.net]
trunks: [sip.example.net, "::ffff:192.0.2.1"]
trust: [acme, zeta_pbx1]
hosts: [acme_pbx1, zeta_pbx1]
revoked: [acme_pbx9]
minimum_version: 0.9.0
`))
	if err != nil {
		t.Fatal(err)
	}
	words := func(hosts []Host) (all string) {
		for _, h := range hosts {
			all += h.String() + " "
		}
		return all
	}
	if got.Serial != 7 || words(got.Allow) != "203.0.113.10 198.51.100.0/24 2001:db8::/32 home.example.net " ||
		words(got.Trunks) != "sip.example.net 192.0.2.1 " || strings.Join(got.Trust, " ") != "acme zeta_pbx1" ||
		strings.Join(got.Hosts, " ") != "acme_pbx1 zeta_pbx1" || strings.Join(got.Revoked, " ") != "acme_pbx9" || got.MinimumVersion != "0.9.0" {
		t.Errorf("%+v", got)
	}
	if d, err := ParseFleetDocument("d", nil); err != nil || d.Serial != 0 || d.Allow != nil {
		t.Errorf("an empty file: %+v, %v", d, err)
	}
}

func TestFleetDocumentErrors(t *testing.T) {
	for text, want := range map[string]string{
		"serial: 0":                 `d:1:9: serial: bad serial ("0"): expected 1..9007199254740991, or no such key for the time in seconds`,
		"serial: 9007199254740992":  `d:1:9: serial: bad serial ("9007199254740992"): expected`,
		"serial: -1":                `d:1:9: serial: bad serial ("-1"): expected`,
		"allow: [0.0.0.0/0]":        `d:1:9: allow[0]: network too wide ("0.0.0.0/0"): expected a /8 or narrower`,
		"allow: [1.2.3.4, a..b]":    `d:1:18: allow[1]: neither an address nor a host name ("a..b")`,
		"trunks: [\"::/0\"]":        `d:1:10: trunks[0]: network too wide ("::/0"): expected a /19 or narrower`,
		"trust: [Acme]":             `d:1:9: trust[0]: bad name ("Acme")`,
		"hosts: [acme]":             `d:1:9: hosts[0]: bad name ("acme"): expected a host of the fleet`,
		"revoked: [acme_a_b]":       `d:1:11: revoked[0]: bad name ("acme_a_b")`,
		"minimum_version: 1.0":      `d:1:18: minimum_version: bad version ("1.0"): expected three numbers`,
		"minimum_version: v1.0.0":   `d:1:18: minimum_version: bad version ("v1.0.0")`,
		"minimun_version: 1.0.0":    `d:1:1: unknown key "minimun_version": did you mean "minimum_version"?`,
		"allow: {a: b}":             `d:1:8: allow: wrong type, keys with values: expected a list, such as [203.0.113.10]`,
		"allow: [1.2.3.4, [1.2.3]]": `d:1:18: allow[1]: wrong type, a list`,
		"- a":                       `d:1:1: wrong type, a list`,
		"a: [":                      `d:1:4: `,
	} {
		if _, err := ParseFleetDocument("d", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, not %s", text, err, want)
		}
	}
}

// TestCheckFleetDocument: the same, of a document that did not come as YAML.
func TestCheckFleetDocument(t *testing.T) {
	good := FleetDocumentText{
		Allow: []string{"203.0.113.10"}, Trunks: []string{"sip.example.net"}, Trust: []string{"acme"},
		Hosts: []string{"acme_pbx1"}, Revoked: []string{"acme_pbx2"}, MinimumVersion: "0.9.0",
	}
	d, err := CheckFleetDocument(good)
	if err != nil || d.Allow[0].String() != "203.0.113.10" || d.Trunks[0].Name != "sip.example.net" || d.Trust[0] != "acme" ||
		d.Hosts[0] != "acme_pbx1" || d.Revoked[0] != "acme_pbx2" || d.MinimumVersion != "0.9.0" {
		t.Errorf("%+v, %v", d, err)
	}
	for what, change := range map[string]func(*FleetDocumentText){
		`allow[1]: network too wide ("0.0.0.0/0")`:    func(t *FleetDocumentText) { t.Allow = append(t.Allow, "0.0.0.0/0") },
		`trunks[0]: neither an address nor`:           func(t *FleetDocumentText) { t.Trunks = []string{"a b"} },
		`trust[0]: bad name ("")`:                     func(t *FleetDocumentText) { t.Trust = []string{""} },
		`hosts[0]: bad name ("a_")`:                   func(t *FleetDocumentText) { t.Hosts = []string{"a_"} },
		`revoked[0]: bad name ("acme")`:               func(t *FleetDocumentText) { t.Revoked = []string{"acme"} },
		`minimum_version: bad version ("1")`:          func(t *FleetDocumentText) { t.MinimumVersion = "1" },
		`allow: too many elements (4097)`:             func(t *FleetDocumentText) { t.Allow = make([]string, 4097) },
		`allow[0]: address with a zone ("fe80::1%a")`: func(t *FleetDocumentText) { t.Allow = []string{"fe80::1%a"} },
	} {
		bad := good
		change(&bad)
		if _, err := CheckFleetDocument(bad); err == nil || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%v, not %s", err, what)
		}
	}
}

func TestDocumentKey(t *testing.T) {
	const text = "voipbl-doc:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
	k, f := parseDocumentKey(text)
	if f != nil || k.String() != text || k[0] != 1 || k[31] != 32 {
		t.Errorf("%v, %v", k, f)
	}
	if none, f := parseDocumentKey(""); f != nil || none.String() != "" {
		t.Errorf("%v, %v", none, f)
	}
	for _, bad := range []string{
		text[:len(text)-1], text + "=", text + "\n", text[len(documentPrefix):], "voipbl-doc-secret:" + text[len(documentPrefix):],
		"voipbl-doc:", "voipbl-doc:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", text[:len(text)-2] + "B=",
	} {
		_, f := parseDocumentKey(bad)
		if f == nil || strings.Contains(f.problem+f.expected, "AQID") {
			t.Errorf("%s: %v", bad, f)
		}
	}
}
